"""What Magento gives back, computed a second time: integers and fractions, no code of the service.

Written from the rules, not from the planner. Money is counted in cents, so a rounding is a step to a whole number:

1. A line's share is what is left of its row (then its discount, then its tax) over the units left, times the units
   given back. Every share is rounded to the cent, and what rounding took away is handed to the next share of the same
   memo; a discount receives and hands on with the opposite sign, because it lowers the total.
   A discount that is nothing in the customer's currency is not given back in the books either.
2. The last units of a line take all that is left of it, unrounded, and neither receive nor hand on.
3. The sequence is: rows of all lines, discounts of all lines, taxes of all lines, tax of the shipping.
4. Shipping is what was asked, to the cent; in the other currency its part of what was charged, rounded alone. All that
   is left in one currency is all that is left in the other.
5. Tax is limited to what is left of it, on the order or on the invoice; a memo whose every line takes its last units
   takes exactly that, unless tax of the shipping stays behind. A line that its invoice has given back does not come.
6. Each currency counts for itself.

Source: Magento's credit memo collectors as recordings/tax-qty3-one-by-one.json, tax-discount-shipping.json,
tax-on-shipping.json, decimal-qty.json, currency-eur-order.json and online-two-invoices.json show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

BASE, SHOWN = "base", "shown"
CURRENCIES = (BASE, SHOWN)
ZERO = Fraction(0)


@dataclass(kw_only=True, slots=True)
class Pot:
    """An amount that was paid, and what of it has gone back; in cents."""

    paid: Fraction
    back: Fraction = ZERO

    @property
    def left(self) -> Fraction:
        return self.paid - self.back


@dataclass(kw_only=True, slots=True)
class Line:
    """A line that carries money. `has_family`: a child or a parent without money comes with it into every memo."""

    item_id: int
    units: Pot
    row: dict[str, Pot]
    discount: dict[str, Pot]
    tax: dict[str, Pot]
    has_family: bool = False


@dataclass(kw_only=True, slots=True)
class Bill:
    """An invoice: units per line, and its tax with that of its shipping."""

    units: Mapping[int, Pot]
    total: Pot
    tax: dict[str, Pot]
    shipping_tax: Mapping[str, Fraction]

    def left(self, item_id: int) -> Fraction:
        return self.units[item_id].left if item_id in self.units else ZERO


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a call asks for, in the base currency and in units."""

    units: Mapping[int, Fraction]
    shipping: Fraction
    fee: Fraction
    #: Added; both are in the base currency.
    extra: Fraction = Fraction(0)
    bill: int | None


@dataclass(kw_only=True, slots=True)
class _Carry:
    cents: Fraction = ZERO

    def rounded(self, exact: Fraction, sign: int = 1) -> Fraction:
        """To a whole cent with what was carried so far. What is nothing is not rounded."""
        if exact == 0:
            return exact
        wanted = exact + sign * self.cents
        given = _to_cent(wanted)
        self.cents = sign * (wanted - given)
        return given


