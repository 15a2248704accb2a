"""Magento's query string: nested parameters, search criteria, and the `fields` filter of answers.

Source: recordings/search-orders.json, search-memos-many.json, search-memos-across-orders.json, comment-marker.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from service.sandbox.documents import Document
from service.sandbox.totals import PhpFailureError, RefusedError

Parameters = dict[str, Any]

_KEY_PART = re.compile(r"\[([^\]]*)\]")
_FIELDS = re.compile(r"[A-Za-z0-9_,\[\]]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    field: str
    value: str
    condition: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Criteria:
    """Filters of one group are alternatives, groups have to hold together. `page_size` 0 or None means all."""

    groups: tuple[tuple[Filter, ...], ...]
    sort_orders: tuple[tuple[str, str], ...]
    page_size: int | None
    current_page: int | None

    def to_document(self) -> Document:
        document: Document = {
            "filter_groups": [
                {"filters": [{"field": f.field, "value": f.value, "condition_type": f.condition} for f in group]}
                for group in self.groups
            ]
        }
        if self.sort_orders:
            document["sort_orders"] = [{"field": field, "direction": way} for field, way in self.sort_orders]
        if self.page_size is not None:
            document["page_size"] = self.page_size
        if self.current_page is not None:
            document["current_page"] = self.current_page
        return document


def parse_parameters(query: str) -> Parameters:
    """The query as PHP nests it: `a[b][0]=c` becomes {"a": {"b": {"0": "c"}}}."""
    parameters: Parameters = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        name, bracket, _ = key.partition("[")
        path = [name, *_KEY_PART.findall(key)] if bracket else [name]
        place = parameters
        for part in path[:-1]:
            nested = place.get(part)
            if not isinstance(nested, dict):
                nested = place[part] = {}
            place = nested
        place[path[-1]] = value
    return parameters


def read_criteria(parameters: Parameters) -> Criteria:
    """The search criteria, in camel or snake case; raises RefusedError where there are none at all."""
    said = _either(parameters, "searchCriteria", "search_criteria")
    if said is None:
        raise MissingParameterError("searchCriteria")
    said = said if isinstance(said, dict) else {}
    groups = _values(_either(said, "filter_groups", "filterGroups"))
    return Criteria(
        groups=tuple(tuple(_read_filter(f) for f in _values(group.get("filters"))) for group in groups),
        sort_orders=tuple(
            (str(order.get("field", "")), str(order.get("direction", "ASC")).upper())
            for order in _values(_either(said, "sort_orders", "sortOrders"))
        ),
        page_size=_read_int(_either(said, "page_size", "pageSize")),
        current_page=_read_int(_either(said, "current_page", "currentPage")),
    )


class MissingParameterError(RefusedError):
    """A required parameter is not there; unlike other refusals it names the parameter by word, not by number."""

    def __init__(self, name: str) -> None:
        super().__init__('"%fieldName" is required. Enter and try again.')
        self.name = name


def _either(said: Mapping[str, Any], *names: str) -> Any:
    return next((said[name] for name in names if name in said), None)


def _values(said: object) -> list[Parameters]:
    return [value for value in said.values() if isinstance(value, dict)] if isinstance(said, dict) else []


def _read_filter(said: Parameters) -> Filter:
    condition = _either(said, "condition_type", "conditionType")
    return Filter(
        field=str(said.get("field", "")),
        value=str(said.get("value", "")),
        condition="eq" if condition is None else str(condition),
    )


def _read_int(said: object) -> int | None:
    if said is None:
        return None
    try:
        return int(str(said))
    except ValueError:
        raise RefusedError(
            f'The "{said}" value\'s type is invalid. The "int" type was expected. Verify and try again.'
        ) from None


def find_documents(
    documents: Iterable[Document],
    criteria: Criteria,
    *,
    columns: frozenset[str],
    column_of: Callable[[Document, str], Any] = dict.get,
) -> tuple[list[Document], int]:
    """The page that was asked for, and how many documents there are in all.

    `columns` can be searched; any other is a database error. `column_of` may know more than the document shows.
    """
    asked = {f.field for group in criteria.groups for f in group} | {field for field, _ in criteria.sort_orders}
    if unknown := asked - columns:
        raise PhpFailureError(f"Unknown column '{min(unknown)}' in where clause")
    tests = [[_make_test(f) for f in group] for group in criteria.groups if group]
    found = [
        document
        for document in documents
        if all(any(test(column_of(document, field)) for field, test in group) for group in tests)
    ]
    for field, way in reversed(criteria.sort_orders):
        found.sort(
            key=lambda document: _sort_key(column_of(document, field)), reverse=way == "DESC"
        )  # sort() has ended before the next field
    total = len(found)
    if criteria.page_size:
        start = (max(criteria.current_page or 1, 1) - 1) * criteria.page_size
        found = found[start : start + criteria.page_size]
    return found, total


_Test = Callable[[Any], bool]


def _make_test(wanted: Filter) -> tuple[str, _Test]:
    make = _CONDITIONS.get(wanted.condition, _equals)
    return wanted.field, make(wanted.value)


def _equals(value: str) -> _Test:
    return lambda found: found is not None and _compare(found, value) == 0


def _like(value: str) -> _Test:
    pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in value)
    matches = re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch
    return lambda found: found is not None and matches(str(found)) is not None


def _one_of(value: str) -> _Test:
    tests = [_equals(part) for part in value.split(",")]
    return lambda found: any(test(found) for test in tests)


def _none_of(value: str) -> _Test:
    tests = [_equals(part) for part in value.split(",")]
    return lambda found: found is not None and not any(test(found) for test in tests)


def _ordered(accepts: Sequence[int]) -> Callable[[str], _Test]:
    return lambda value: lambda found: found is not None and _compare(found, value) in accepts


#: An unknown condition counts as eq.
_CONDITIONS: dict[str, Callable[[str], _Test]] = {
    "eq": _equals,
    "neq": lambda value: lambda found: found is not None and _compare(found, value) != 0,
    "gt": _ordered((1,)),
    "gteq": _ordered((0, 1)),
    "moreq": _ordered((0, 1)),
    "from": _ordered((0, 1)),
    "lt": _ordered((-1,)),
    "lteq": _ordered((-1, 0)),
    "to": _ordered((-1, 0)),
    "in": _one_of,
    "nin": _none_of,
    "like": _like,
    "nlike": lambda value: lambda found: found is not None and not _like(value)(found),
    "null": lambda _: lambda found: found is None,
    "notnull": lambda _: lambda found: found is not None,
    "finset": lambda value: lambda found: found is not None and value in str(found).split(","),
}


def _compare(found: Any, value: str) -> int:
    """Like MySQL: a number column by value, a text column by letters, whatever their case."""
    if isinstance(found, int | Decimal):
        left, right = Decimal(found), _as_number(value)
        return (left > right) - (left < right)
    text, other = str(found).lower(), value.lower()
    return (text > other) - (text < other)


_LEADING_NUMBER = re.compile(r"\s*[+-]?\d*\.?\d+")


def _as_number(value: str) -> Decimal:
    leading = _LEADING_NUMBER.match(value)
    try:
        return Decimal(leading.group().strip()) if leading else Decimal(0)
    except InvalidOperation:
        return Decimal(0)


def _sort_key(value: Any) -> tuple[bool, Decimal, str]:
    if isinstance(value, int | Decimal):
        return True, Decimal(value), ""
    return value is not None, Decimal(0), str(value or "").lower()


def filter_fields(document: Any, fields: str) -> Any:
    """Only what `fields` names, e.g. `total_count,items[entity_id,comments[comment]]`; an empty list becomes null."""
    if not _FIELDS.fullmatch(fields):
        return []
    tree, _ = _parse_fields(fields, 0)
    return _keep(document, tree)


_Tree = dict[str, Any]


def _parse_fields(text: str, at: int) -> tuple[_Tree, int]:
    tree: _Tree = {}
    name = ""
    while at < len(text):
        letter = text[at]
        at += 1
        if letter == "[":
            tree[name], at = _parse_fields(text, at)
            name = ""
        elif letter in ",]":
            if name:
                tree[name] = None
            name = ""
            if letter == "]":
                return tree, at
        else:
            name += letter
    if name:
        tree[name] = None
    return tree, at


def _keep(value: Any, tree: _Tree) -> Any:
    if isinstance(value, list):
        return [_keep(part, tree) for part in value] or None
    if not isinstance(value, dict):
        return value
    return {name: _keep_part(value[name], tree[name]) for name in value if name in tree}


def _keep_part(value: Any, tree: _Tree | None) -> Any:
    return value if tree is None or not isinstance(value, dict | list) else _keep(value, tree)
