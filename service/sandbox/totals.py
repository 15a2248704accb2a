"""The amounts of a credit memo, collected the way Magento's total models do it: to the cent, deltas carried along.

Both currencies are computed side by side from the order's own columns; nothing is converted except shipping shares
and adjustments, which callers give in the base currency.
Source: Magento 2.4 Order/Creditmemo/Item::calcRowTotal and the collectors of Order/Creditmemo/Total, in the order of
etc/sales.xml; checked against recordings/tax-*.json, discount-*.json, decimal-qty.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from service.sandbox.documents import ZERO, Document, Rounding, bare, cents, number, priced
from service.sandbox.lines import Line


class RefusedError(Exception):
    """Magento says no with one message; `parameters` fill its %1."""

    def __init__(self, message: str, *parameters: str) -> None:
        super().__init__(message)
        self.message = message
        self.parameters = parameters


class PhpFailureError(Exception):
    """PHP stops where Magento did not expect it: HTTP 500 with a report id, the reason only in the log."""


@dataclass(slots=True, eq=False)
class MemoLine:
    """A line of a memo in the making; `document` is the memo item as REST will show it."""

    line: Line
    qty: Decimal
    document: Document

    @property
    def is_last(self) -> bool:
        """Whether this takes all that is left of the line; the rest of its money goes with it, uncounted."""
        return self.qty == self.line.qty_to_refund

    def count_units(self) -> Decimal:
        """Units that are paid for: whole ones, unless the item is sold in fractions."""
        qty = self.qty if self.line.document.get("is_qty_decimal") else Decimal(int(self.qty))
        qty = max(qty, ZERO)
        if qty > self.line.qty_to_refund and not self.line.is_dummy:
            raise RefusedError('We found an invalid quantity to refund item "%1".', str(self.line.document.get("name")))
        return qty


@dataclass(slots=True, eq=False)
class Draft:
    """A memo in the making. `order`, `invoice` and `memos` (of the same order) are read only.

    `row_totals_incl_tax` holds, per order item, what REST does not show: see `find_row_totals_incl_tax`.
    """

    order: Document
    lines: tuple[Line, ...]
    invoice: Document | None
    memos: tuple[Document, ...]
    items: list[MemoLine]
    document: Document
    shipping_asked: Decimal | None
    #: The caller named the amount; otherwise it is None, or what the invoice allows.
    shipping_is_named: bool
    shipping_incl_tax: bool = False
    limits_tax_per_invoice: bool = False
    row_totals_incl_tax: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    rounding: Rounding = field(default_factory=Rounding)

    @property
    def priced_items(self) -> list[MemoLine]:
        return [item for item in self.items if not item.line.is_dummy]

    @property
    def is_last(self) -> bool:
        if not self.items:
            return not any(line.qty_to_refund > 0 for line in self.lines)
        return all(item.is_last for item in self.items)

    def add_to_grand_total(self, side: Side, amount: Decimal) -> None:
        field_name = side.name("grand_total")
        self.document[field_name] = number(self.document, field_name) + amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two currencies: the prefix of its columns and the kinds of rounding it carries deltas for."""

    prefix: str
    rounding: str
    rounding_incl_tax: str

    def name(self, column: str) -> str:
        return self.prefix + column

    @property
    def shipping_compensation(self) -> str:
        """The base column's name was cut to fit an old length limit."""
        end = "_amnt" if self.prefix else "_amount"
        return f"{self.prefix}shipping_discount_tax_compensation{end}"


ORDER_SIDE = Side(prefix="", rounding="regular", rounding_incl_tax="including")
BASE_SIDE = Side(prefix="base_", rounding="base", rounding_incl_tax="including_base")
_SIDES = (ORDER_SIDE, BASE_SIDE)


def collect_totals(draft: Draft) -> None:
    """Fills in all amounts of the memo and its items, or raises RefusedError."""
    _collect_subtotal(draft)
    _collect_discount(draft)
    _collect_shipping(draft)
    _collect_tax(draft)
    _collect_grand_total(draft)


