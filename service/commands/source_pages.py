"""The printed part of docs/sources/<kind>.md: what to write, what is made of it, what nobody has seen confirmed.

It is made from the preset that the service reads, between two marks; what stands around them is written by hand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.commands.markdown import PRINTED, code, markdown_table
from service.core.policy import SourcePolicy
from service.settings import GENERIC, ROWS, Preset, preset_kinds, read_preset, shipped_file

#: Marks in a page; everything between them is printed.
BEGIN = "<!-- printed by `make docs`; do not edit -->"
END = "<!-- the end of what is printed -->"

_PRINTED_PART = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)


def page_kinds() -> tuple[str, ...]:
    """The kinds of sources that have a page of their own."""
    return (*preset_kinds(), GENERIC)


def print_pages(folder: Path) -> Iterator[Path]:
    """Print the printed part of every page in `folder` anew."""
    for kind in page_kinds():
        page = folder / f"{kind}.md"
        page.write_text(with_printed_part(page.read_text(encoding="utf-8"), kind), encoding="utf-8")
        yield page


def senders_reference() -> str:
    """All presets in one table: how each sender proves itself, what gives money back, how much of it is confirmed."""
    heads = ("sender", "`kind`", "proves itself by", "money goes back on", "to be added", "not verified")
    return "\n".join(
        [
            "# Senders",
            "",
            PRINTED,
            "",
            'Each has a page. A sender of your own is [`kind = "generic"`](sources/generic.md), and',
            "canonical events need no map.",
            "",
            *markdown_table(heads, map(_sender_row, map(read_preset, preset_kinds()))),
        ]
    )


def _sender_row(preset: Preset) -> tuple[str, ...]:
    auth = preset.table.get("auth", {})
    scheme = " ".join(code(auth[key]) for key in ("scheme", "header") if key in auth)
    refund_on = preset.table.get("policy", {}).get("refund_on", ())
    return (
        f"[{preset.title}](sources/{preset.kind}.md)",
        code(preset.kind),
        scheme or "yours to write",
        ", ".join(map(code, refund_on)) or "yours to write",
        ", ".join(map(code, preset.required)),
        str(len(preset.unverified)),
    )


def with_printed_part(page: str, kind: str) -> str:
    part = "\n".join([BEGIN, "", *_part(kind), END])
    return _PRINTED_PART.sub(lambda _: part, page)


def _part(kind: str) -> Iterator[str]:
    example = shipped_file(f"presets/{kind}.toml.example").read_text(encoding="utf-8").rstrip()
    yield from (
        "## What to put here",
        "",
        f"`config/sources/{kind}.toml`; the file's name is the end of the address.",
        "",
    )
    yield from ("```toml", example, "```", "")
    if kind == GENERIC:
        return
    preset = read_preset(kind)
    yield from _demands(preset)
    yield from _happenings(preset, tomllib.loads(example))
    yield from ("## What is read", "", "JMESPath over `body`, `headers` and `params`; for a line over `line` too.", "")
    yield from markdown_table(("field", "where it stands", "and then"), _rows(preset.table["map"]))
    yield from ("## What is not verified", "", *(f"- {text}" for text in preset.unverified), "")


def _demands(preset: Preset) -> Iterator[str]:
    if preset.required:
        yield from ("These cannot be known here; the start says so until they are written:", "")
        yield from markdown_table(
            ("setting", "what to write"), ((f"`{key}`", why) for key, why in preset.required.items())
        )


def _happenings(preset: Preset, example: Mapping[str, Any]) -> Iterator[str]:
    """The sender's words for what happened, and which of them give money back."""
    yield from ("## What happens", "")
    written = example.get("map", {}).get("type", {}).get("lookup", {})
    refund_on = example.get("policy", {}).get("refund_on") or preset.table.get("policy", {}).get("refund_on", ())
    withdraw_on = preset.table.get("policy", {}).get("withdraw_on", SourcePolicy().withdraw_on)
    lookup = preset.table["map"]["type"].get("lookup", {}) | written
    rows = [
        (
            f"{code(said)}{' (yours)' if said in written else ''}",
            code(meant),
            "**refunded**" if meant in refund_on else "taken back" if meant in withdraw_on else "kept",
        )
        for said, meant in lookup.items()
    ]
    yield from markdown_table(("it says", "that is", "and is"), [*rows, ("anything else", "", "kept")])


def _rows(table: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in ROWS:
        row: Any = table
        for part in name.split("."):
            row = row.get(part) if isinstance(row, Mapping) else None
        if row is not None:
            steps = {"from": row} if isinstance(row, str) else row
            yield f"`{name}`", code(steps["from"]) if "from" in steps else "yours to write", _steps(name, steps)
    if "aggregate_by" in table:
        yield "`aggregate_by`", "", ", ".join(f"`{name}`" for name in table["aggregate_by"])


def _steps(name: str, steps: Mapping[str, Any]) -> str:
    told = [f"{step} {code(str(value))}" for step, value in steps.items() if step not in {"from", "lookup"}]
    if "lookup" in steps:
        words = ", ".join(f"{code(said)} → {code(meant)}" for said, meant in steps["lookup"].items())
        told.insert(0, "as above" if name == "type" else words)
    return "; ".join(told)
