"""Orders, invoices, memos and returns for tests, with only what a test wants to say."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from service.core.amounts import predict
from service.core.counters import after_memo
from service.core.orders import (
    INVOICE_PAID,
    CreditMemo,
    Invoice,
    InvoiceLine,
    LineAmounts,
    MemoAmounts,
    MemoLine,
    Order,
    OrderLine,
    OrderTotals,
    Reading,
    ShippingAmounts,
)
from service.core.policy import PaymentRules, Policy, ShippingRule, ShippingRuleKind, SourcePolicy, StorePolicy
from service.core.returns import ApprovedReturn, OrderReference, ReturnedPart, ReturnEvent, ReturnLine

TODAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LAST_WEEK = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
TEE, BAG, HOODIE, KIT = 510, 511, 520, 530


def line(item_id, sku, price, qty=1, *, kind="simple", parent=None, shipped=None, invoiced=None, tax="0", **more):
    """A line fully invoiced and shipped unless said otherwise; `tax` is the whole row's."""
    price, qty = Decimal(price), Decimal(qty)
    invoiced = qty if invoiced is None else Decimal(invoiced)
    amounts = LineAmounts(
        price=price,
        price_incl_tax=price,
        row_invoiced=price * invoiced,
        tax_invoiced=Decimal(tax),
        discount_invoiced=Decimal(more.pop("discount", 0)),
    )
    return OrderLine(
        item_id=item_id,
        parent_item_id=parent,
        product_type=kind,
        sku=sku,
        name=sku,
        qty_ordered=qty,
        qty_invoiced=invoiced,
        qty_shipped=qty if shipped is None else Decimal(shipped),
        base=amounts,
        shown=amounts,
        **more,
    )


def configurable(item_id, sku, price, qty=1, **more):
    """A configurable and its hidden child, whose id is one higher."""
    child = line(item_id + 1, sku, 0, qty, parent=item_id, shipped=0)
    return line(item_id, sku, price, qty, kind="configurable", **more), replace(child, qty_invoiced=Decimal(0))


def dynamic_bundle(item_id, sku, parts, qty=1):
    """A bundle whose parts carry the prices: `parts` are (sku, price, units per bundle)."""
    total = sum(Decimal(price) * each for _, price, each in parts)
    parent = line(item_id, "-".join((sku, *(part[0] for part in parts))), total, qty, kind="bundle")
    parent = replace(parent, base=LineAmounts(price=total), shown=LineAmounts(price=total))
    children = (
        line(item_id + number, part_sku, price, qty * each, parent=item_id)
        for number, (part_sku, price, each) in enumerate(parts, start=1)
    )
    return parent, *children


def fixed_bundle(item_id, sku, price, parts, qty=1):
    """A bundle with a price of its own: `parts` are (sku, units per bundle)."""
    parent = line(item_id, sku, price, qty, kind="bundle")
    children = (
        line(item_id + number, part_sku, 0, qty * each, parent=item_id)
        for number, (part_sku, each) in enumerate(parts, start=1)
    )
    return parent, *children


def an_order(*lines, payment="banktransfer", shipping="0", state="complete", rate="1", **more):
    goods = sum(
        (each.base.row_invoiced + each.base.tax_invoiced - each.base.discount_invoiced for each in lines), Decimal(0)
    )
    shipping, rate = Decimal(shipping), Decimal(rate)
    total = goods + shipping
    tax = sum((each.base.tax_invoiced for each in lines), Decimal(0))
    base = OrderTotals(grand_total=total, paid=total, tax_invoiced=tax)
    shown = OrderTotals(grand_total=total * rate, paid=total * rate, tax_invoiced=tax * rate)
    return Order(
        **{
            "entity_id": 269,
            "increment_id": "000000264",
            "store_id": 1,
            "state": state,
            "status": state,
            "created_at": LAST_WEEK,
            "currency": "USD",
            "base_currency": "USD",
            "base_to_order_rate": rate,
            "payment_method": payment,
            "shipping_method": "flatrate_flatrate",
            "base": base,
            "shown": shown,
            "base_shipping": ShippingAmounts(amount=shipping, including_tax=shipping),
            "shown_shipping": ShippingAmounts(amount=shipping * rate, including_tax=shipping * rate),
            "lines": lines,
            **more,
        }
    )