def find_row_totals_incl_tax(order: Document) -> dict[int, tuple[Decimal, Decimal]]:
    """Per order item, its row total with tax before discount, in order and base currency.

    REST subtracts the discount from that column, and tax was computed on the discounted price. Undone per item by the
    tax rate; a cent left over against the order's subtotal_incl_tax goes to the last discounted item, as Magento's
    total-based tax rounding carries it forward.
    """
    columns = [_find_incl_tax(order, side) for side in _SIDES]
    return {item["item_id"]: (columns[0][item["item_id"]], columns[1][item["item_id"]]) for item in order["items"]}


def _find_incl_tax(order: Document, side: Side) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    last_discounted = None
    for item in order["items"]:
        shown = number(item, side.name("row_total_incl_tax"))
        discount = number(item, side.name("discount_amount"))
        if discount:
            row = number(item, side.name("row_total")) + discount
            shown = row + cents(row * number(item, "tax_percent") / 100)
            last_discounted = item["item_id"]
        found[item["item_id"]] = shown
    expected = order.get(side.name("subtotal_incl_tax"))
    if last_discounted is not None and expected is not None:
        own_rows = sum((found[i["item_id"]] for i in order["items"] if not i.get("parent_item_id")), ZERO)
        if abs(Decimal(expected) - own_rows) <= cents(Decimal("0.05")):
            found[last_discounted] += Decimal(expected) - own_rows
    return found


def _collect_subtotal(draft: Draft) -> None:
    for item in draft.priced_items:
        _set_row_total(draft, item)
    for side in _SIDES:
        for column, total in (("row_total", "subtotal"), ("row_total_incl_tax", "subtotal_incl_tax")):
            values = (number(item.document, side.name(column)) for item in draft.priced_items)
            draft.document[side.name(total)] = sum(values, ZERO)
        draft.add_to_grand_total(side, draft.document[side.name("subtotal")])


def _set_row_total(draft: Draft, item: MemoLine) -> None:
    units = item.count_units()
    order_item = item.line.document
    for side in _SIDES:
        left = number(order_item, side.name("row_invoiced")) - number(order_item, side.name("amount_refunded"))
        if not item.is_last and number(order_item, "qty_invoiced") > 0:
            left = draft.rounding.price(_share(left, item, units), side.rounding)
        item.document[side.name("row_total")] = left
    incl_tax = draft.row_totals_incl_tax[item.line.item_id]
    if not all(incl_tax):
        return
    for side, total in zip(_SIDES, incl_tax, strict=True):
        share = total / item.line.qty_ordered * units
        item.document[side.name("row_total_incl_tax")] = draft.rounding.price(share, side.rounding_incl_tax)


def _share(left: Decimal, item: MemoLine, units: Decimal) -> Decimal:
    """What of a line's rest goes with so many of its remaining units."""
    available = number(item.line.document, "qty_invoiced") - item.line.qty_refunded
    if not available:
        raise PhpFailureError("division by zero: nothing of the line is left")
    return left / available * units


def _collect_discount(draft: Draft) -> None:
    total = dict(zip(_SIDES, _share_shipping_discount(draft), strict=True))
    for item in draft.priced_items:
        order_item = item.line.document
        if not number(order_item, "discount_invoiced") or not number(order_item, "qty_invoiced"):
            continue
        for side in _SIDES:
            left = number(order_item, side.name("discount_invoiced")) - number(
                order_item, side.name("discount_refunded")
            )
            if not item.is_last:
                left = draft.rounding.price(_share(left, item, item.qty), side.rounding, negative=True)
            item.document[side.name("discount_amount")] = left
            total[side] += left
    for side in _SIDES:
        draft.document[side.name("discount_amount")] = -total[side]
        draft.add_to_grand_total(side, -total[side])


def _share_shipping_discount(draft: Draft) -> tuple[Decimal, Decimal]:
    """The discount on the shipping that is refunded, in order and base currency.

    Where the amount is nothing or 0, Magento looks at the memo's shipping with tax less its tax on shipping. A new
    memo has both from the order, whole; a caller's amount replaces the first and not the second.
    Source: Magento 2.4 Total/Discount::getBaseShippingAmount, module-sales/etc/fieldset.xml (to_cm).
    """
    order_shipping = number(draft.order, "base_shipping_amount")
    incl_tax = ZERO if draft.shipping_is_named else number(draft.order, "base_shipping_incl_tax")
    shipping = draft.shipping_asked or incl_tax - number(draft.order, "base_shipping_tax_amount")
    if not shipping:
        return ZERO, ZERO
    if order_shipping <= 0:
        raise RefusedError("You can not refund shipping if there is no shipping amount.")
    base = shipping * number(draft.order, "base_shipping_discount_amount") / order_shipping
    return number(draft.order, "shipping_amount") * base / order_shipping, base


