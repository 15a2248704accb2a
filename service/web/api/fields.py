"""How values are written: ids as people see them, money and quantities as decimal text, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marshmallow import fields

from service.store import Kind, format_id


class IdField(fields.Field[int]):
    def __init__(self, kind: Kind, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kind = kind

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        del attr, obj, kwargs
        return None if value is None else format_id(self._kind, value)


class DecimalText(fields.Field[Decimal]):
    """Never a JSON number: most readers would make a float of it."""

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        del attr, obj, kwargs
        return None if value is None else format(value, "f")


class Moment(fields.Field[datetime]):
    """RFC 3339 in UTC, to the microsecond: moments of one second keep their order."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        del attr, obj, kwargs
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class StoredJson(fields.Field[Any]):
    """A JSON document as it was stored.

    Its decimals were numbers when they were sent to Magento, and are numbers here; floats, as JSON has nothing better,
    whose shortest text is what was sent.
    """

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        del attr, obj, kwargs
        return _as_sent(value)


def _as_sent(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _as_sent(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_sent(each) for each in value]
    return value
