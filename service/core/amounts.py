"""What a memo will total, to the cent, before Magento is asked.

Magento carries the rounding rest of every division on to the next one, through rows, discounts and taxes of a memo, in
each currency apart; the last units of a line take the remainder unrounded. So the odd cent falls where Magento lets it
fall, and an amount can have four places. This file collects in the order of Magento, one function per collector; fixed
product tax (FPT), gift wrapping and what extensions add are not foreseen, the receipt will show them as a difference.
Source: the collectors of Magento 2.4.1 and 2.4.6 (Sales/Model/Order/Creditmemo/Total), Creditmemo::roundPrice;
recordings/tax-discount-shipping.json, tax-on-shipping.json, currency-eur-order.json, decimal-qty.json.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from service.core.memo_lines import AskedLine, MemoAsk, lines_of_memo
from service.core.memo_shipping import MemoShipping, choose_memo_shipping
from service.core.orders import (
    CreditMemo,
    Invoice,
    InvoiceTax,
    LineAmounts,
    MemoAmounts,
    MemoLine,
    MemoLineAmounts,
    Order,
    OrderLine,
    Reading,
    ShippingAmounts,
)
from service.core.plan import PredictedTotals, RefundRequest
from service.core.rounding import as_stored, to_cent

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    base: MemoAmounts
    shown: MemoAmounts
    lines: tuple[MemoLine, ...]

    @property
    def totals(self) -> PredictedTotals:
        return PredictedTotals(base_grand_total=self.base.grand_total, grand_total=self.shown.grand_total)

    def as_memo(self, *, entity_id: int, order_id: int, invoice_id: int | None, created_at: datetime) -> CreditMemo:
        """The memo as if it existed, to predict the call after this one."""
        return CreditMemo(
            entity_id=entity_id,
            increment_id="",
            order_id=order_id,
            invoice_id=invoice_id,
            created_at=created_at,
            base=self.base,
            shown=self.shown,
            lines=self.lines,
        )


def predict(
    order: Order,
    invoices: Sequence[Invoice],
    memos: Sequence[CreditMemo],
    request: RefundRequest | MemoAsk,
    *,
    shipping_includes_tax: bool = False,
    tax_limited_by_invoice: bool = True,
) -> Prediction:
    """The memo that Magento will make of a call it accepts, from what REST shows before the call.

    `shipping_includes_tax` is how the store reads `shipping_amount` (Sales > Tax). `tax_limited_by_invoice` is False
    for Magento before 2.4.3, where the memo that empties an invoice takes what is left of the whole order's tax.
    Raises WouldBeRefused for more units or shipping than are left.
    """
    reading = Reading(order=order, invoices=tuple(invoices), memos=tuple(memos))
    ask = request if isinstance(request, MemoAsk) else MemoAsk.of(request)
    lines = lines_of_memo(reading, ask)
    shipping = choose_memo_shipping(reading, ask, includes_tax=shipping_includes_tax)
    takes_all_tax = _is_last(order, lines) and not shipping.keeps_tax
    base, shown = (
        _sheet(currency, reading, ask, tax_limited_by_invoice=tax_limited_by_invoice) for currency in ("base", "shown")
    )
    in_base, in_shown = (base, shipping.base, Decimal(1)), (shown, shipping.shown, order.base_to_order_rate)
    for sheet, shipping_amount, rate in (in_base, in_shown):
        _collect_subtotal(sheet, lines)
        _collect_discount(sheet, lines, shipping)
        sheet.shipping_amount = shipping_amount
        _collect_tax(sheet, lines, shipping, takes_all=takes_all_tax)
        sheet.adjustment_positive = to_cent(to_cent(ask.adjustment_positive) * rate)
        sheet.adjustment_negative = to_cent(to_cent(ask.adjustment_negative) * rate)
    return Prediction(
        base=base.amounts(),
        shown=shown.amounts(),
        lines=tuple(
            MemoLine(
                order_item_id=asked.line.item_id,
                qty=asked.qty,
                base=base.line_amounts(asked),
                shown=shown.line_amounts(asked),
            )
            for asked in lines
            if asked.qty > 0
        ),
    )


@dataclass(kw_only=True, slots=True)
class _LineSheet:
    row: Decimal = ZERO
    tax: Decimal = ZERO
    discount: Decimal = ZERO
    tax_compensation: Decimal = ZERO


@dataclass(kw_only=True, slots=True)
class _Sheet:
    """The memo in one currency, being filled in, and what it is computed from. The currencies never mix."""

    amounts_of: Callable[[OrderLine], LineAmounts]
    order_shipping: ShippingAmounts
    invoice: InvoiceTax | None
    tax_left: Decimal
    tax_compensation_left: Decimal

    #: Of all roundings so far.
    rest: Decimal = ZERO
    lines: dict[int, _LineSheet] = field(default_factory=dict)
    subtotal: Decimal = ZERO
    discount: Decimal = ZERO
    shipping_amount: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    tax: Decimal = ZERO
    tax_compensation: Decimal = ZERO
    adjustment_positive: Decimal = ZERO
    adjustment_negative: Decimal = ZERO

    def line(self, asked: AskedLine) -> _LineSheet:
        return self.lines.setdefault(asked.line.item_id, _LineSheet())

    def share(self, asked: AskedLine, left: Decimal, units: Decimal, *, taken_off: bool = False) -> Decimal:
        """The part of what is left of a line's amount that goes back with these units."""
        if asked.is_last:
            return left
        return self.round(left / (asked.line.qty_invoiced - asked.line.qty_refunded) * units, taken_off=taken_off)

    def round(self, amount: Decimal, *, taken_off: bool = False) -> Decimal:
        """Creditmemo::roundPrice: to the cent, with the rest so far; `taken_off` is for what lowers the total."""
        if not amount:
            return amount
        sign = -1 if taken_off else 1
        exact = amount + sign * self.rest
        rounded = to_cent(exact)
        self.rest = sign * (exact - rounded)
        return rounded

    def amounts(self) -> MemoAmounts:
        grand_total = (
            self.subtotal
            - self.discount
            + self.shipping_amount
            + self.tax
            + self.tax_compensation
            + self.adjustment_positive
            - self.adjustment_negative
        )
        return MemoAmounts(
            grand_total=as_stored(grand_total),
            subtotal=as_stored(self.subtotal),
            tax=as_stored(self.tax),
            discount=as_stored(-self.discount),
            tax_compensation=as_stored(self.tax_compensation),
            shipping=as_stored(self.shipping_amount),
            shipping_tax=as_stored(self.shipping_tax),
            adjustment_positive=self.adjustment_positive,
            adjustment_negative=self.adjustment_negative,
        )

    def line_amounts(self, asked: AskedLine) -> MemoLineAmounts:
        line = self.line(asked)
        return MemoLineAmounts(
            row=as_stored(line.row),
            tax=as_stored(line.tax),
            discount=as_stored(line.discount),
            tax_compensation=as_stored(line.tax_compensation),
        )