def _collect_shipping(draft: Draft) -> None:
    order = draft.order
    asked = draft.shipping_asked
    base_left = _shipping_left(order, BASE_SIDE)
    limit = _shipping_left_incl_tax(order, BASE_SIDE) if draft.shipping_incl_tax else base_left
    charged = number(order, "base_shipping_incl_tax" if draft.shipping_incl_tax else "base_shipping_amount")
    if asked is not None and cents(asked) > cents(limit):
        raise RefusedError(
            "Maximum shipping amount allowed to refund is: %1", priced(limit, order.get("base_currency_code", "USD"))
        )
    for side in _SIDES:
        if asked is None:
            amount = _shipping_left(order, side)
            incl_tax = cents(_shipping_left_incl_tax(order, side))
        else:
            ratio = cents(asked) / charged if charged > 0 else ZERO
            takes_all = cents(asked) >= limit
            amount = (
                _shipping_left(order, side) if takes_all else cents(number(order, side.name("shipping_amount")) * ratio)
            )
            incl_tax = cents(number(order, side.name("shipping_incl_tax")) * ratio)
        draft.document[side.name("shipping_amount")] = amount
        draft.document[side.name("shipping_incl_tax")] = incl_tax
        draft.add_to_grand_total(side, amount)


def _shipping_left(order: Document, side: Side) -> Decimal:
    return number(order, side.name("shipping_amount")) - number(order, side.name("shipping_refunded"))


def _shipping_left_incl_tax(order: Document, side: Side) -> Decimal:
    if side is ORDER_SIDE:
        tax_left = number(order, "shipping_tax_amount") - number(order, "shipping_tax_refunded")
        return _shipping_left(order, side) + tax_left
    left = (
        number(order, "base_shipping_incl_tax")
        - number(order, "base_shipping_refunded")
        - number(order, "base_shipping_tax_refunded")
    )
    return max(left, ZERO)


@dataclass(slots=True)
class _Taxes:
    tax: Decimal = ZERO
    compensation: Decimal = ZERO
    shipping_tax: Decimal = ZERO


def _collect_tax(draft: Draft) -> None:
    taxes = {side: _Taxes() for side in _SIDES}
    for item in draft.priced_items:
        if item.qty > 0 and number(item.line.document, "qty_invoiced"):
            _tax_item(draft, item, taxes)
    partial_shipping = _tax_shipping(draft, taxes)
    for side in _SIDES:
        found = taxes[side]
        tax_left, compensation_left = _taxes_left(draft, side)
        if draft.is_last and not partial_shipping:
            found.tax, found.compensation = tax_left, compensation_left
        else:
            found.tax = min(tax_left, found.tax)
            found.compensation = min(compensation_left, found.compensation)
        draft.document[side.name("tax_amount")] = found.tax
        draft.document[side.name("discount_tax_compensation_amount")] = found.compensation
        draft.document[side.name("shipping_tax_amount")] = found.shipping_tax
        draft.add_to_grand_total(side, found.tax + found.compensation)


def _tax_item(draft: Draft, item: MemoLine, taxes: dict[Side, _Taxes]) -> None:
    order_item = item.line.document
    for column in ("tax", "discount_tax_compensation"):
        for side in _SIDES:
            left = number(order_item, side.name(f"{column}_invoiced")) - number(
                order_item, side.name(f"{column}_refunded")
            )
            if not item.is_last:
                left = draft.rounding.price(_share(left, item, item.qty), side.rounding)
            item.document[side.name(f"{column}_amount")] = left
            if column == "tax":
                taxes[side].tax += left
            else:
                taxes[side].compensation += left


