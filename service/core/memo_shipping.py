"""How much shipping a memo gives back, in both currencies, and what that means for discount and tax on it.

Magento decides in the base currency and carries the share over. Zero is a number, a missing amount means all that is
left; the limit is the order's also where an invoice is refunded.
Source: the shipping, discount and tax collectors of Magento 2.4.1 and 2.4.6; recordings/shipping-amount-omitted.json,
tax-on-shipping.json, currency-eur-order.json, free-order-zero-total.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from service.core.memo_lines import MemoAsk, WouldBeRefused
from service.core.orders import Reading, ShippingAmounts
from service.core.rounding import to_cent

ZERO = Decimal(0)
#: Magento compares shipping amounts with this much play.
PLAY = Decimal("0.0001")


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoShipping:
    """Amounts are without tax; parts are of the order's shipping, 1 being all of it."""

    base: Decimal
    shown: Decimal
    #: Measured in the base currency; None: the order had no shipping.
    part: Decimal | None
    #: On how much of the shipping its discount is taken back. Not always `part`.
    discounted_part: Decimal
    #: Whether no shipping stays behind.
    is_rest: bool
    #: Whether tax of shipping stays behind, so that even the last memo may not take all tax that is left.
    keeps_tax: bool


def choose_memo_shipping(reading: Reading, ask: MemoAsk, *, includes_tax: bool) -> MemoShipping:
    """Raises WouldBeRefused for more shipping than is left."""
    base, shown = reading.order.base_shipping, reading.order.shown_shipping
    asked = _asked(reading, ask, includes_tax=includes_tax)
    base_back, shown_back = _given_back(reading, asked, includes_tax=includes_tax)
    part = base_back / base.amount if base.amount else None
    is_rest = base_back == _left(base)
    return MemoShipping(
        base=base_back,
        shown=shown_back,
        part=part,
        discounted_part=_discounted_part(base, ask, asked),
        is_rest=is_rest,
        keeps_tax=part is not None
        and _keeps_tax(reading, ask, part=part, is_whole=is_rest or shown_back >= shown.amount),
    )


def _asked(reading: Reading, ask: MemoAsk, *, includes_tax: bool) -> Decimal | None:
    """The invoice route fills in an amount that is missing (CreditmemoFactory::getShippingAmount)."""
    invoice = ask.invoice_in(reading)
    if ask.shipping_amount is not None or invoice is None:
        return ask.shipping_amount
    base = reading.order.base_shipping
    return _left_with_tax(base) if includes_tax else min(_left(base), invoice.base_shipping)


def _given_back(reading: Reading, asked: Decimal | None, *, includes_tax: bool) -> tuple[Decimal, Decimal]:
    """(base, shown) without tax; `asked` is in the store's sense, with tax or without."""
    base, shown = reading.order.base_shipping, reading.order.shown_shipping
    if asked is None:
        return _left(base), _left(shown)
    asked = to_cent(asked)
    most = max(_left_with_tax(base), ZERO) if includes_tax else _left(base)
    whole = base.including_tax if includes_tax else base.amount
    if asked >= to_cent(most) + PLAY:
        raise WouldBeRefused(
            f"order {reading.order.entity_id}: {asked} of shipping asked for, {most} left. Ask for no more."
        )
    if asked > most - PLAY:
        return _left(base), _left(shown)
    ratio = asked / whole if whole > 0 else ZERO
    return to_cent(base.amount * ratio), to_cent(shown.amount * ratio)


def _discounted_part(base: ShippingAmounts, ask: MemoAsk, asked: Decimal | None) -> Decimal:
    """Discount::getBaseShippingAmount, as a part.

    It runs before the shipping collector, on what the request set. Where that is nothing or zero, Magento takes the
    amount with tax (the order's, or zero when zero was asked for) less the *order's* tax on shipping.
    """
    with_tax = base.including_tax if ask.shipping_amount is None else ask.shipping_amount
    discounted = asked or with_tax - base.tax
    if not discounted:
        return ZERO
    if base.amount <= 0:
        raise WouldBeRefused("shipping asked for, but the order has none. Ask for zero.")
    return discounted / base.amount


def _keeps_tax(reading: Reading, ask: MemoAsk, *, part: Decimal, is_whole: bool) -> bool:
    """Tax's isPartialShippingRefunded, which the two routes tell differently."""
    shipping = reading.order.shown_shipping
    all_discounted = shipping.discount >= shipping.amount
    invoice = ask.invoice_in(reading)
    if invoice is not None:
        return all_discounted or (part < 1 and invoice.shown.shipping_tax > 0)
    return not is_whole and (all_discounted or shipping.tax > 0)


def _left(shipping: ShippingAmounts) -> Decimal:
    return shipping.amount - shipping.refunded


def _left_with_tax(shipping: ShippingAmounts) -> Decimal:
    return shipping.including_tax - shipping.refunded - shipping.tax_refunded
