"""What a memo will total, to the cent, before Magento is asked.

Magento carries the rounding rest of every division on to the next one, through rows, discounts and taxes of a memo, in
each currency apart; the last units of a line take the remainder unrounded. So the odd cent falls where Magento lets it
fall, and an amount can have four places. This file collects in the order of Magento, one function per collector.
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
    OrderTotals,
    Reading,
    ShippingAmounts,
)
from service.core.plan import PredictedTotals, RefundRequest
from service.core.rounding import as_stored, to_cent

ZERO = Decimal(0)
#: Magento compares shipping amounts with this much play.
SHIPPING_PLAY = Decimal("0.0001")


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
    """The memo that Magento will make of a request it accepts, from what REST shows before the call.

    `shipping_includes_tax` is how the store reads `shipping_amount` (Sales > Tax). `tax_limited_by_invoice` is False
    for Magento before 2.4.3, where the memo that empties an invoice takes what is left of the whole order's tax.
    Raises ValueError for more units or shipping than are left, which Magento refuses.
    """
    reading = Reading(order=order, invoices=tuple(invoices), memos=tuple(memos))
    ask = request if isinstance(request, MemoAsk) else MemoAsk.of(request)
    lines = lines_of_memo(reading, ask)
    shipping = _shipping_back(reading, ask, includes_tax=shipping_includes_tax)
    memo_is_last = _memo_is_last(order, lines)
    base, shown = _sheets(reading, ask)
    for sheet in (base, shown):
        sheet.tax_limited_by_invoice = tax_limited_by_invoice
        _collect_subtotal(sheet, lines)
        _collect_discount(sheet, lines, shipping)
        _collect_shipping(sheet, shipping)
        _collect_tax(sheet, lines, shipping, memo_is_last=memo_is_last)
        _collect_adjustments(sheet, ask)
    return Prediction(
        base=base.as_amounts(),
        shown=shown.as_amounts(),
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
class _Line:
    """A memo line being filled in."""

    row: Decimal = ZERO
    tax: Decimal = ZERO
    discount: Decimal = ZERO
    tax_compensation: Decimal = ZERO


@dataclass(kw_only=True, slots=True)
class _Sheet:
    """One currency's side of the order, and the memo being filled in; the currencies never mix."""

    amounts_of: Callable[[OrderLine], LineAmounts]
    shipping_given_of: Callable[[_ShippingBack], Decimal]
    totals: OrderTotals
    shipping: ShippingAmounts
    invoice: InvoiceTax | None
    #: Sums of the memos that the invoice has already had.
    invoice_tax_refunded: Decimal
    invoice_compensation_refunded: Decimal
    rate: Decimal
    tax_limited_by_invoice: bool = True

    #: Rounding rest, carried through the whole memo.
    rest: Decimal = ZERO
    lines: dict[int, _Line] = field(default_factory=dict)
    subtotal: Decimal = ZERO
    discount: Decimal = ZERO
    shipping_given: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    tax: Decimal = ZERO
    tax_compensation: Decimal = ZERO
    adjustment_positive: Decimal = ZERO
    adjustment_negative: Decimal = ZERO

    def line(self, asked: AskedLine) -> _Line:
        return self.lines.setdefault(asked.line.item_id, _Line())

    def round(self, price: Decimal, *, subtracted: bool = False) -> Decimal:
        """Magento's roundPrice: to the cent, with the rest of the roundings before. Zero has no part in it."""
        if not price:
            return price
        price += -self.rest if subtracted else self.rest
        rounded = to_cent(price)
        self.rest = rounded - price if subtracted else price - rounded
        return rounded

    def share(self, asked: AskedLine, left: Decimal, units: Decimal, *, subtracted: bool = False) -> Decimal:
        """The part of a line's `left` amount that goes back with these units."""
        if asked.is_last:
            return left
        return self.round(left / (asked.line.qty_invoiced - asked.line.qty_refunded) * units, subtracted=subtracted)

    def as_amounts(self) -> MemoAmounts:
        grand_total = (
            self.subtotal
            - self.discount
            + self.shipping_given
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
            shipping=as_stored(self.shipping_given),
            shipping_tax=as_stored(self.shipping_tax),
            adjustment_positive=self.adjustment_positive,
            adjustment_negative=self.adjustment_negative,
        )

    def line_amounts(self, asked: AskedLine) -> MemoLineAmounts:
        line = self.lines.get(asked.line.item_id, _Line())
        return MemoLineAmounts(
            row=as_stored(line.row),
            tax=as_stored(line.tax),
            discount=as_stored(line.discount),
            tax_compensation=as_stored(line.tax_compensation),
        )


