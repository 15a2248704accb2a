"""Requests that were not stored: the last ones, to see what a sender does wrong, and how many there were in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update

from service.store.engine import Database
from service.store.rows import Refusal, RefusalCount, row_as
from service.store.statements import Statement, Transaction, given, insert_into
from service.store.tables import refusal_counts, refusals

#: Enough to show a misconfigured sender's whole evening, little enough that a flood fills no disk.
KEPT = 200


_RECENT = Statement(select(refusals).order_by(refusals.c.id.desc()).limit(given("limit")))
_COUNTS = Statement(select(refusal_counts).order_by(refusal_counts.c.source, refusal_counts.c.status))
_INSERT = insert_into(refusals, "at", "source", "status", "reason", "size_bytes")
_FORGET = Statement(delete(refusals).where(refusals.c.id <= select(func.max(refusals.c.id)).scalar_subquery() - KEPT))
_COUNT = Statement(
    update(refusal_counts)
    .where(refusal_counts.c.source == given("of"), refusal_counts.c.status == given("answered"))
    .values(count=refusal_counts.c["count"] + 1)
)
_FIRST = insert_into(refusal_counts, "source", "status", "count")


class Refusals:
    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, source: str, status: int, reason: str, size_bytes: int, now: datetime) -> None:
        """`source` is one of ours, or one word for all unknown ones: each distinct name is counted for good."""
        row = {"at": now, "source": source, "status": status, "reason": reason, "size_bytes": size_bytes}
        self._database.write_grouped(_count, row)

    def recent(self, limit: int = KEPT) -> tuple[Refusal, ...]:
        """Newest first."""
        with self._database.read() as tx:
            return tuple(row_as(Refusal, row) for row in tx.all(_RECENT, limit=limit))

    def counts(self) -> tuple[RefusalCount, ...]:
        with self._database.read() as tx:
            return tuple(row_as(RefusalCount, row) for row in tx.all(_COUNTS))


def _count(tx: Transaction, rows: Sequence[Mapping[str, object]]) -> list[None]:
    for row in rows:
        tx.change(_INSERT, **row)
        if tx.change(_COUNT, of=row["source"], answered=row["status"]) == 0:
            tx.change(_FIRST, source=row["source"], status=row["status"], count=1)
    tx.change(_FORGET)
    return [None] * len(rows)
