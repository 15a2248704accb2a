"""How quantities and money are written for people, everywhere the same."""

from __future__ import annotations

from decimal import Decimal


def units(quantity: Decimal) -> str:
    """A quantity without trailing zeros: "2", "0.75"."""
    return f"{quantity.normalize():f}"


def money(amount: Decimal, currency: str = "") -> str:
    """Two places, or as many as Magento keeps: "22.00 USD", "17.485"."""
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:.{places}f} {currency}".rstrip()
