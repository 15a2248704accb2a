"""The memo Magento would make of a request: which lines and quantities it takes, and their amounts.

A line that was not asked for comes along with 0 units; what an invoice does not hold is cut off without a word; a
kit's other side follows. Source: Magento 2.4 Order/CreditmemoFactory; recordings/online-two-invoices.json,
items-omitted-empty-zero-unknown.json, bundle-dynamic-by-children.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from service.sandbox.documents import ZERO, Document, cents, number
from service.sandbox.lines import Line, read_lines
from service.sandbox.totals import Draft, MemoLine, collect_totals, find_row_totals_incl_tax
from service.sandbox.versions import Quirks


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedRefund:
    """What a caller asks for, after Magento's input conversion. None and empty mean left out."""

    items: tuple[tuple[int, Decimal], ...] = ()
    is_online: bool = False
    notify: bool = False
    append_comment: bool = False
    comment: Document | None = None
    shipping_amount: Decimal | None = None
    adjustment_positive: Decimal | None = None
    adjustment_negative: Decimal | None = None
    return_to_stock: tuple[int, ...] = ()

    @property
    def quantities(self) -> dict[int, Decimal]:
        """The last entry of a line wins; nothing is added up."""
        return dict(self.items)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a refund has read of the shop, once, before it computes; others may write meanwhile."""

    order: Document
    invoice: Document | None
    memos: tuple[Document, ...]


#: What invoices and memos alike repeat of their order, and of its items.
COPIED_FROM_ORDER = (
    "base_currency_code",
    "base_to_global_rate",
    "base_to_order_rate",
    "billing_address_id",
    "discount_description",
    "global_currency_code",
    "order_currency_code",
    "store_currency_code",
    "store_id",
    "store_to_base_rate",
    "store_to_order_rate",
)

COPIED_FROM_ITEM = (
    "base_price",
    "base_price_incl_tax",
    "name",
    "price",
    "price_incl_tax",
    "product_id",
    "sku",
)

#: No recording has fixed product taxes; these are what an item without any shows.
_NO_FIXED_PRODUCT_TAX = {
    "base_weee_tax_row_disposition": ZERO,
    "weee_tax_applied_row_amount": ZERO,
    "weee_tax_row_disposition": ZERO,
}


def draft_memo(reading: Reading, asked: AskedRefund, quirks: Quirks, *, shipping_incl_tax: bool) -> Draft:
    """The memo Magento would make, with all amounts; raises RefusedError where building it already fails."""
    order = reading.order
    lines = read_lines(order)
    draft = Draft(
        order=order,
        lines=lines,
        invoice=reading.invoice,
        memos=reading.memos,
        items=_choose_items(lines, reading, asked.quantities),
        document=_start_memo(order, reading.invoice),
        shipping_asked=_shipping_asked(reading, asked, shipping_incl_tax=shipping_incl_tax),
        shipping_is_named=asked.shipping_amount is not None,
        shipping_incl_tax=shipping_incl_tax,
        limits_tax_per_invoice=quirks.limits_tax_per_invoice,
        row_totals_incl_tax=find_row_totals_incl_tax(order),
    )
    _set_adjustments(draft, asked)
    collect_totals(draft)
    return draft


def _start_memo(order: Document, invoice: Document | None) -> Document:
    memo: Document = {name: order[name] for name in COPIED_FROM_ORDER if name in order}
    memo["order_id"] = order["entity_id"]
    address = shipping_address_id(order)
    if address is not None:
        memo["shipping_address_id"] = address
    if invoice is not None:
        memo["invoice_id"] = invoice["entity_id"]
    return memo


def shipping_address_id(order: Document) -> int | None:
    """The id of the address goods went to; None for an order without any."""
    for assignment in order.get("extension_attributes", {}).get("shipping_assignments", ()):
        address = assignment.get("shipping", {}).get("address")
        if address:
            return int(address["entity_id"])
    return None


def _shipping_asked(reading: Reading, asked: AskedRefund, *, shipping_incl_tax: bool) -> Decimal | None:
    """The shipping to refund; on the invoice route what is left is limited to the invoice's own when none is asked."""
    if asked.shipping_amount is not None or reading.invoice is None:
        return asked.shipping_amount
    order = reading.order
    if shipping_incl_tax:
        refunded = number(order, "base_shipping_refunded") + number(order, "base_shipping_tax_refunded")
        return number(order, "base_shipping_incl_tax") - refunded
    left = number(order, "base_shipping_amount") - number(order, "base_shipping_refunded")
    return min(left, number(reading.invoice, "base_shipping_amount"))


