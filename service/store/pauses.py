"""Stores that are left alone for now, as the workers tell each other: a row is the latest pause of a store.

What one process learns of a store (come back at nine, five time-outs in a row) holds for all hosts, and for whoever is
started meanwhile. A row whose time is over says that nobody has been answered since.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from service.store.engine import Database
from service.store.journal import WORKER, note
from service.store.rows import StorePause, row_as
from service.store.statements import Statement, Transaction, given, insert_into
from service.store.tables import pauses

_ALL = Statement(select(pauses).order_by(pauses.c.store))
_OF = Statement(select(pauses).where(pauses.c.store == given("store")))
_DELETE = Statement(delete(pauses).where(pauses.c.store == given("store")))
_INSERT = insert_into(pauses, "store", "until", "reason", "worker", "set_at")


class Pauses:
    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, store: str, until: datetime, reason: str, *, worker: str, now: datetime) -> None:
        """Leave `store` alone until then, unless a longer pause is known already."""
        values = {"store": store, "until": until, "reason": reason, "worker": worker, "set_at": now}
        self._database.write_again_on_race(lambda tx: _set(tx, values))

    def end(self, store: str, now: datetime) -> None:
        """The store was answered for again; a pause that is not over stays, as another worker knows of it."""
        with self._database.write() as tx:
            row = tx.first(_OF, store=store)
            if row is not None and row["until"] <= now:
                tx.change(_DELETE, store=store)
                note(tx, now=now, actor=WORKER, what="store.answers", text=f"store {store} answers again")

    def all(self) -> dict[str, StorePause]:
        """By store."""
        with self._database.read() as tx:
            return {row["store"]: row_as(StorePause, row) for row in tx.all(_ALL)}


def _set(tx: Transaction, values: dict[str, Any]) -> None:
    known = tx.first(_OF, store=values["store"])
    if known is not None and known["until"] >= values["until"]:
        return
    tx.change(_DELETE, store=values["store"])
    tx.change(_INSERT, **values)
    if known is None:
        text = f"store {values['store']} is left alone: {values['reason']}"
        note(tx, now=values["set_at"], actor=WORKER, what="store.paused", text=text, data={"until": values["until"]})
