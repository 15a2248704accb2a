"""Values of core as JSON, and back.

A field that core gained after a value was stored comes back with its default.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from service.core.plan import Plan

_Value = TypeVar("_Value")


def plain(value: object) -> Any:
    """A value of core as plain JSON: dataclasses become objects, tuples lists, decimals and times text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def rebuild(kind: type[_Value], content: Mapping[str, Any]) -> _Value:
    """The dataclass that `plain` made `content` of."""
    # mypy takes a class for something that may not be hashable.
    value: _Value = _builder(cast("Any", kind))(content)
    return value


def plain_plan(plan: Plan, bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole plan as it is shown: with its fingerprint, and beside each request the exact body it becomes."""
    shown: dict[str, Any] = plain(plan)
    for refund, body in zip(shown["refunds"], bodies, strict=True):
        refund["body"] = body
    return {**shown, "fingerprint": plan.fingerprint(), "base_total": format(plan.base_total, "f")}


@cache
def _builder(kind: Any) -> Callable[[Any], Any]:
    """What makes values of a type: types are looked into once, as a plan has hundreds of values of a few types."""
    origin, of = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        build = _builder(next(each for each in of if each is not type(None)))
        return lambda content: None if content is None else build(content)
    if origin is tuple:
        build = _builder(of[0])
        return lambda content: tuple([build(each) for each in content])
    if isinstance(kind, type) and is_dataclass(kind):
        builders = {name: _builder(hint) for name, hint in get_type_hints(kind).items()}
        return lambda content: kind(
            **{name: builders[name](each) for name, each in content.items() if name in builders}
        )
    if kind is datetime:
        return datetime.fromisoformat
    if isinstance(kind, type) and issubclass(kind, (Decimal, Enum)):
        return kind
    return _as_it_is


def _as_it_is(content: Any) -> Any:
    return content
