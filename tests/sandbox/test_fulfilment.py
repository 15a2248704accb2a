"""Invoices and shipments that the sandbox makes, and refunds of what they left behind."""

from __future__ import annotations

from decimal import Decimal

from tests.sandbox.small_orders import ORDER_ID, SmallShop, a_line, an_order, message_of, one, some_stock


def _uninvoiced(shop: SmallShop, *, payment: str = "banktransfer") -> None:
    order = an_order(a_line(1, "a", price="14", qty=3, shipped=0, qty_invoiced=0), payment=payment)
    for prefix in ("", "base_"):
        order["items"][0][f"{prefix}row_invoiced"] = Decimal(0)
        order |= {f"{prefix}total_paid": Decimal(0), f"{prefix}grand_total": Decimal(48)}
    shop.store.add_order(order | {"state": "new", "status": "pending"}, [], some_stock("a", salable=7))


def test_an_order_without_an_invoice_is_not_refunded_and_with_one_it_is() -> None:
    shop = SmallShop()
    _uninvoiced(shop)

    before = shop.refund(one(1))
    made = shop.ask("POST", f"order/{ORDER_ID}/invoice", {"capture": True})
    after = shop.refund(one(1))

    assert message_of(before) == 'We found an invalid quantity to refund item "%1".'
    assert (made.body, after.status) == (b'"1"', 200)
    assert shop.read("invoices/1")["grand_total"] == 48


def test_an_online_invoice_is_captured_and_refunded_through_the_gateway() -> None:
    shop = SmallShop()
    _uninvoiced(shop, payment="braintree")

    shop.ask("POST", f"order/{ORDER_ID}/invoice", {"capture": True, "items": [{"order_item_id": 1, "qty": 2}]})
    shop.refund({"isOnline": True}, invoice=1)

    ledger = [(line.what, line.amount) for line in shop.store.gateway.ledger]
    assert ledger == [("capture", Decimal(34)), ("refund", Decimal(34))]
    assert shop.read(f"orders/{ORDER_ID}")["payment"]["last_trans_id"] == shop.store.gateway.ledger[1].txn


def test_a_shipment_takes_units_off_their_source_and_completes_the_order() -> None:
    shop = SmallShop()
    _uninvoiced(shop)
    shop.ask("POST", f"order/{ORDER_ID}/invoice", {})

    shop.ask("POST", f"order/{ORDER_ID}/ship", {})

    assert shop.moved("a", salable=7) == (-3, 0)
    assert shop.order["state"] == "complete"


def test_a_cancelled_order_gives_its_reservation_back() -> None:
    shop = SmallShop()
    _uninvoiced(shop)

    shop.ask("POST", f"orders/{ORDER_ID}/cancel")

    assert shop.moved("a", salable=7) == (0, 3)
    assert "has a status of canceled" in message_of(shop.refund())
