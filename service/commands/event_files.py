"""Files of events: JSON lines, or CSV with one row for each line of a return. Read as a stream, in bounded memory.

A file that begins with `{` is JSON lines, every other is CSV: separated by comma, semicolon or tab as its first line
is, in UTF-8 with or without a byte order mark. Lines that begin with `# ` are left out in both; so a file of refused
lines, with the reasons above them, can be mended and read again as it is.
"""

from __future__ import annotations

import csv
import hashlib
import json
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from service.errors import BadRequest

#: Columns of a row; each is described in docs/importing.md.
LINE_COLUMNS = (
    "sku",
    "order_item_id",
    "external_line_id",
    "quantity",
    "disposition",
    "reason",
    "keep_item",
    "resolution",
    "refund_destination",
    "refund_amount",
)

#: Columns of the whole return; its rows say the same in them, or nothing.
RETURN_COLUMNS = (
    "return",
    "order",
    "order_entity_id",
    "fee",
    "currency",
    "refund_total",
    "occurred_at",
    "receipt_id",
    "already_refunded",
    "event_id",
    "type",
)

_ALIASES = {"qty": "quantity", "return_id": "return", "increment_id": "order", "fees": "fee"}
_NAMES_A_LINE = ("sku", "order_item_id", "external_line_id")
_NAMES_AN_ORDER = ("order", "order_entity_id")
#: Rows with the same in these are one event. Receipts add up, so each is an event of its own.
_KEY = ("return", *_NAMES_AN_ORDER, "receipt_id")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATORS = ",;\t"
_COMMENT = b"# "
_BOM = b"\xef\xbb\xbf"

#: An event has no more lines than this; what a mad file says of one return beyond it is refused with it.
_MOST_ROWS = 1001


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEvent:
    """One event of a file, or why there is none."""

    #: Of its first line in the file, from 1.
    line: int
    #: The very bytes of its lines, for the file of refused ones.
    raw: bytes
    body: bytes | None = None
    refused: str = ""


@dataclass(slots=True)
class EventFile:
    """A file as it is read; `header` and `ignored_columns` are known once the first event is."""

    stream: BinaryIO
    #: A longer line, or return, is refused.
    max_bytes: int
    #: What the rows of a CSV file mean where they do not say.
    default_type: str
    #: What CSV rows become. A source that reads bodies of another kind takes JSON lines alone.
    is_canonical: bool = True
    bytes_read: int = 0
    header: bytes = b""
    ignored_columns: tuple[str, ...] = ()
    _line: int = field(init=False, default=0)

    def events(self) -> Iterator[FileEvent]:
        """Every event in turn; BadRequest when it is a CSV file without the columns that are needed."""
        lines = self._lines()
        for first in lines:
            if first.raw.lstrip().startswith(b"{"):
                yield _json_event(first)
                yield from map(_json_event, lines)
            else:
                yield from self._csv_events(first, lines)

    def _lines(self) -> Iterator[_Line]:
        """What is neither empty nor a comment; of a line that is too long, the beginning."""
        while raw := self.stream.readline(self.max_bytes):
            self._line += 1
            number, is_whole = self._line, raw.endswith(b"\n")
            self.bytes_read += len(raw)
            rest = b"" if is_whole else self.stream.readline(self.max_bytes)
            is_too_long = bool(rest)
            while rest:
                self.bytes_read += len(rest)
                rest = b"" if rest.endswith(b"\n") else self.stream.readline(self.max_bytes)
            if number == 1:
                raw = raw.removeprefix(_BOM)
            if raw.strip() and not raw.startswith(_COMMENT):
                yield _Line(number=number, raw=raw, is_too_long=is_too_long)

    def _csv_events(self, first: _Line, lines: Iterator[_Line]) -> Iterator[FileEvent]:
        if not self.is_canonical:
            raise BadRequest(
                "CSV rows become canonical events, and this source reads another kind: give it JSON lines, or "
                'import for a source with kind = "canonical" and the same namespace'
            )
        self.header = first.raw.rstrip(b"\r\n") + b"\n"
        separator, columns = self._read_header(_decoded(first))
        seen = _Seen()
        group: list[_Row] = []
        for row in _rows(lines, separator, columns):
            if group and not (row.goes_with(group[-1]) and len(group) < _MOST_ROWS):
                yield self._event(group, seen)
                group = []
            group.append(row)
        if group:
            yield self._event(group, seen)

    def _read_header(self, text: str) -> tuple[str, list[str]]:
        separator = max(_SEPARATORS, key=text.count)
        named = [name.strip().lower() for name in next(csv.reader([text], delimiter=separator))]
        columns = [_ALIASES.get(name, name) for name in named]
        known = {*LINE_COLUMNS, *RETURN_COLUMNS}
        for wanted in (("return",), _NAMES_AN_ORDER, _NAMES_A_LINE, ("quantity",)):
            if not set(wanted) & set(columns):
                raise BadRequest(
                    f"the file's first line names no column {' or '.join(wanted)}; it has: {', '.join(named)[:200]}. "
                    "Columns are described in docs/importing.md"
                )
        if doubled := sorted({name for name in columns if name in known and columns.count(name) > 1}):
            raise BadRequest(f"the column {doubled[0]} stands twice in the file's first line; keep one")
        self.ignored_columns = tuple(name for name in columns if name not in known)
        return separator, columns

    def _event(self, group: Sequence[_Row], seen: _Seen) -> FileEvent:
        first, raw = group[0], b"".join(row.raw for row in group)
        # The whole return: without the row that is no row, the event would say less than is approved.
        if broken := next((row for row in group if row.refused), None):
            return _refused(broken.line, raw, broken.refused)
        if not seen.add(f"{first.key}"):
            return _refused(first.line, raw, f"rows of return {first.key[0]} stand apart: {_TOGETHER}")
        said = {}
        for name in RETURN_COLUMNS:
            values = dict.fromkeys(row.cells[name] for row in group if row.cells.get(name))
            if len(values) > 1:
                return _refused(first.line, raw, f"rows of one return differ in {name}: {', '.join(values)}")
            said[name] = next(iter(values), "")
        return FileEvent(line=first.line, raw=raw, body=_body(said, group, self.default_type))