def _set_adjustments(draft: Draft, asked: AskedRefund) -> None:
    rate = number(draft.order, "base_to_order_rate") or Decimal(1)
    for name, amount in (
        ("adjustment_positive", asked.adjustment_positive),
        ("adjustment_negative", asked.adjustment_negative),
    ):
        if amount is not None:
            draft.document[f"base_{name}"] = cents(amount)
            draft.document[name] = cents(cents(amount) * rate)


def _choose_items(lines: Sequence[Line], reading: Reading, asked: Mapping[int, Decimal]) -> list[MemoLine]:
    by_id = {line.item_id: line for line in lines}
    if reading.invoice is None:
        return [_start_item(line, _choose_qty(line, asked, {})) for line in lines if _is_refundable(line, asked, {})]
    limits = left_on_invoice(reading.invoice, reading.memos)
    chosen = []
    for invoiced in reading.invoice["items"]:
        line = by_id[invoiced["order_item_id"]]
        if _is_refundable(line, asked, limits):
            qty = min(_choose_qty(line, asked, limits), number(invoiced, "qty"))
            chosen.append(_start_item(line, qty))
    return chosen


def left_on_invoice(invoice: Document, memos: Sequence[Document]) -> dict[int, Decimal]:
    """Units per order item; only memos of the invoice route carry an invoice_id and count."""
    left = {item["order_item_id"]: number(item, "qty") for item in invoice["items"]}
    for memo in memos:
        if memo.get("invoice_id") == invoice["entity_id"]:
            for item in memo["items"]:
                if item["order_item_id"] in left:
                    left[item["order_item_id"]] -= number(item, "qty")
    return left


def _is_refundable(line: Line, asked: Mapping[int, Decimal], limits: Mapping[int, Decimal]) -> bool:
    """A dummy comes along with what it belongs to, everything else unless its invoice is used up."""
    if not line.is_dummy:
        return is_left(line, limits)
    if line.children:
        if not asked:
            return any(is_left(child, limits) for child in line.children)
        return any(asked.get(child.item_id, ZERO) > 0 for child in line.children)
    if line.parent is None:
        return False
    return asked.get(line.parent.item_id, ZERO) > 0 if asked else is_left(line.parent, limits)


def is_left(line: Line, limits: Mapping[int, Decimal]) -> bool:
    return limits.get(line.item_id, Decimal(1)) > 0


def _choose_qty(line: Line, asked: Mapping[int, Decimal], limits: Mapping[int, Decimal]) -> Decimal:
    if line.is_dummy:
        return _follow_kit(line, asked)
    if not asked:
        qty = line.qty_to_refund
    elif line.item_id in asked:
        qty = asked[line.item_id]
    else:
        return ZERO
    return min(qty, limits.get(line.item_id, qty))


def _follow_kit(line: Line, asked: Mapping[int, Decimal]) -> Decimal:
    """A kit that is refunded by its parts counts as all its kits each time: its counter overruns."""
    if line.parent is not None and line.parent.item_id in asked:
        return asked[line.parent.item_id] * line.qty_of_kit
    if line.product_type == "bundle":
        return number(line.document, "qty_invoiced")
    return (line.parent.qty_to_refund if line.parent is not None else Decimal(1)) * line.qty_of_kit


def _start_item(line: Line, qty: Decimal) -> MemoLine:
    document: Document = {"base_cost": None}
    document.update({name: line.document[name] for name in COPIED_FROM_ITEM if name in line.document})
    document["order_item_id"] = line.item_id
    document["qty"] = qty
    if not line.is_dummy:
        document.update(_NO_FIXED_PRODUCT_TAX)
        document["weee_tax_applied"] = line.document.get("weee_tax_applied", "[]")
    return MemoLine(line, qty, document)