def _sheet(currency: str, reading: Reading, ask: MemoAsk, *, tax_limited_by_invoice: bool) -> _Sheet:
    """An empty sheet for "base" or "shown"."""
    order, found = reading.order, ask.invoice_in(reading)
    totals = getattr(order, currency)
    shipping: ShippingAmounts = getattr(order, f"{currency}_shipping")
    invoice: InvoiceTax | None = getattr(found, currency) if found else None
    if invoice is not None and tax_limited_by_invoice:
        memos: list[MemoAmounts] = [
            getattr(memo, currency) for memo in reading.memos if memo.invoice_id == ask.invoice_id
        ]
        tax_left = invoice.tax - sum((memo.tax for memo in memos), ZERO)
        compensation_left = (
            invoice.tax_compensation
            + invoice.shipping_tax_compensation
            - sum((memo.tax_compensation for memo in memos), ZERO)
        )
    else:
        tax_left = totals.tax_invoiced - totals.tax_refunded
        compensation_left = (
            totals.tax_compensation_invoiced + shipping.tax_compensation - totals.tax_compensation_refunded
        )
    return _Sheet(
        amounts_of=attrgetter(currency),
        order_shipping=shipping,
        invoice=invoice,
        tax_left=tax_left,
        tax_compensation_left=compensation_left,
    )


