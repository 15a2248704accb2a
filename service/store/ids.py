"""The ids that people and scripts see: del_17, ret_5, ref_9. Inside the store they are the numbers alone.

The prefix makes a mixed-up id an error that names itself, instead of another row's data.
"""

from __future__ import annotations

from typing import Literal

from service.errors import BadRequest

Kind = Literal["delivery", "return", "refund"]

_PREFIXES: dict[Kind, str] = {"delivery": "del", "return": "ret", "refund": "ref"}

#: Digits that fit a database's integer whatever they are; a longer number cannot be a row of ours.
_MOST_DIGITS = 18


def format_id(kind: Kind, number: int) -> str:
    return f"{_PREFIXES[kind]}_{number}"


def parse_id(kind: Kind, text: str) -> int:
    """The number of a public id; anything else than `kind`'s prefix and digits is a BadRequest that names it."""
    prefix, _, digits = text.partition("_")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    if prefix != _PREFIXES[kind] or not is_number:
        raise BadRequest(f"{text!r} is not the id of a {kind}: those look like {format_id(kind, 17)}", id=text)
    return int(digits)


def kind_of(text: str) -> Kind:
    """Which kind of thing a public id names; BadRequest when it names none."""
    for kind, prefix in _PREFIXES.items():
        if text.partition("_")[0] == prefix:
            return kind
    known = ", ".join(format_id(kind, 17) for kind in _PREFIXES)
    raise BadRequest(f"{text!r} is not an id of ours: those look like {known}", id=text)
