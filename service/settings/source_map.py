"""`[map]`: how a sender's body becomes the canonical event, one row for each of its fields.

A row is a JMESPath expression, or a table with one (`from`) and the steps that JMESPath lacks, applied in the order in
which they stand here:

    strip_prefix   takes a text away from the front
    regex          keeps what the first group matches; nothing where it does not match
    lookup         sender's word → ours, in lower case; `*` stands for any run of characters, an exact word goes first
    scale          moves the decimal point: -2 makes units of cents
    default        what it is when nothing was said
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum

from service.settings.expressions import Expression


class RowKind(StrEnum):
    """What a row's value is, and so which steps mean something."""

    TEXT = "text"
    NUMBER = "number"
    MOMENT = "moment"
    FLAG = "flag"
    LIST = "list"


#: The canonical event's fields under [map], and what each holds; docs/canonical-event.md says what they mean.
ROWS: Mapping[str, RowKind] = {
    "type": RowKind.TEXT,
    "id": RowKind.TEXT,
    "occurred_at": RowKind.MOMENT,
    "is_test": RowKind.FLAG,
    "already_refunded": RowKind.FLAG,
    "return.id": RowKind.TEXT,
    "order.increment_id": RowKind.TEXT,
    "order.entity_id": RowKind.TEXT,
    "currency": RowKind.TEXT,
    "resolution": RowKind.TEXT,
    "refund_destination": RowKind.TEXT,
    "fees": RowKind.LIST,
    "totals.refund": RowKind.NUMBER,
    "totals.store_credit": RowKind.NUMBER,
    "totals.exchange_credit": RowKind.NUMBER,
    "totals.includes_tax": RowKind.FLAG,
    "keep_item": RowKind.FLAG,
    "discrepancies": RowKind.LIST,
    "receipt_id": RowKind.TEXT,
    "receipts": RowKind.LIST,
    "lines": RowKind.LIST,
    "line.order.increment_id": RowKind.TEXT,
    "line.order.entity_id": RowKind.TEXT,
    "line.order_item_id": RowKind.TEXT,
    "line.external_line_id": RowKind.TEXT,
    "line.sku": RowKind.TEXT,
    "line.quantity": RowKind.NUMBER,
    "line.qty_requested": RowKind.NUMBER,
    "line.qty_authorized": RowKind.NUMBER,
    "line.qty_received": RowKind.NUMBER,
    "line.qty_accepted": RowKind.NUMBER,
    "line.qty_restock": RowKind.NUMBER,
    "line.disposition": RowKind.TEXT,
    "line.splits": RowKind.LIST,
    "line.keep_item": RowKind.FLAG,
    "line.resolution": RowKind.TEXT,
    "line.refund_destination": RowKind.TEXT,
    "line.refund_amount": RowKind.NUMBER,
    "line.amount_includes_tax": RowKind.FLAG,
    "line.amount_scope": RowKind.TEXT,
    "line.reason": RowKind.TEXT,
}

#: Without these no body could ever become an event: the row, or one of the rows.
REQUIRED_ROWS: tuple[tuple[str, ...], ...] = (
    ("type",),
    ("return.id",),
    ("order.increment_id", "order.entity_id", "line.order.increment_id", "line.order.entity_id"),
    ("lines", "receipts"),
    ("line.order_item_id", "line.external_line_id", "line.sku", "receipts"),
)

#: What the expressions look at: an event's, and one line's.
EVENT_ROOTS = ("body", "headers", "params")
LINE_ROOTS = ("line", "body", "headers")

#: Which steps mean something for which values.
STEPS: Mapping[RowKind, tuple[str, ...]] = {
    RowKind.TEXT: ("strip_prefix", "regex", "lookup", "default"),
    RowKind.NUMBER: ("scale",),
    RowKind.MOMENT: (),
    RowKind.FLAG: (),
    RowKind.LIST: (),
}

#: What the names of a line's rows start with.
LINE = "line."


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    #: "return.id"; a line's rows are named without their "line.".
    name: str
    kind: RowKind
    expression: Expression
    strip_prefix: str = ""
    regex: re.Pattern[str] | None = None
    lookup: Mapping[str, str] | None = None
    #: Powers of ten.
    scale: int = 0
    default: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMap:
    rows: tuple[Row, ...]
    line_rows: tuple[Row, ...]
    #: The line rows by which elements are put together that speak of one line; () leaves each its own.
    aggregate_by: tuple[str, ...] = ()
    #: Of times that name none.
    timezone: tzinfo = UTC

    @property
    def headers(self) -> frozenset[str]:
        """The headers that a later look at a delivery needs, in lower case."""
        return frozenset(name for row in (*self.rows, *self.line_rows) for name in row.expression.headers)

    @property
    def params(self) -> frozenset[str]:
        """The query parameters that a later look at a delivery needs."""
        return frozenset(name for row in self.rows for name in row.expression.params)
