"""A sender's body → the canonical event's, row by row as the source's `[map]` says.

What comes out is a body in the canonical event's names, for the reader that reads canonical bodies: nothing is judged
here but the expressions themselves. A row that finds nothing says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal, DecimalException
from fnmatch import fnmatchcase
from typing import Any

from marshmallow import ValidationError

from service.settings import Row, RowKind, SourceMap
from service.sources.base import Document, Limits
from service.sources.event_fields import read_decimal
from service.sources.expressions import Budget, evaluate
from service.sources.unreadable import unreadable

_TYPE, _LINES, _REASON = "type", "lines", "reason"

#: Ids, words and names are at most this long (event_fields); what is longer is left for the reader to refuse.
_MAX_TEXT = 255


def map_type(source_map: SourceMap, document: Document) -> tuple[object, object]:
    """What happened, as the sender says it and in the words of refund_on: None for a word that the lookup has not."""
    row = next(row for row in source_map.rows if row.name == _TYPE)
    said = evaluate(row.expression, _context(document), Budget(), row=_TYPE)
    return said, _text(row, said)


def says_refunded(source_map: SourceMap, document: Document) -> bool:
    """Whether the sender says that it has paid the customer itself."""
    row = next((row for row in source_map.rows if row.name == "already_refunded"), None)
    return row is not None and evaluate(row.expression, _context(document), Budget(), row=row.name) is True


def map_body(source_map: SourceMap, document: Document, limits: Limits) -> dict[str, Any]:
    """The canonical body that `document` says; Unreadable where an expression cannot be evaluated."""
    budget, context = Budget(), _context(document)
    body: dict[str, Any] = {}
    for row in source_map.rows:
        _set(body, row.name, _value(row, context, budget, source_map.timezone))
    if isinstance(lines := body.get(_LINES), list):
        if len(lines) > limits.lines:
            remedy = f"Send at most {limits.lines} lines in one event"
            raise unreadable(_LINES, lines, f"has {len(lines)} lines", remedy)
        body[_LINES] = _lines(source_map, lines, document, budget)
    return body


def _context(document: Document) -> Mapping[str, Any]:
    return {"body": document.body, "headers": document.headers, "params": document.params}


def _lines(source_map: SourceMap, lines: Sequence[Any], document: Document, budget: Budget) -> list[dict[str, Any]]:
    mapped: list[dict[str, Any]] = []
    for line in lines:
        context = {"line": line, "body": document.body, "headers": document.headers}
        found: dict[str, Any] = {}
        for row in source_map.line_rows:
            _set(found, row.name, _value(row, context, budget, source_map.timezone))
        mapped.append(found)
    return _aggregated(source_map, mapped) if source_map.aggregate_by else mapped


def _set(into: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        return
    *within, key = name.split(".")
    for part in within:
        into = into.setdefault(part, {})
    into[key] = value


def _get(body: Mapping[str, Any], name: str) -> Any:
    value: Any = body
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


# --- the steps that JMESPath lacks ------------------------------------------------------------------------------------


def _value(row: Row, context: Mapping[str, Any], budget: Budget, zone: tzinfo) -> Any:
    name = row.name if "line" not in context else f"line.{row.name}"
    value = evaluate(row.expression, context, budget, row=name)
    match row.kind:
        case RowKind.FLAG:
            return value
        case RowKind.TEXT:
            return _text(row, value)
        # `a && b` where a is not so: nothing is said.
        case _ if value is False or value == "":
            return None
        case RowKind.NUMBER:
            return _number(row, value, name)
        case RowKind.MOMENT:
            return _moment(value, zone)
        case RowKind.LIST:
            return value


def _text(row: Row, value: Any) -> Any:
    """A text or a whole number through the row's steps; what is neither is left for the reader to refuse.

    False is nothing, as the rest of an `a && b`, unless a lookup has a word for it.
    """
    if isinstance(value, bool):
        told = "true" if value else "false"
        value = told if value or told in (row.lookup or ()) else None
    if value is None or isinstance(value, str | int):
        text = "" if value is None else str(value).strip().removeprefix(row.strip_prefix)
        if row.regex is not None:
            found = row.regex.search(text) if len(text) <= _MAX_TEXT else None
            text = (found[1] or "") if found else ""
        if row.lookup is not None and text:
            return _looked_up(row.lookup, text, is_closed=row.name == _TYPE)
        return text or row.default
    return value


def _looked_up(lookup: Mapping[str, str], text: str, *, is_closed: bool) -> str | None:
    """Our word for the sender's. An unknown one stays as it is, for a person to see, unless it would mean an event."""
    word = text.lower()
    if word in lookup:
        return lookup[word]
    patterns = sorted((pattern for pattern in lookup if "*" in pattern), key=len, reverse=True)
    found = next((pattern for pattern in patterns if fnmatchcase(word, pattern)), None)
    if found is not None:
        return lookup[found]
    return None if is_closed else text


def _number(row: Row, value: Any, name: str) -> Any:
    if isinstance(value, str) and not value.strip():
        return None
    if row.scale == 0 or value is None:
        return value
    try:
        return read_decimal(value.strip() if isinstance(value, str) else value).scaleb(row.scale)
    except (ValidationError, DecimalException) as error:
        raise unreadable(f"map.{name}", value, "not a decimal number", "Send digits") from error


def _moment(value: Any, zone: tzinfo) -> Any:
    """The time with the source's zone where it names none; what is no time is left for the reader to refuse."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).isoformat()
    except (ValueError, OverflowError):
        return value.strip() or None


# --- elements that speak of one line ----------------------------------------------------------------------------------


def _aggregated(source_map: SourceMap, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines equal in aggregate_by, and in all else that decides anything, as one: numbers added, reasons kept apart.

    A line without one of those ids is its own: what cannot be told apart from nothing is put together with nothing.
    """
    told_apart = [row.name for row in source_map.line_rows if row.kind in {RowKind.TEXT, RowKind.FLAG}]
    decides = [name for name in told_apart if name != _REASON]
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(lines):
        is_named = all(_get(line, name) is not None for name in source_map.aggregate_by)
        key = repr([_get(line, name) for name in decides]) if is_named else f"line {number}"
        groups.setdefault(key, []).append(line)
    return [_one_line(source_map, group) for group in groups.values()]


def _one_line(source_map: SourceMap, group: Sequence[dict[str, Any]]) -> dict[str, Any]:
    one = dict(group[0])
    if len(group) == 1:
        return one
    for row in source_map.line_rows:
        values = [value for value in (_get(line, row.name) for line in group) if value is not None]
        if row.kind is RowKind.NUMBER and values:
            _set(one, row.name, _sum(values, f"lines.{row.name}"))
        elif row.kind is RowKind.LIST and all(isinstance(value, list) for value in values) and values:
            _set(one, row.name, [element for value in values for element in value])
    reasons = dict.fromkeys(_texts(line.get(_REASON) for line in group))
    if reasons:
        one[_REASON] = "; ".join(reasons)
    return one


def _sum(values: Sequence[Any], path: str) -> Decimal:
    try:
        return sum((read_decimal(value) for value in values), Decimal(0))
    except ValidationError as error:
        raise unreadable(path, None, "not all of them are decimal numbers", "Send digits") from error


def _texts(values: Iterator[Any]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))