def _sheets(reading: Reading, ask: MemoAsk) -> tuple[_Sheet, _Sheet]:
    order = reading.order
    invoice = None if ask.invoice_id is None else reading.invoice(ask.invoice_id)
    mine = [memo for memo in reading.memos if ask.invoice_id is not None and memo.invoice_id == ask.invoice_id]
    return (
        _Sheet(
            amounts_of=attrgetter("base"),
            shipping_given_of=attrgetter("base"),
            totals=order.base,
            shipping=order.base_shipping,
            invoice=invoice.base if invoice else None,
            invoice_tax_refunded=sum((memo.base.tax for memo in mine), ZERO),
            invoice_compensation_refunded=sum((memo.base.tax_compensation for memo in mine), ZERO),
            rate=Decimal(1),
        ),
        _Sheet(
            amounts_of=attrgetter("shown"),
            shipping_given_of=attrgetter("shown"),
            totals=order.shown,
            shipping=order.shown_shipping,
            invoice=invoice.shown if invoice else None,
            invoice_tax_refunded=sum((memo.shown.tax for memo in mine), ZERO),
            invoice_compensation_refunded=sum((memo.shown.tax_compensation for memo in mine), ZERO),
            rate=order.base_to_order_rate,
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _ShippingBack:
    """How much shipping goes back, decided in the base currency for both."""

    base: Decimal
    shown: Decimal
    #: Part of the order's shipping on which shipping discount is given back. Not the same as base / order's.
    discounted_part: Decimal
    #: Part of the order's shipping amount, in the base currency; None: the order had no shipping.
    factor: Decimal | None
    #: Whether nothing of the order's shipping stays behind.
    is_rest: bool
    #: Whether shipping tax stays behind, so that the memo may not take all tax that is left.
    keeps_tax: bool


def _shipping_back(reading: Reading, ask: MemoAsk, *, includes_tax: bool) -> _ShippingBack:
    """The part of the shipping collector where the currencies part."""
    order = reading.order
    base, shown = order.base_shipping, order.shown_shipping
    asked = _asked_shipping(reading, ask, includes_tax=includes_tax)
    most = max(base.including_tax - base.refunded - base.tax_refunded, ZERO) if includes_tax else _shipping_left(base)
    whole = base.including_tax if includes_tax else base.amount
    amount = to_cent(most if asked is None else asked)
    if amount >= to_cent(most) + SHIPPING_PLAY:
        raise ValueError(
            f"order {order.entity_id}: {amount} of shipping asked for, {most} left. "
            "Magento refuses this; ask for no more than is left."
        )
    if asked is None or amount > most - SHIPPING_PLAY:
        base_back, shown_back = _shipping_left(base), _shipping_left(shown)
    else:
        ratio = amount / whole if whole > 0 else ZERO
        base_back, shown_back = to_cent(base.amount * ratio), to_cent(shown.amount * ratio)
    factor = base_back / base.amount if base.amount else None
    is_rest = base_back == _shipping_left(base)
    return _ShippingBack(
        base=base_back,
        shown=shown_back,
        discounted_part=_discounted_part(base, ask, asked),
        factor=factor,
        is_rest=is_rest,
        keeps_tax=factor is not None
        and _keeps_shipping_tax(reading, ask, factor=factor, is_rest=is_rest, is_part=shown_back < shown.amount),
    )


def _asked_shipping(reading: Reading, ask: MemoAsk, *, includes_tax: bool) -> Decimal | None:
    """The invoice route fills in a missing amount by itself (CreditmemoFactory::getShippingAmount)."""
    base = reading.order.base_shipping
    invoice = None if ask.invoice_id is None else reading.invoice(ask.invoice_id)
    if ask.shipping_amount is not None or invoice is None:
        return ask.shipping_amount
    if includes_tax:
        return base.including_tax - base.refunded - base.tax_refunded
    return min(_shipping_left(base), invoice.base_shipping)


def _discounted_part(base: ShippingAmounts, ask: MemoAsk, asked: Decimal | None) -> Decimal:
    """Magento's Discount::getBaseShippingAmount over the order's shipping.

    It runs before the shipping collector. Where no amount is set it takes the one with tax less the *order's* shipping
    tax, also when zero was asked for: on an order with tax and discount on shipping this gives a little too much back.
    """
    discounted = asked or (base.including_tax if ask.shipping_amount is None else ask.shipping_amount) - base.tax
    if not discounted:
        return ZERO
    if base.amount <= 0:
        raise ValueError("shipping asked for, but the order has none. Magento refuses this; ask for zero.")
    return discounted / base.amount


def _keeps_shipping_tax(reading: Reading, ask: MemoAsk, *, factor: Decimal, is_rest: bool, is_part: bool) -> bool:
    """Magento's isPartialShippingRefunded, which the two routes tell differently."""
    shipping = reading.order.shown_shipping
    all_discounted = shipping.discount >= shipping.amount
    invoice = None if ask.invoice_id is None else reading.invoice(ask.invoice_id)
    if invoice is not None:
        return (factor < 1 and invoice.shown.shipping_tax > 0) or all_discounted
    return not is_rest and is_part and (shipping.tax > 0 or all_discounted)


def _shipping_left(shipping: ShippingAmounts) -> Decimal:
    return shipping.amount - shipping.refunded


def _memo_is_last(order: Order, lines: Sequence[AskedLine]) -> bool:
    """Magento's Creditmemo::isLast. A child line never counts as last, so a configurable's memo never is."""
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


def _collect_discount(sheet: _Sheet, lines: Sequence[AskedLine], shipping: _ShippingBack) -> None:
    """Discount. The discount of shipping is not rounded at all."""
    sheet.discount += shipping.discounted_part * sheet.shipping.discount
    for asked in lines:
        if asked.is_dummy:
            continue
        amounts = sheet.amounts_of(asked.line)
        left = amounts.discount_invoiced - amounts.discount_refunded
        discount = sheet.share(asked, left, asked.qty, subtracted=True)
        sheet.line(asked).discount = discount
        sheet.discount += discount


def _collect_shipping(sheet: _Sheet, shipping: _ShippingBack) -> None:
    """Shipping, as decided for both currencies."""
    sheet.shipping_given = sheet.shipping_given_of(shipping)


def _collect_tax(sheet: _Sheet, lines: Sequence[AskedLine], shipping: _ShippingBack, *, memo_is_last: bool) -> None:
    """Tax: lines, then shipping, then never more than is left and, on the last memo, all of it."""
    for asked in lines:
        if asked.is_dummy or asked.qty <= 0 or not asked.line.qty_invoiced:
            continue
        amounts, line = sheet.amounts_of(asked.line), sheet.line(asked)
        line.tax = sheet.share(asked, amounts.tax_invoiced - amounts.tax_refunded, asked.qty)
        compensation_left = amounts.tax_compensation_invoiced - amounts.tax_compensation_refunded
        line.tax_compensation = sheet.share(asked, compensation_left, asked.qty)
        sheet.tax += line.tax
        sheet.tax_compensation += line.tax_compensation
    if sheet.invoice is not None:
        _add_shipping_tax_of_invoice(sheet, sheet.invoice, shipping)
    else:
        _add_shipping_tax_of_order(sheet, shipping)
    _limit_tax(sheet, takes_all=memo_is_last and not shipping.keeps_tax)


def _add_shipping_tax_of_invoice(sheet: _Sheet, invoice: InvoiceTax, shipping: _ShippingBack) -> None:
    if shipping.factor is None:
        return
    compensation = sheet.tax_compensation + invoice.shipping_tax_compensation * shipping.factor
    sheet.shipping_tax = sheet.round(invoice.shipping_tax * shipping.factor)
    sheet.tax_compensation = sheet.round(compensation)
    sheet.tax += sheet.shipping_tax


def _add_shipping_tax_of_order(sheet: _Sheet, shipping: _ShippingBack) -> None:
    order = sheet.shipping
    if shipping.is_rest:
        sheet.shipping_tax = order.tax - order.tax_refunded
        compensation = order.tax_compensation
    elif order.amount:
        part = sheet.shipping_given / order.amount
        sheet.shipping_tax = sheet.round(order.tax * part)
        compensation = sheet.round(order.tax_compensation * part)
    else:
        return
    sheet.tax += sheet.shipping_tax
    sheet.tax_compensation += compensation


def _limit_tax(sheet: _Sheet, *, takes_all: bool) -> None:
    if sheet.invoice is not None and sheet.tax_limited_by_invoice:
        tax_left = sheet.invoice.tax - sheet.invoice_tax_refunded
        compensation_left = (
            sheet.invoice.tax_compensation
            + sheet.invoice.shipping_tax_compensation
            - sheet.invoice_compensation_refunded
        )
    else:
        tax_left = sheet.totals.tax_invoiced - sheet.totals.tax_refunded
        compensation_left = (
            sheet.totals.tax_compensation_invoiced
            + sheet.shipping.tax_compensation
            - sheet.totals.tax_compensation_refunded
        )
    sheet.tax = tax_left if takes_all else min(tax_left, sheet.tax)
    sheet.tax_compensation = compensation_left if takes_all else min(compensation_left, sheet.tax_compensation)


def _collect_adjustments(sheet: _Sheet, ask: MemoAsk) -> None:
    """Creditmemo::setAdjustmentPositive and -Negative: asked in the base currency, rounded in each."""
    sheet.adjustment_positive = to_cent(to_cent(ask.adjustment_positive) * sheet.rate)
    sheet.adjustment_negative = to_cent(to_cent(ask.adjustment_negative) * sheet.rate)