def an_invoice(entity_id, units, order, *, shipping="0", transaction="txn-1", state=INVOICE_PAID):
    """An invoice of `units` {item_id: qty} of an order without tax or discount."""
    prices = {each.item_id: each.base.price for each in order.lines}
    goods = sum((prices[item_id] * Decimal(qty) for item_id, qty in units.items()), Decimal(0))
    return Invoice(
        entity_id=entity_id,
        increment_id=f"{entity_id:09d}",
        order_id=order.entity_id,
        state=state,
        transaction_id=transaction,
        base_grand_total=goods + Decimal(shipping),
        base_shipping=Decimal(shipping),
        lines=tuple(InvoiceLine(order_item_id=item_id, qty=Decimal(qty)) for item_id, qty in units.items()),
    )


def a_reading(order, *invoices, memos=()):
    return Reading(order=order, invoices=invoices, memos=tuple(memos))


def a_memo(entity_id, units, *, at=TODAY, comments=(), total="1", invoice_id=None, fee="0", shipping="0"):
    amounts = MemoAmounts(grand_total=Decimal(total), adjustment_negative=Decimal(fee), shipping=Decimal(shipping))
    return CreditMemo(
        entity_id=entity_id,
        increment_id=f"{entity_id:09d}",
        order_id=269,
        invoice_id=invoice_id,
        created_at=at,
        base=amounts,
        shown=amounts,
        lines=tuple(MemoLine(order_item_id=item_id, qty=Decimal(qty)) for item_id, qty in units.items()),
        comments=comments,
    )


def a_part(quantity, disposition="sellable"):
    return ReturnedPart(quantity=Decimal(quantity), disposition=disposition)


def came_back(sku=None, quantity=1, disposition="sellable", *, item=None, parts=None):
    return ReturnLine(sku=sku, order_item_id=item, parts=tuple(parts) if parts else (a_part(quantity, disposition),))


def a_return(*lines, known_since=TODAY, answers=None, approved=None, may_notify=True, **more):
    event = ReturnEvent(
        **{
            "event_id": "evt_0001",
            "type": "return.approved",
            "return_id": "RMA-1001",
            "order": OrderReference(increment_id="000000264"),
            "lines": lines,
            "occurred_at": known_since,
            **more,
        }
    )
    return ApprovedReturn(
        namespace="warehouse",
        instance="https://shop.example",
        source="warehouse",
        event=event,
        known_since=known_since,
        memo_answers=answers or {},
        approved_fingerprint=approved,
        may_notify=may_notify,
    )


def a_policy(*, shipping="none", review_over=None, notify=True, restock=("sellable",), includes_tax=False):
    kind, _, amount = shipping.partition(":")
    return Policy(
        store=StorePolicy(
            payments=PaymentRules(
                offline=("checkmo", "banktransfer", "cashondelivery", "purchaseorder"), online=("sandbox*",)
            ),
            shipping={"default": ShippingRule(kind=ShippingRuleKind(kind), amount=Decimal(amount or 0))},
            shipping_includes_tax=includes_tax,
            review_amount_over=None if review_over is None else Decimal(review_over),
        ),
        source=SourcePolicy(restock=restock, notify_customer=notify),
    )


def made(reading, *planned, first_id=900):
    """The world after Magento has made these planned refunds, as it would read then."""
    for number, refund in enumerate(planned):
        request = refund.request
        prediction = predict(reading.order, reading.invoices, reading.memos, request)
        memo = replace(
            prediction.as_memo(
                entity_id=first_id + len(reading.memos) + number,
                order_id=request.order_id,
                invoice_id=request.invoice_id,
                created_at=TODAY,
            ),
            comments=(request.comment,),
            transaction_id="refund-1" if request.invoice_id else None,
        )
        reading = after_memo(reading, memo)
    return reading
