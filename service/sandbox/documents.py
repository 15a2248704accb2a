"""How the sandbox holds Magento's documents: plain dictionaries shaped like its REST answers, read and written exactly.

Numbers arrive and stay as int or Decimal; a document that another request may hold is never changed in place, it is
replaced by a copy, so that two refunds at once see what two database snapshots would have shown them.
"""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Document = dict[str, Any]

ZERO = Decimal(0)
_CENT = Decimal("0.01")
#: decimal(20,4), the type of every amount and quantity column of the sales tables.
_COLUMN = Decimal("0.0001")
#: PHP's round() looks at 15 significant digits first, so 1.00499999999999999 counts as 1.005.
_PHP_PRECISION = Decimal("0.0000000001")

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def parse(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def serialize(value: Any) -> bytes:
    return json.dumps(value, default=_plain_number, ensure_ascii=False, separators=(",", ":")).encode()


def _plain_number(value: object) -> int | float:
    """PHP prints 22.0 as 22, and at most four places were ever stored."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no part of a Magento document")
    return int(value) if value == value.to_integral_value() else float(value)


def number(document: Document, field: str) -> Decimal:
    """The field as PHP would compute with it: absent and null are 0."""
    value = document.get(field)
    return ZERO if value is None else Decimal(value)


def cents(amount: Decimal) -> Decimal:
    """PriceCurrency::round of Magento 2.4: two places, half away from zero."""
    return amount.quantize(_PHP_PRECISION, ROUND_HALF_UP).quantize(_CENT, ROUND_HALF_UP)


def as_stored(amount: Decimal) -> Decimal:
    return amount.quantize(_PHP_PRECISION, ROUND_HALF_UP).quantize(_COLUMN, ROUND_HALF_UP)


def bare(amount: Decimal) -> str:
    """A float the way PHP puts it into a sentence: 37, 54.5."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def priced(amount: Decimal, currency: str) -> str:
    """A price the way the en_US locale writes it: $1,234.50, -$6.00."""
    rounded = cents(amount)
    sign = "-" if rounded < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, currency + ' ')}{abs(rounded):,.2f}"


#: Parts of a document that are tables of their own, and columns that the database sets.
_NOT_IN_ROW = frozenset({"items", "payment", "status_histories", "comments", "extension_attributes", "updated_at"})


def save_row(read: Document, changed: Document) -> Document:
    """What the row holds after saving `changed`: nothing of it where nothing but null against 0 differs.

    PHP compares loosely, so a model whose columns went from null to 0 counts as unchanged and is not written.
    Source: Magento 2.4 Framework AbstractModel::setData; recordings/zero-memo-used-up-invoice.json (2.4.6-p4),
    creditmemo-refund-route-offline.json.
    """
    columns = (read.keys() | changed.keys()) - _NOT_IN_ROW
    if any((read.get(name) or 0) != (changed.get(name) or 0) for name in columns):
        return changed
    kept = {name: value for name, value in read.items() if name not in _NOT_IN_ROW}
    return kept | {name: changed[name] for name in _NOT_IN_ROW & changed.keys()}


class Rounding:
    """Rounds a memo's amounts to cents and carries what was cut off to the next amount of the same kind.

    Source: Magento 2.4 Creditmemo::roundPrice with Framework/Math/Calculator::deltaRound.
    """

    def __init__(self) -> None:
        self._carried: dict[str, Decimal] = {}

    def price(self, amount: Decimal, kind: str, *, negative: bool = False) -> Decimal:
        """`negative` says that the amount will be subtracted, so the carried part counts the other way round."""
        if not amount:
            return amount
        sign = -1 if negative else 1
        exact = amount + sign * self._carried.get(kind, ZERO)
        rounded = cents(exact)
        self._carried[kind] = sign * (exact - rounded)
        return rounded
