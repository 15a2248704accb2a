"""The journal: what changed, who changed it and why, written in the transaction of the change itself.

Claims, leases and heartbeats are not changes that anybody asks about later; they alone go unwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from service.store.engine import Database
from service.store.rows import JournalEntry, row_as
from service.store.tables import journal

#: Who did what nobody asked for.
WORKER = "worker"


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
        query = select(journal).order_by(journal.c.id.desc()).limit(limit)
        for column, wanted in (
            (journal.c.delivery_id, delivery_id),
            (journal.c.return_id, return_id),
            (journal.c.refund_id, refund_id),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        with self._database.read() as connection:
            newest_first = connection.execute(query).mappings().all()
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
        with self._database.write() as connection:
            note(
                connection,
                now=now,
                actor=actor,
                what=what,
                text=text,
                data=data,
                delivery_id=delivery_id,
                return_id=return_id,
                refund_id=refund_id,
            )


def note(
    connection: Connection,
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
    connection.execute(
        insert(journal).values(
            at=now,
            actor=actor,
            what=what,
            text=text,
            data=data or {},
            delivery_id=delivery_id,
            return_id=return_id,
            refund_id=refund_id,
        )
    )
