"""Reads a body as one JSON object, strictly: whatever two readers could understand differently is refused.

Python's reader by itself takes duplicate keys, NaN and numbers of any length, and recurses into depth; each of them is
a way to make two systems see two bodies, or to stop a worker. RFC 8259 §4 and §9 leave all four to the reader.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from service.errors import Unreadable
from service.sources.base import Limits

#: A string (skipped whole, even when nothing closes it) or a bracket. Possessive: linear time whatever the body.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def read_json_object(raw: bytes, limits: Limits) -> dict[str, Any]:
    """The body's object, numbers as int or Decimal; Unreadable for everything else, never another exception."""
    _check_depth(raw, limits.json_depth)
    if not raw.strip():
        raise _unreadable("the body is empty", "Send the event as a JSON object")
    try:
        text = raw.decode("utf-8-sig")
        body = json.loads(
            text,
            parse_int=lambda token: int(_short(token, limits)),
            parse_float=lambda token: Decimal(_short(token, limits)),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise _unreadable(f"the body is not UTF-8 (byte {error.start})", "Send JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _unreadable(f"the body is not JSON: {error.msg} at {where}", "Send the event as a JSON object") from error
    except InvalidOperation as error:
        raise _unreadable("a number's exponent is out of range", "Write amounts as decimal strings") from error
    if not isinstance(body, dict):
        raise _unreadable(f"the body is {_kind(body)}, not an object", "Send one event as a JSON object")
    return body


def _kind(body: object) -> str:
    """What JSON calls it; `bool` before `int`, which Python takes it for."""
    kinds = {list: "an array", str: "a string", bool: "true or false", int: "a number", Decimal: "a number"}
    return next((name for kind, name in kinds.items() if isinstance(body, kind)), "null")


def _check_depth(raw: bytes, most: int) -> None:
    """Before parsing: Python's reader recurses, and a deep body would end as a RecursionError."""
    if raw.count(b"[") + raw.count(b"{") <= most:
        return
    depth = 0
    for token in _TOKEN.finditer(raw):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > most:
                raise _unreadable(
                    f"the body is nested deeper than {most}", "Send one flat event, or raise max_json_depth"
                )
        elif first in b"]}":
            depth -= 1


def _short(token: str, limits: Limits) -> str:
    if len(token) > limits.number_characters:
        raise _unreadable(f"a number has {len(token)} characters", "Write amounts as decimal strings")
    return token


def _refuse_constant(token: str) -> None:
    raise _unreadable(f"{token} is not JSON", "Send a number, or leave the field out")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        double = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise _unreadable(f"the key {double[:80]!r} stands twice in one object", "Send each key once")
    return found


def _unreadable(problem: str, remedy: str) -> Unreadable:
    return Unreadable(f"{problem}. {remedy}", path="", value=None, remedy=remedy)