def _is_last(order: Order, lines: Sequence[AskedLine]) -> bool:
    """Creditmemo::isLast. A child line never counts as last, so the memo of a configurable never is."""
    if not lines:
        return not any(line.qty_invoiced > line.qty_refunded for line in order.lines)
    return all(asked.is_last for asked in lines)


def _collect_subtotal(sheet: _Sheet, lines: Sequence[AskedLine]) -> None:
    """Subtotal, with Item::calcRowTotal."""
    for asked in lines:
        if asked.is_dummy:
            continue
        amounts = sheet.amounts_of(asked.line)
        row = sheet.share(asked, amounts.row_invoiced - amounts.row_refunded, asked.counted)
        sheet.line(asked).row = row
        sheet.subtotal += row


def _collect_discount(sheet: _Sheet, lines: Sequence[AskedLine], shipping: MemoShipping) -> None:
    """Discount. That of shipping is not rounded; what is none in the customer's currency is none in the books."""
    sheet.discount += shipping.discounted_part * sheet.order_shipping.discount
    for asked in lines:
        if asked.is_dummy or not asked.line.shown.discount_invoiced:
            continue
        amounts = sheet.amounts_of(asked.line)
        left = amounts.discount_invoiced - amounts.discount_refunded
        discount = sheet.share(asked, left, asked.qty, taken_off=True)
        sheet.line(asked).discount = discount
        sheet.discount += discount


def _collect_tax(sheet: _Sheet, lines: Sequence[AskedLine], shipping: MemoShipping, *, takes_all: bool) -> None:
    """Tax: of lines, then of shipping; never more than is left, and all of it on the last memo."""
    for asked in lines:
        if asked.is_dummy or asked.qty <= 0:
            continue
        amounts, line = sheet.amounts_of(asked.line), sheet.line(asked)
        compensation_left = amounts.tax_compensation_invoiced - amounts.tax_compensation_refunded
        line.tax = sheet.share(asked, amounts.tax_invoiced - amounts.tax_refunded, asked.qty)
        line.tax_compensation = sheet.share(asked, compensation_left, asked.qty)
        sheet.tax += line.tax
        sheet.tax_compensation += line.tax_compensation
    if sheet.invoice is None:
        _add_shipping_tax_of_order(sheet, shipping)
    elif shipping.part is not None:
        _add_shipping_tax_of_invoice(sheet, sheet.invoice, shipping.part)
    sheet.tax = sheet.tax_left if takes_all else min(sheet.tax_left, sheet.tax)
    sheet.tax_compensation = (
        sheet.tax_compensation_left if takes_all else min(sheet.tax_compensation_left, sheet.tax_compensation)
    )


def _add_shipping_tax_of_order(sheet: _Sheet, shipping: MemoShipping) -> None:
    order = sheet.order_shipping
    if shipping.is_rest:
        sheet.shipping_tax = order.tax - order.tax_refunded
        compensation = order.tax_compensation
    else:
        part = sheet.shipping_amount / order.amount
        sheet.shipping_tax = sheet.round(order.tax * part)
        compensation = sheet.round(order.tax_compensation * part)
    sheet.tax += sheet.shipping_tax
    sheet.tax_compensation += compensation


def _add_shipping_tax_of_invoice(sheet: _Sheet, invoice: InvoiceTax, part: Decimal) -> None:
    """On this route the lines' tax compensation is rounded once more, together with that of shipping."""
    sheet.shipping_tax = sheet.round(invoice.shipping_tax * part)
    sheet.tax_compensation = sheet.round(sheet.tax_compensation + invoice.shipping_tax_compensation * part)
    sheet.tax += sheet.shipping_tax
