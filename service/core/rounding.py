"""How Magento rounds money: to the cent where it computes, to four places where it stores; halves away from zero.

Source: PHP's round(); recordings/adjustments.json (2.005 becomes 2.01), decimal-qty.json (17.485 is kept).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
#: Places of an amount in Magento's database.
STORED = Decimal("0.0001")
#: PHP's round() first rounds to about 15 digits, so that a third and a sixth of a cent do make half a cent.
PRECISE = Decimal("0.0000000001")


def to_cent(price: Decimal) -> Decimal:
    return price.quantize(PRECISE, ROUND_HALF_UP).quantize(CENT, ROUND_HALF_UP)


def as_stored(amount: Decimal) -> Decimal:
    """Four places, written with two where no more are needed."""
    kept = amount.quantize(STORED, ROUND_HALF_UP)
    cents = kept.quantize(CENT, ROUND_HALF_UP)
    return cents if cents == kept else kept
