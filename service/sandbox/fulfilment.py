"""Invoices and shipments: what has to happen to an order before there is something to refund.

Only as much as refunds rest on: amounts invoiced per line, the invoice's own totals, units shipped, stock leaving.
Source: Magento 2.4 Order/InvoiceOrder and ShipOrder; recordings/purchase-order.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from service.sandbox.documents import ZERO, Document, as_stored, cents, number, priced
from service.sandbox.gateway import is_online
from service.sandbox.lines import Line, can_invoice, can_ship, default_status, read_lines
from service.sandbox.memo_draft import COPIED_FROM_ITEM, COPIED_FROM_ORDER, shipping_address_id
from service.sandbox.shop import Shop
from service.sandbox.totals import RefusedError, find_row_totals_incl_tax

_SHARED = ("row_total", "tax_amount", "discount_amount", "discount_tax_compensation_amount")
_PREFIXES = ("", "base_")


def invoice_order(shop: Shop, order_id: int, asked: Mapping[int, Decimal], *, capture: bool, notify: bool) -> int:
    """Invoices what was asked, or all that is left; captures at the gateway where the method is online."""
    order = shop.get_order(order_id)
    lines = read_lines(order)
    if not can_invoice(order, lines):
        raise RefusedError("Invoice Document Validation Error(s):\nThe order does not allow an invoice to be created.")
    taken = {line.item_id: _choose_qty(line, asked) for line in lines}
    invoice = _build_invoice(shop, order, lines, taken)
    written = _add_invoice(order, lines, taken, invoice) | {"customer_note_notify": int(notify)}
    txn = _capture(shop, order, invoice) if capture else None
    history = None
    if txn is not None:
        invoice["transaction_id"] = txn
        amount = priced(number(invoice, "base_grand_total"), order.get("base_currency_code", "USD"))
        history = {
            "comment": f'Captured amount of {amount} online. Transaction ID: "{txn}"',
            "created_at": shop.timestamp(),
            "entity_name": "invoice",
            "is_customer_notified": None,
            "is_visible_on_front": 0,
            "parent_id": order_id,
            "status": "processing",
        }
        paid_online = number(written["payment"], "base_amount_paid_online") + number(invoice, "base_grand_total")
        written["payment"] |= {"base_amount_paid_online": paid_online, "last_trans_id": txn}
    shop.invoices[invoice["entity_id"]] = invoice
    shop.save_order(written, history)
    return int(invoice["entity_id"])


def ship_order(shop: Shop, order_id: int, asked: Mapping[int, Decimal]) -> int:
    """Ships what was asked, or all that is left; the units leave their source."""
    order = shop.get_order(order_id)
    lines = read_lines(order)
    if not can_ship(order, lines):
        raise RefusedError("Shipment Document Validation Error(s):\nThe order does not allow a shipment to be created.")
    shipped = {line.item_id: asked.get(line.item_id, ZERO) if asked else line.qty_to_ship for line in lines}
    items = []
    for line in lines:
        qty = shipped[line.item_id]
        if line.parent is not None and not qty:
            qty = shipped[line.parent.item_id] * line.qty_of_kit
            counted = qty if line.parent.product_type == "bundle" else ZERO
        else:
            counted = qty
        items.append({**line.document, "qty_shipped": number(line.document, "qty_shipped") + counted})
        sku = shop.stock.find_sku(str(line.document["sku"]))
        if sku is not None and not line.children:
            shop.stock.ship(sku, qty)
    written = {**order, "items": items}
    new_lines = read_lines(written)
    if not can_invoice(written, new_lines) and not can_ship(written, new_lines):
        written |= {"state": "complete", "status": default_status("complete")}
    shop.save_order(written)
    return shop.next_id("shipment")


def _choose_qty(line: Line, asked: Mapping[int, Decimal]) -> Decimal:
    if line.is_dummy and line.parent is not None:
        return _choose_qty(line.parent, asked) * line.qty_of_kit
    if line.is_dummy:
        return line.qty_ordered - number(line.document, "qty_invoiced")
    return min(asked.get(line.item_id, ZERO), line.qty_to_invoice) if asked else line.qty_to_invoice


def _build_invoice(shop: Shop, order: Document, lines: tuple[Line, ...], taken: Mapping[int, Decimal]) -> Document:
    now = shop.timestamp()
    invoice: Document = {name: order[name] for name in COPIED_FROM_ORDER if name in order}
    invoice |= {
        "entity_id": shop.next_id("invoice"),
        "increment_id": shop.next_increment_id("invoice", int(order.get("store_id", 1))),
        "order_id": order["entity_id"],
        "can_void_flag": 0,
        "state": 2,
        "created_at": now,
        "updated_at": now,
        "total_qty": sum(taken.values(), ZERO),
        "comments": [],
    }
    address = shipping_address_id(order)
    if address is not None:
        invoice["shipping_address_id"] = address
    incl_tax = find_row_totals_incl_tax(order)
    invoice["items"] = [
        _build_item(shop, line, taken[line.item_id], invoice["entity_id"], incl_tax[line.item_id])
        for line in lines
        if taken[line.item_id]
    ]
    _total_invoice(order, invoice, with_shipping=not number(order, "base_shipping_invoiced"))
    return invoice


def _build_item(shop: Shop, line: Line, qty: Decimal, invoice_id: int, incl_tax: tuple[Decimal, Decimal]) -> Document:
    item: Document = {name: line.document[name] for name in COPIED_FROM_ITEM if name in line.document}
    item |= {
        "entity_id": shop.next_id("invoice item"),
        "order_item_id": line.item_id,
        "parent_id": invoice_id,
        "qty": qty,
    }
    if line.is_dummy:
        return item
    for prefix, total in zip(_PREFIXES, incl_tax, strict=True):
        for name in _SHARED:
            amount = _share(line, prefix + name, qty)
            if amount or name != "discount_amount":
                item[prefix + name] = amount
        item[f"{prefix}row_total_incl_tax"] = cents(total * qty / line.qty_ordered)
    return item


def _share(line: Line, name: str, qty: Decimal) -> Decimal:
    """The part of a column that goes with `qty`; what REST shows as row_total lacks the discount."""
    total = number(line.document, name)
    if name.endswith("row_total"):
        total += number(line.document, name.replace("row_total", "discount_amount"))
    return as_stored(total) if qty == line.qty_ordered else cents(total * qty / line.qty_ordered)


def _total_invoice(order: Document, invoice: Document, *, with_shipping: bool) -> None:
    for prefix in _PREFIXES:
        compensation = f"{prefix}shipping_discount_tax_compensation{'_amnt' if prefix else '_amount'}"
        for name in ("shipping_amount", "shipping_incl_tax", "shipping_tax_amount"):
            invoice[prefix + name] = number(order, prefix + name) if with_shipping else ZERO
        invoice[compensation] = number(order, compensation) if with_shipping else ZERO
        sums = {
            name: sum((number(item, prefix + name) for item in invoice["items"]), ZERO)
            for name in (*_SHARED, "row_total_incl_tax")
        }
        discount = sums["discount_amount"]
        if with_shipping:
            discount += number(order, f"{prefix}shipping_discount_amount")
        invoice[f"{prefix}subtotal"] = sums["row_total"]
        invoice[f"{prefix}subtotal_incl_tax"] = sums["row_total_incl_tax"]
        invoice[f"{prefix}discount_amount"] = -discount
        invoice[f"{prefix}discount_tax_compensation_amount"] = sums["discount_tax_compensation_amount"]
        invoice[f"{prefix}tax_amount"] = sums["tax_amount"] + invoice[f"{prefix}shipping_tax_amount"]
        invoice[f"{prefix}grand_total"] = (
            sums["row_total"]
            - discount
            + invoice[f"{prefix}shipping_amount"]
            + invoice[f"{prefix}tax_amount"]
            + sums["discount_tax_compensation_amount"]
        )


def _add_invoice(order: Document, lines: tuple[Line, ...], taken: Mapping[int, Decimal], invoice: Document) -> Document:
    by_id = {item["order_item_id"]: item for item in invoice["items"]}
    items = []
    for line in lines:
        item = {**line.document, "qty_invoiced": number(line.document, "qty_invoiced") + taken[line.item_id]}
        invoiced = by_id.get(line.item_id, {})
        for prefix in _PREFIXES:
            for source, target in (
                ("row_total", "row_invoiced"),
                ("tax_amount", "tax_invoiced"),
                ("discount_amount", "discount_invoiced"),
                ("discount_tax_compensation_amount", "discount_tax_compensation_invoiced"),
            ):
                item[prefix + target] = number(item, prefix + target) + number(invoiced, prefix + source)
        item.setdefault("weee_tax_applied", "[]")
        items.append(item)
    written: Document = {**order, "items": items, "state": "processing", "status": default_status("processing")}
    payment = dict(order["payment"])
    for prefix in _PREFIXES:
        for name, target in (
            ("subtotal", "subtotal_invoiced"),
            ("tax_amount", "tax_invoiced"),
            ("discount_amount", "discount_invoiced"),
            ("discount_tax_compensation_amount", "discount_tax_compensation_invoiced"),
            ("shipping_amount", "shipping_invoiced"),
            ("grand_total", "total_invoiced"),
            ("grand_total", "total_paid"),
        ):
            written[prefix + target] = number(order, prefix + target) + number(invoice, prefix + name)
        grand_total = number(invoice, f"{prefix}grand_total")
        written[f"{prefix}total_due"] = number(order, f"{prefix}grand_total") - number(written, f"{prefix}total_paid")
        payment[f"{prefix}amount_paid"] = number(payment, f"{prefix}amount_paid") + grand_total
        shipping = number(invoice, f"{prefix}shipping_amount")
        payment[f"{prefix}shipping_captured"] = number(payment, f"{prefix}shipping_captured") + shipping
    written["base_total_invoiced_cost"] = number(order, "base_total_invoiced_cost")
    written["payment"] = payment
    return written


def _capture(shop: Shop, order: Document, invoice: Document) -> str | None:
    if not is_online(order["payment"]):
        return None
    txn = shop.gateway.capture(
        at=shop.now(),
        method=order["payment"]["method"],
        order=order["increment_id"],
        amount=number(invoice, "base_grand_total"),
    )
    shop.keep_transaction(order, txn=txn, kind="capture", parent=None, at=shop.timestamp())
    return txn