@dataclass(kw_only=True, slots=True)
class Sale:
    """An order as it was paid. `give_back` is the only thing that happens to it."""

    lines: dict[int, Line]
    shipping: dict[str, Pot]
    shipping_tax: dict[str, Pot]
    tax: dict[str, Pot]
    bills: dict[int, Bill]
    rate: Fraction
    #: In base cents, of all memos.
    back: Fraction = ZERO
    #: How far the last memo was from the exact share of what was left, per currency, before tax was limited (5).
    off: dict[str, Fraction] = field(default_factory=dict)
    #: What that limit changed.
    limited: dict[str, Fraction] = field(default_factory=dict)

    def give_back(self, asked: Asked) -> dict[str, Fraction]:
        """The memo's total in cents per currency; the pots are emptied accordingly."""
        bill = None if asked.bill is None else self.bills[asked.bill]
        named = {item_id: units for item_id, units in asked.units.items() if units}
        last = {item_id for item_id, units in named.items() if units == self.lines[item_id].units.left}
        shipping = self._shipping(_to_cent(asked.shipping))
        # Before any pot is touched: the base currency decides for both.
        shipping_tax = {currency: self._shipping_tax(currency, bill, shipping) for currency in CURRENCIES}
        takes_rest = self._takes_rest(named, last, bill, shipping)
        is_rest = bill is None and shipping[BASE] == self.shipping[BASE].left
        totals: dict[str, Fraction] = {}
        for currency in CURRENCIES:
            carry = _Carry()
            goods, taxes = self._give_back_lines(currency, named, last, carry)
            exact = shipping_tax[currency]
            given = exact if is_rest else carry.rounded(exact)
            self.off[currency] += given - exact
            self.shipping_tax[currency].back += given
            self.shipping[currency].back += shipping[currency]
            limit = self.tax[currency] if bill is None else bill.tax[currency]
            all_taxes = limit.left if takes_rest else min(limit.left, taxes + given)
            self.limited[currency] = all_taxes - taxes - given
            self.tax[currency].back += all_taxes
            if bill is not None:
                bill.tax[currency].back += all_taxes
            totals[currency] = _stored(goods + shipping[currency] + all_taxes)
        for item_id, units in named.items():
            self.lines[item_id].units.back += units
            if bill is not None:
                bill.units[item_id].back += units
        totals[BASE] += asked.extra - asked.fee
        totals[SHOWN] += _to_cent(asked.extra * self.rate) - _to_cent(asked.fee * self.rate)
        self.back += totals[BASE]
        if bill is not None:
            bill.total.back += totals[BASE]
        return totals

    def _shipping(self, asked: Fraction) -> dict[str, Fraction]:
        if asked >= self.shipping[BASE].left:
            return {currency: self.shipping[currency].left for currency in CURRENCIES}
        return {
            currency: _to_cent(asked * pot.paid / self.shipping[BASE].paid) for currency, pot in self.shipping.items()
        }

    def _takes_rest(
        self, named: Mapping[int, Fraction], last: set[int], bill: Bill | None, shipping: Mapping[str, Fraction]
    ) -> bool:
        held = [line for line in self.lines.values() if bill is None or bill.left(line.item_id)]
        all_last = all(line.item_id in last or (line.item_id not in named and not line.units.left) for line in held)
        if not all_last or any(self.lines[item_id].has_family for item_id in named):
            return False
        if not self.shipping[BASE].paid:
            return True
        if bill is not None:
            return shipping[BASE] == self.shipping[BASE].paid or not bill.shipping_tax[SHOWN]
        return shipping[BASE] == self.shipping[BASE].left or not self.shipping_tax[SHOWN].paid

    def _give_back_lines(
        self, currency: str, named: Mapping[int, Fraction], last: set[int], carry: _Carry
    ) -> tuple[Fraction, Fraction]:
        """(rows less discounts, taxes)."""
        given_back = dict.fromkeys(("row", "discount", "tax"), ZERO)
        self.off[currency] = ZERO
        for kind, sign in (("row", 1), ("discount", -1), ("tax", 1)):
            for item_id in (item_id for item_id in self.lines if item_id in named):
                line = self.lines[item_id]
                pot: Pot = getattr(line, kind)[currency]
                share = pot.left * named[item_id] / line.units.left
                if kind == "discount" and not line.discount[SHOWN].paid:
                    share = ZERO
                given = share if item_id in last else carry.rounded(share, sign)
                pot.back += given
                given_back[kind] += given
                self.off[currency] += sign * (given - share)
        return given_back["row"] - given_back["discount"], given_back["tax"]

    def _shipping_tax(self, currency: str, bill: Bill | None, shipping: Mapping[str, Fraction]) -> Fraction:
        """On the order by each currency's own share, on an invoice by the base currency's for both."""
        if not self.shipping[BASE].paid:
            return ZERO
        if bill is not None:
            return bill.shipping_tax[currency] * shipping[BASE] / self.shipping[BASE].paid
        if shipping[BASE] == self.shipping[BASE].left:
            return self.shipping_tax[currency].left
        return self.shipping_tax[currency].paid * shipping[currency] / self.shipping[currency].paid

    def broken_promises(self) -> Iterable[str]:
        """Where more has gone back than was paid: per line, per invoice, per order, of the shipping."""
        named: list[tuple[str, Pot]] = [(f"invoice {bill_id}", bill.total) for bill_id, bill in self.bills.items()]
        named += [(f"{currency} shipping", pot) for currency, pot in self.shipping.items()]
        named += [(f"{currency} tax", pot) for currency, pot in self.tax.items()]
        for line in self.lines.values():
            named += [(f"line {line.item_id}: units", line.units)]
            for what in ("row", "discount", "tax"):
                pots: dict[str, Pot] = getattr(line, what)
                named += [(f"line {line.item_id}: {currency} {what}", pot) for currency, pot in pots.items()]
        for name, pot in named:
            # A row of 31.9 cents, sold by the metre, goes back as 32 and then as -0.1.
            limit = ceil(pot.paid) if name.endswith(" row") else pot.paid
            if pot.back > limit:
                yield f"{name}: {pot.back} of {pot.paid} gone back"


def _to_cent(cents: Fraction) -> Fraction:
    """Halves away from zero."""
    return Fraction(floor(cents + Fraction(1, 2)) if cents >= 0 else -floor(-cents + Fraction(1, 2)))


def _stored(cents: Fraction) -> Fraction:
    """Four places of the currency's unit."""
    return _to_cent(cents * 100) / 100
