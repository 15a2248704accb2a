"""How values are shown: aligned columns for people, JSON for scripts. Nothing else prints data."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from service.store.content import plain

#: Between two columns.
_GAP = "  "

#: A text column gets at least this much, even where the others leave less.
_LEAST_TEXT_WIDTH = 24

#: Lines longer than this are hard to read, however wide the window is.
_WIDEST = 140

#: What Python does not call printable and terminals show as a space.
_SPACES = "\t\u00a0\u202f\u3000"


def say(*lines: str) -> None:
    for line in lines:
        click.echo("\n".join(map(readable, line.split("\n"))))


def readable(text: str) -> str:
    """`text` without what a terminal would obey: a sender's bytes may hold escapes, or turn the line round."""
    return "".join(char if char.isprintable() or char in _SPACES else repr(char)[1:-1] for char in text)


def say_json(value: object) -> None:
    """Dataclasses as objects, decimals and times as text."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, width: int | None = None) -> Iterator[str]:
    """Aligned columns; the last one takes what room is left and is wrapped, so that no reason is cut off."""
    cells = [[_cell(each) for each in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    room = max((width or window_width()) - before, _LEAST_TEXT_WIDTH)
    for row in ([head.upper() for head in heads], *cells):
        first, *more = textwrap.wrap(row[-1], room, break_long_words=False, break_on_hyphens=False) or [""]
        fixed = _GAP.join(cell.ljust(size) for cell, size in zip(row[:-1], widths, strict=False))
        yield f"{fixed}{_GAP if len(row) > 1 else ''}{first}".rstrip()
        yield from (" " * before + line for line in more)


def fields(pairs: Iterable[tuple[str, object]], *, indent: int = 0) -> Iterator[str]:
    """One `name  value` a line, aligned; a pair without a value, or whose value is 0 or False, is left out."""
    said = [(name, _cell(value)) for name, value in pairs if value]
    name_width = max((len(name) for name, _ in said), default=0)
    for name, value in said:
        yield from wrapped(f"{name.ljust(name_width)}{_GAP}", value, indent=indent)


def wrapped(lead: str, text: str, *, indent: int = 0) -> Iterator[str]:
    """`lead` and a text after it, its further lines under the first."""
    room = max(window_width() - indent - len(lead), _LEAST_TEXT_WIDTH)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{' ' * indent}{lead}{lines[0]}".rstrip()
    yield from (" " * (indent + len(lead)) + line for line in lines[1:])


def window_width() -> int:
    """Columns of the window; 120 where there is none, as in a pipe."""
    return min(shutil.get_terminal_size((120, 24)).columns, _WIDEST)


def moment(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def body_text(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    # A line feed would end the row.
    return "" if value is None else readable(str(value).replace("\n", " "))
