"""What an unreadable body is told: path, value, problem and remedy, for whoever opens the kept delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields

from service.errors import Unreadable

Body = Mapping[str, Any]

_MAX_PROBLEMS_TOLD = 10
_MAX_VALUE_SHOWN = 60


def unreadable(path: str, value: object, problem: str, remedy: str, *, of: str = "") -> Unreadable:
    """`of` says in the message whose value it is: " (24-MB01)"."""
    told = "" if value is None else f" = {shown(value)}"
    return Unreadable(f"{path}{of}{told}: {problem}. {remedy}", path=path, value=shown(value), remedy=remedy)


def shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else f"[{len(value)}]"
    # ascii() keeps halves of surrogate pairs out of logs and databases.
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_VALUE_SHOWN else text[:_MAX_VALUE_SHOWN] + "…"


def explain(schema: Schema, body: Body, messages: Body) -> Unreadable:
    """All problems in one message; the first one's path, value and remedy as fields."""
    problems = [_problem(schema, body, path, message) for path, message in _flatten(messages, ())]
    told = "; ".join(problem.message for problem in problems[:_MAX_PROBLEMS_TOLD])
    return Unreadable(told, **problems[0].context)


def _problem(schema: Schema, body: Body, path: Sequence[str | int], message: str) -> Unreadable:
    value: Any = body
    known: Any = schema
    for step in path:
        value = value[step] if isinstance(step, int) else value.get(step)
        known = _field_at(known, step)
    expects = known.metadata.get("expects", "an object") if isinstance(known, fields.Field) else "an object"
    problem = "missing" if message.startswith("Missing data") else message[:1].lower() + message[1:].rstrip(".")
    return unreadable(_path_shown(path), value, problem, f"Send {expects}", of=_line_named(body, path))


def _field_at(known: Any, step: str | int) -> Any:
    if isinstance(known, fields.List):
        return known.inner
    schema = known.schema if isinstance(known, fields.Nested) else known
    return next((field for field in schema.fields.values() if (field.data_key or field.name) == step), None)


def _flatten(messages: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flatten(inner, path if key == "_schema" else (*path, key))
    else:
        yield path, str(messages[0])


def _path_shown(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _line_named(body: Body, path: Sequence[str | int]) -> str:
    """Whose value it is, so that a person need not count lines."""
    line = body["lines"][path[1]] if len(path) > 1 and path[0] == "lines" and isinstance(path[1], int) else None
    return line_named(line) if isinstance(line, dict) else ""


def line_named(line: Body) -> str:
    named = next((line[key] for key in ("sku", "order_item_id", "external_line_id") if key in line), None)
    return f" ({shown(named)})" if isinstance(named, str | int) else ""
