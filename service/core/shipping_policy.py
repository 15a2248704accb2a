"""How much shipping a return gives back: always an explicit number, never more than is left.

Magento does not tie shipping to items and gives back all that is left where the amount is missing.
Source: recordings/shipping-amount-omitted.json, shipping-flatrate-5.json.
"""

from __future__ import annotations

from decimal import Decimal

from service.core.orders import Order, Reading
from service.core.plan import Note
from service.core.policy import ShippingRule, ShippingRuleKind
from service.core.rounding import to_cent
from service.core.wording import money, units

ZERO = Decimal(0)


def shipping_left(reading: Reading, *, includes_tax: bool) -> Decimal:
    """Base shipping that may still be refunded, with or without its tax, as the store reads `shipping_amount`."""
    base = reading.order.base_shipping
    given = max(base.refunded, sum((memo.base.shipping for memo in reading.memos), ZERO))
    left = base.amount - given
    if includes_tax:
        given_tax = max(base.tax_refunded, sum((memo.base.shipping_tax for memo in reading.memos), ZERO))
        left += base.tax - given_tax
    return max(left, ZERO)


def choose_shipping(
    rule: ShippingRule, order: Order, *, returned_units: Decimal, is_full_return: bool, given: Decimal, left: Decimal
) -> tuple[Decimal, Note]:
    """The base amount to give now, and why.

    `returned_units` are the physical units of the whole return, given back before or now, and `given` the shipping that
    went with those before: so the second of two calls, planned again after the first, comes to the same.
    """
    method = order.shipping_method or "no shipping method"
    if rule.kind is ShippingRuleKind.PER_UNIT:
        asked = max(to_cent(rule.amount * returned_units) - given, ZERO)
        amount = min(asked, left)
        why = f"{rule.amount} for each of {units(returned_units)} units returned so far"
        why += f", less {money(given)} given before" if given else ""
        why += f", limited to the {money(left)} that is left" if amount < asked else ""
    elif rule.kind is ShippingRuleKind.REMAINING_ON_FULL_RETURN:
        amount = left if is_full_return else ZERO
        why = (
            "everything has come back: all shipping that is left" if is_full_return else "not everything has come back"
        )
    else:
        amount, why = ZERO, "the rule gives none back"
    return amount, Note(rule=f"shipping.{rule.kind}", subject=method, text=f"shipping {money(amount)}: {why}")
