"""What holds online refunds back after this database has forgotten something, and what Magento remembers of it.

A restored copy, or an empty database, does not know the refunds made since. Memos tell of those that left one; two
payments and one memo are possible too, so a person compares before money moves again.
Source: recordings/concurrent-identical-online.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, true, update

from service.core.lifecycle import DeliveryState
from service.errors import Conflict
from service.store.claims import wake_delivery
from service.store.engine import Database
from service.store.journal import WORKER, note
from service.store.rows import FoundMarker, Guard, row_as
from service.store.tables import deliveries, found_markers, guards, journal, returns

#: The reason code of deliveries that wait for the guard to be lifted.
DATABASE_BEHIND = "database-behind"

#: Ours and Magento's clock may differ, and a refund that the copy knows as sent may have been made a little later.
_MARGIN = timedelta(days=1)


class Guards:
    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, instance: str, reason: str, now: datetime) -> bool:
        """Hold online refunds of an installation back; False when they were already, and the first reason stays."""

        def work(connection: Connection) -> bool:
            if _guard(connection, instance) is not None:
                return False
            set_guard(connection, instance, reason, now=now, actor=WORKER)
            return True

        return self._database.write_again_on_race(work)

    def of(self, instance: str) -> Guard | None:
        with self._database.read() as connection:
            return _guard(connection, instance)

    def all(self) -> tuple[Guard, ...]:
        with self._database.read() as connection:
            rows = connection.execute(select(guards).order_by(guards.c.instance)).mappings()
            return tuple(row_as(Guard, row) for row in rows)

    def keep_found(self, instance: str, found: Iterable[FoundMarker], actor: str, now: datetime) -> None:
        """What a search through Magento found; afterwards the guard, if there is one, can be accepted."""
        kept = tuple(found)

        def work(connection: Connection) -> None:
            for each in kept:
                _keep(connection, each)
            reconciled = update(guards).where(guards.c.instance == instance)
            connection.execute(reconciled.values(reconciled_at=now, reconciled_by=actor))
            text = f"{instance}: {len(kept)} memos with markers that this database does not know"
            note(connection, now=now, actor=actor, what="guard.reconciled", text=text, data={"instance": instance})

        self._database.write_again_on_race(work)

    def found(self, instance: str, *, accepted: bool | None = None) -> tuple[FoundMarker, ...]:
        """Markers that Magento alone knew, oldest memo first."""
        query = select(found_markers).where(found_markers.c.instance == instance).order_by(found_markers.c.memo_id)
        if accepted is not None:
            is_accepted = found_markers.c.accepted_at.is_not(None)
            query = query.where(is_accepted if accepted else ~is_accepted)
        with self._database.read() as connection:
            return tuple(row_as(FoundMarker, row) for row in connection.execute(query).mappings())

    def accept(self, instance: str, actor: str, now: datetime) -> int:
        """A person has compared: the guard goes, what was found counts as known, and whatever waited is due.

        How many deliveries that were. Conflict before anybody has looked.
        """
        with self._database.write() as connection:
            guard = _guard(connection, instance)
            if guard is None:
                raise Conflict(f"online refunds of {instance} are not held back; there is nothing to accept")
            if guard.reconciled_at is None:
                raise Conflict(
                    f"nobody has looked yet what Magento knows of {instance}: run refundry reconcile, compare what it"
                    " shows with the gateway, then accept it"
                )
            change = update(found_markers).where(
                found_markers.c.instance == instance, found_markers.c.accepted_at.is_(None)
            )
            accepted = connection.execute(change.values(accepted_at=now, accepted_by=actor)).rowcount
            connection.execute(delete(guards).where(guards.c.instance == instance))
            text = f"{instance}: online refunds go on; {accepted} memos found in Magento count as known"
            note(connection, now=now, actor=actor, what="guard.accepted", text=text, data={"instance": instance})
            waiting = _waiting(connection, instance)
            for delivery_id in waiting:
                wake_delivery(connection, delivery_id, now=now, actor=actor)
        return len(waiting)


def set_guard(
    connection: Connection,
    instance: str,
    reason: str,
    *,
    now: datetime,
    actor: str,
    known_until: datetime | None = None,
) -> None:
    values = {"set_at": now, "reason": reason, "known_until": known_until, "reconciled_at": None, "reconciled_by": ""}
    connection.execute(delete(guards).where(guards.c.instance == instance))
    connection.execute(insert(guards).values(instance=instance, **values))
    text = f"online refunds of {instance} wait: {reason}"
    note(connection, now=now, actor=actor, what="guard.set", text=text, data={"instance": instance})


def last_certainty(connection: Connection) -> datetime | None:
    """Until when this database is known to tell everything: its newest entry, less a margin; None when it is empty."""
    newest: datetime | None = connection.execute(select(func.max(journal.c.at))).scalar_one()
    return None if newest is None else newest - _MARGIN


def accepted_markers(connection: Connection, instance: str, order_entity_id: int | None) -> frozenset[str]:
    """Of one order, or of all."""
    query = select(found_markers.c.marker).where(
        found_markers.c.instance == instance,
        true() if order_entity_id is None else found_markers.c.order_entity_id == order_entity_id,
        found_markers.c.accepted_at.is_not(None),
    )
    return frozenset(connection.execute(query).scalars())


def _guard(connection: Connection, instance: str) -> Guard | None:
    row = connection.execute(select(guards).where(guards.c.instance == instance)).mappings().one_or_none()
    return None if row is None else row_as(Guard, row)


def _keep(connection: Connection, each: FoundMarker) -> None:
    """Once: a second search must not take back what was accepted; but it may have learnt the return meanwhile."""
    same = (
        found_markers.c.instance == each.instance,
        found_markers.c.memo_id == each.memo_id,
        found_markers.c.marker == each.marker,
    )
    if connection.execute(update(found_markers).where(*same).values(return_id=each.return_id)).rowcount == 0:
        values: dict[str, Any] = {
            "instance": each.instance,
            "marker": each.marker,
            "order_entity_id": each.order_entity_id,
            "memo_id": each.memo_id,
            "memo_created_at": each.memo_created_at,
            "base_total": each.base_total,
            "return_id": each.return_id,
            "found_at": each.found_at,
            "accepted_by": "",
        }
        connection.execute(insert(found_markers).values(values))


def _waiting(connection: Connection, instance: str) -> list[int]:
    query = (
        select(deliveries.c.id)
        .join(returns, returns.c.id == deliveries.c.return_id)
        .where(
            returns.c.instance == instance,
            deliveries.c.state == DeliveryState.NEEDS_PERSON,
            deliveries.c.reason_code == DATABASE_BEHIND,
        )
        .order_by(deliveries.c.id)
    )
    return list(connection.execute(query).scalars())
