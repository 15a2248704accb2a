"""The journal: what changed, who changed it and why, written in the transaction of the change itself.

Claims, leases and heartbeats are not changes that anybody asks about later; they alone go unwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import select

from service.store.engine import Database
from service.store.rows import JournalEntry, row_as
from service.store.statements import Statement, Transaction, given, insert_into
from service.store.tables import journal

#: Who did what nobody asked for.
WORKER = "worker"


_NOTE = insert_into(journal, "at", "actor", "what", "text", "data", "delivery_id", "return_id", "refund_id")


class Journal:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self,
        *,
        delivery_id: int | None = None,
        return_id: int | None = None,
        refund_id: int | None = None,
        limit: int = 500,
    ) -> tuple[JournalEntry, ...]:
        """The newest `limit` entries that name all the ids given, oldest first."""
        ids = {"delivery_id": delivery_id, "return_id": return_id, "refund_id": refund_id}
        wanted = {name: value for name, value in ids.items() if value is not None}
        with self._database.read() as tx:
            newest_first = tx.all(_newest(tuple(wanted)), limit=limit, **wanted)
        return tuple(row_as(JournalEntry, entry) for entry in reversed(newest_first))

    def add(
        self,
        *,
        now: datetime,
        actor: str,
        what: str,
        text: str,
        data: Mapping[str, Any] | None = None,
        delivery_id: int | None = None,
        return_id: int | None = None,
        refund_id: int | None = None,
    ) -> None:
        """An entry about something that changed no row of ours."""
        with self._database.write() as tx:
            note(
                tx,
                now=now,
                actor=actor,
                what=what,
                text=text,
                data=data,
                delivery_id=delivery_id,
                return_id=return_id,
                refund_id=refund_id,
            )


@cache
def _newest(columns: tuple[str, ...]) -> Statement:
    conditions = [journal.c[name] == given(name) for name in columns]
    return Statement(select(journal).where(*conditions).order_by(journal.c.id.desc()).limit(given("limit")))


def note(
    tx: Transaction,
    *,
    now: datetime,
    actor: str,
    what: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    delivery_id: int | None = None,
    return_id: int | None = None,
    refund_id: int | None = None,
) -> None:
    """Write an entry beside the change it tells of."""
    tx.change(
        _NOTE,
        at=now,
        actor=actor,
        what=what,
        text=text,
        data=data or {},
        delivery_id=delivery_id,
        return_id=return_id,
        refund_id=refund_id,
    )