def _tax_shipping(draft: Draft, taxes: dict[Side, _Taxes]) -> bool:
    """Adds the tax on shipping; true when only a part of taxed shipping is refunded, and tax is left for later."""
    charged = number(draft.order, "base_shipping_amount")
    if draft.invoice is not None:
        return bool(charged) and _tax_shipping_of_invoice(draft, draft.invoice, taxes, charged)
    left = charged - number(draft.order, "base_shipping_refunded")
    asked = number(draft.document, "base_shipping_amount")
    if left > asked and number(draft.order, "shipping_amount"):
        return _tax_part_of_shipping(draft, taxes)
    if left == asked:
        for side in _SIDES:
            rest = number(draft.order, side.name("shipping_tax_amount")) - number(
                draft.order, side.name("shipping_tax_refunded")
            )
            taxes[side].shipping_tax = rest
            taxes[side].tax += rest
            taxes[side].compensation += number(draft.order, side.shipping_compensation)
    return False


def _tax_shipping_of_invoice(draft: Draft, invoice: Document, taxes: dict[Side, _Taxes], charged: Decimal) -> bool:
    factor = number(draft.document, "base_shipping_amount") / charged
    for side in _SIDES:
        found = taxes[side]
        exact = number(invoice, side.name("shipping_tax_amount")) * factor
        compensation = found.compensation + number(invoice, side.shipping_compensation) * factor
        found.shipping_tax = draft.rounding.price(exact, side.rounding)
        found.compensation = draft.rounding.price(compensation, side.rounding)
        found.tax += found.shipping_tax
    return factor < 1 and number(invoice, "shipping_tax_amount") > 0


def _tax_part_of_shipping(draft: Draft, taxes: dict[Side, _Taxes]) -> bool:
    part = ZERO
    for side in _SIDES:
        share = number(draft.document, side.name("shipping_amount")) / number(draft.order, side.name("shipping_amount"))
        part = share if side is ORDER_SIDE else part
        found = taxes[side]
        found.shipping_tax = draft.rounding.price(
            number(draft.order, side.name("shipping_tax_amount")) * share, side.rounding
        )
        found.tax += found.shipping_tax
    for side in _SIDES:
        share = number(draft.document, side.name("shipping_amount")) / number(draft.order, side.name("shipping_amount"))
        compensation = number(draft.order, side.shipping_compensation) * share
        taxes[side].compensation += draft.rounding.price(compensation, side.rounding)
    return part < 1 and number(draft.order, "shipping_tax_amount") > 0


def _taxes_left(draft: Draft, side: Side) -> tuple[Decimal, Decimal]:
    if draft.invoice is not None and draft.limits_tax_per_invoice:
        invoice_id = draft.invoice["entity_id"]
        memos = [memo for memo in draft.memos if memo.get("invoice_id") == invoice_id]
        tax = number(draft.invoice, side.name("tax_amount"))
        compensation = number(draft.invoice, side.name("discount_tax_compensation_amount"))
        compensation += number(draft.invoice, side.shipping_compensation)
        for memo in memos:
            tax -= number(memo, side.name("tax_amount"))
            compensation -= number(memo, side.name("discount_tax_compensation_amount"))
        return tax, compensation
    order = draft.order
    tax = number(order, side.name("tax_invoiced")) - number(order, side.name("tax_refunded"))
    compensation = (
        number(order, side.name("discount_tax_compensation_invoiced"))
        + number(order, side.shipping_compensation)
        - number(order, side.name("discount_tax_compensation_refunded"))
    )
    return tax, compensation


def _collect_grand_total(draft: Draft) -> None:
    for side in _SIDES:
        positive = number(draft.document, side.name("adjustment_positive"))
        negative = number(draft.document, side.name("adjustment_negative"))
        draft.document[side.name("adjustment")] = positive - negative
        draft.add_to_grand_total(side, positive - negative)


def check_money_left(draft: Draft) -> str | None:
    """The validator's line when the memo asks for more than was paid; a bare number, unlike everywhere else."""
    refunded = number(draft.order, "base_total_refunded")
    paid = number(draft.order, "base_total_paid")
    if cents(refunded + number(draft.document, "base_grand_total")) > cents(paid):
        return f"The most money available to refund is {bare(paid - refunded)}."
    return None
