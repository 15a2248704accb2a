"""How single values of an event are read: one function each, for marshmallow's Function fields.

A function returns the value in our words or raises ValidationError with the problem; `expects` is the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields

#: Magento's decimal(12,4); more is a mistake, and would be cut off there without a word.
MAX_PLACES = 4
MAX_QUANTITY = Decimal(99_999_999)
MAX_AMOUNT = Decimal(99_999_999)

_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_DIGITS = re.compile(r"[0-9]{1,10}")
_CURRENCY = re.compile(r"[A-Z]{3}")
#: Control characters and halves of surrogate pairs: databases and logs choke on them, and no id has them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_TEXT = 255
_MAX_REASON = 500


def read_quantity(value: object) -> Decimal:
    """Units; 0 says that nothing of this line is approved, or was received, so far."""
    quantity = read_decimal(value)
    if quantity < 0:
        raise ValidationError("must not be negative")
    if quantity > MAX_QUANTITY:
        raise ValidationError(f"must be at most {MAX_QUANTITY}")
    return quantity


def read_amount(value: object) -> Decimal:
    amount = read_decimal(value)
    if amount < 0:
        raise ValidationError("must not be negative")
    if amount > MAX_AMOUNT:
        raise ValidationError(f"must be at most {MAX_AMOUNT}")
    return amount


def read_decimal(value: object) -> Decimal:
    """A decimal string or a JSON number with at most four places; trailing zeros do not count."""
    if isinstance(value, Decimal):
        # Its digits are few, but 1E+999999999 written out would not be.
        value = format(value, "f") if abs(value.adjusted()) <= _EXPONENT else ""
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValidationError("not a decimal number")
    whole, _, places = value.partition(".")
    if len(places.rstrip("0")) > MAX_PLACES:
        raise ValidationError(f"more than {MAX_PLACES} decimal places")
    return Decimal(f"{whole}.{places}" if places else whole)


#: Enough for what _DECIMAL takes.
_EXPONENT = 20


def read_identifier(value: object) -> str:
    """A sender's own id; a JSON integer is as good as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return read_text(value)


def read_text(value: object) -> str:
    """Text without spaces around it: ids that differ only there are one id."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        raise ValidationError("a JSON number, which has lost its leading zeros")
    if not isinstance(value, str):
        raise ValidationError("not text")
    text = value.strip()
    if not text or len(text) > _MAX_TEXT or _UNPRINTABLE.search(text):
        raise ValidationError(f"empty, longer than {_MAX_TEXT} characters or not printable")
    return text


def read_word(value: object) -> str:
    """A word that is looked up in a list: lower case; "" says nothing."""
    if value == "":
        return ""
    return read_text(value).lower()


def read_database_id(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _DIGITS.fullmatch(value) or int(value) == 0:
        raise ValidationError("not an id of Magento's database")
    return int(value)


def read_currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value.upper()):
        raise ValidationError("not a currency code")
    return value.upper()


def read_moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValidationError("not a time")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValidationError("a time without a zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValidationError("not a time") from error


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValidationError("not true or false")
    return value


def read_reason(value: object) -> str:
    """Why it came back, for people to read; never refused, because no money depends on it."""
    if isinstance(value, Mapping):
        value = value.get("text") or value.get("code") or ""
    return " ".join(_UNPRINTABLE.sub(" ", value).split())[:_MAX_REASON] if isinstance(value, str) else ""


def _field(read: Callable[[Any], object], expects: str, *, required: bool = False) -> fields.Function:
    return fields.Function(deserialize=read, required=required, metadata={"expects": expects})


def quantity_field(*, required: bool = False) -> fields.Function:
    return _field(read_quantity, 'a decimal string, 0 or more with at most 4 places, as "1"', required=required)


def amount_field(*, required: bool = False) -> fields.Function:
    return _field(read_amount, 'a decimal string, 0 or more with at most 4 places, as "4.95"', required=required)


def identifier_field(*, required: bool = False) -> fields.Function:
    return _field(read_identifier, f"a string of 1 to {_MAX_TEXT} characters", required=required)


def text_field() -> fields.Function:
    return _field(read_text, 'a string, in quotes, as "000000264"')


def word_field() -> fields.Function:
    return _field(read_word, f"a word of at most {_MAX_TEXT} characters")


def database_id_field() -> fields.Function:
    return _field(read_database_id, "a whole number above 0 of at most 10 digits")


def currency_field() -> fields.Function:
    return _field(read_currency, 'three letters of ISO 4217, as "EUR"')


def moment_field() -> fields.Function:
    return _field(read_moment, "an ISO 8601 time with its zone, as 2026-11-23T09:00:00Z")


def flag_field() -> fields.Function:
    return _field(read_flag, "true or false")


def words_field() -> fields.List[str]:
    return fields.List(word_field(), metadata={"expects": 'a list of words, as ["over_receipt"]'})


def reason_field() -> fields.Function:
    return _field(read_reason, "text")
