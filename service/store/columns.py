"""How our values are kept in columns: exact, sortable where order matters, and the same in SQLite and PostgreSQL.

SQLite has no decimal and no time with a zone, and its NUMERIC is a float: money is therefore text, an instant a number
of microseconds. Source: https://www.sqlite.org/datatype3.html.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: SQLite numbers rows by itself only when the key's type is exactly INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")

#: A text that was given a length once, and can be longer. SQLite never minded, and its tables say so to this day.
Widened = Text().with_variant(String(64), "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970 in UTC; a naive one is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 -- interface
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store keeps instants, give an aware datetime")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- interface
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Money(TypeDecorator[Decimal]):
    """A Decimal as the text of itself, so that 10.10 comes back as 10.10."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- interface
        return None if value is None else format(value, "f")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 -- interface
        return None if value is None else Decimal(value)


class Json(TypeDecorator[Any]):
    """A JSON value as text; decimals are written as strings, and no number is ever read as a float."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- interface
        return None if value is None else _ENCODER.encode(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:  # noqa: ARG002 -- interface
        return None if value is None else _DECODER.decode(value)


class Word(TypeDecorator[StrEnum]):
    """One of an enum's words, as text: a database type per enum would need a migration for each new word."""

    impl = String(32)
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- interface
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 -- interface
        return None if value is None else self.words(value)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} {value!r} cannot be kept as JSON")


#: Made once: `dumps` and `loads` with options of their own make one for every value.
_ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False, sort_keys=True)
_DECODER = json.JSONDecoder(parse_float=Decimal)
