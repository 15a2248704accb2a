"""Requests that were not stored: the last ones, to see what a sender does wrong, and how many there were in all."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from service.store.engine import Database
from service.store.rows import Refusal, RefusalCount, row_as
from service.store.tables import refusal_counts, refusals

#: Enough to show a misconfigured sender's whole evening, little enough that a flood fills no disk.
KEPT = 200


class Refusals:
    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, source: str, status: int, reason: str, size_bytes: int, now: datetime) -> None:
        """`source` is one of ours, or one word for all unknown ones: each distinct name is counted for good."""
        row = {"at": now, "source": source, "status": status, "reason": reason, "size_bytes": size_bytes}
        self._database.write_grouped(lambda connection: _count(connection, row, source, status))

    def recent(self, limit: int = KEPT) -> tuple[Refusal, ...]:
        """Newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(refusals).order_by(refusals.c.id.desc()).limit(limit)).mappings()
            return tuple(row_as(Refusal, row) for row in rows)

    def counts(self) -> tuple[RefusalCount, ...]:
        query = select(refusal_counts).order_by(refusal_counts.c.source, refusal_counts.c.status)
        with self._database.read() as connection:
            return tuple(row_as(RefusalCount, row) for row in connection.execute(query).mappings())


def _count(connection: Connection, row: dict[str, object], source: str, status: int) -> None:
    connection.execute(insert(refusals).values(row))
    newest = select(func.max(refusals.c.id)).scalar_subquery()
    connection.execute(delete(refusals).where(refusals.c.id <= newest - KEPT))
    change = update(refusal_counts).where(refusal_counts.c.source == source, refusal_counts.c.status == status)
    if connection.execute(change.values(count=refusal_counts.c["count"] + 1)).rowcount == 0:
        connection.execute(insert(refusal_counts).values(source=source, status=status, count=1))
