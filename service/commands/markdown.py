"""Tables and code in Markdown, for the documents that are printed from the code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: Stands at the head of what is printed.
PRINTED = "Printed from the code by `make docs`; do not edit."


def markdown_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield _markdown_row(heads)
    yield "|---" * len(heads) + "|"
    yield from map(_markdown_row, rows)
    yield ""


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def code(text: str) -> str:
    """`text` as code, also where it has backticks of its own."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"