#: Rows that stand apart would be two events, and the later one would take back what the earlier one approved.
_TOGETHER = "an event says all that is approved so far. Sort the file by return"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    number: int
    raw: bytes
    is_too_long: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    line: int
    raw: bytes
    #: By column; of a row that is none, what can be made out.
    cells: Mapping[str, str]
    refused: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(self.cells.get(name, "") for name in _KEY)

    def goes_with(self, before: _Row) -> bool:
        """Of the same return and order; of a row that is none, the return alone is to be trusted."""
        if self.refused or before.refused:
            return self.cells.get("return") == before.cells.get("return")
        return self.key == before.key


def _json_event(line: _Line) -> FileEvent:
    if line.is_too_long:
        return _refused(line.number, line.raw, "the line is longer than the source's max_body_bytes")
    return FileEvent(line=line.number, raw=line.raw, body=line.raw.strip())


def _rows(lines: Iterator[_Line], separator: str, columns: Sequence[str]) -> Iterator[_Row]:
    taken: deque[_Line] = deque()
    again: deque[_Line] = deque()

    def texts() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, None):
            taken.append(line)
            yield _decoded(line)

    while True:
        # What `texts` raised ends it, and with it the reader: begun anew for each row, which costs little.
        try:
            cells = [cell.strip() for cell in next(csv.reader(texts(), delimiter=separator, strict=True))]
            refused = ""
        except StopIteration:
            return
        except (csv.Error, BadRequest) as error:
            refused = error.message if isinstance(error, BadRequest) else f"not CSV: {error}"
            cells = [cell.strip(' "') for cell in taken[0].raw.decode("utf-8", "replace").strip().split(separator)]
            # A quotation mark that nothing closes swallows the rows after it: they are read again without it.
            again.extendleft(reversed([*taken][1:]))
            taken = deque([taken[0]])
        if not refused and len(cells) != len(columns):
            refused = f"{len(cells)} cells, where the first line names {len(columns)} columns"
        if any(cells):
            named = dict(zip(columns, cells, strict=False))
            yield _Row(line=taken[0].number, raw=_raw(taken), cells=named, refused=refused)
        taken.clear()


def _decoded(line: _Line) -> str:
    if line.is_too_long:
        raise BadRequest("the line is longer than the source's max_body_bytes")
    try:
        return line.raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"not UTF-8 (byte {error.start}); save the file as CSV UTF-8") from error


def _raw(taken: Iterable[_Line]) -> bytes:
    return b"".join(line.raw.rstrip(b"\r\n") + b"\n" for line in taken)


def _refused(line: int, raw: bytes, reason: str) -> FileEvent:
    return FileEvent(line=line, raw=raw, refused=reason)


def _body(said: Mapping[str, str], group: Sequence[_Row], default_type: str) -> bytes:
    """The canonical event. The same rows give the same bytes, and so the same delivery."""
    event = {
        "type": said["type"] or default_type,
        "id": said["event_id"],
        "occurred_at": said["occurred_at"],
        "return": {"id": said["return"]},
        "order": _given({"increment_id": said["order"], "entity_id": said["order_entity_id"]}),
        "receipt_id": said["receipt_id"],
        "lines": [_line(row) for row in group],
        "fees": [{"type": "fee", "amount": said["fee"]}] if said["fee"] else "",
        "totals": {"refund": said["refund_total"]} if said["refund_total"] else "",
        "currency": said["currency"],
        "already_refunded": _flag(said["already_refunded"]),
    }
    return json.dumps(_given(event), ensure_ascii=False).encode()


def _line(row: _Row) -> dict[str, object]:
    cells = {name: row.cells.get(name, "") for name in LINE_COLUMNS}
    return _given({**cells, "keep_item": _flag(cells["keep_item"])})


def _flag(text: str) -> bool | str:
    """What is neither yes nor no is left for the reader to refuse."""
    return _FLAGS.get(text.lower(), text)


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value != ""}


class _Seen:
    """Which returns a file has spoken of: 8 bytes for each, where a set of texts would need a hundred."""

    #: Few enough to look through every sorted run for each return; many enough to have few runs.
    _RUN = 100_000

    def __init__(self) -> None:
        self._newest: set[int] = set()
        self._runs: list[array[int]] = []

    def add(self, text: str) -> bool:
        """False when it was there before; by chance also in one of 10^7 files of 10^6 returns, and then it is told."""
        digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
        if digest in self._newest or any(self._has(run, digest) for run in self._runs):
            return False
        self._newest.add(digest)
        if len(self._newest) == self._RUN:
            self._runs.append(array("Q", sorted(self._newest)))
            self._newest.clear()
        return True

    @staticmethod
    def _has(run: array[int], digest: int) -> bool:
        place = bisect_left(run, digest)
        return place < len(run) and run[place] == digest
