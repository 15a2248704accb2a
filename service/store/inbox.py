"""Deliveries: stored durably once, claimed by one worker at a time, and finished for a reason.

A sender's 202 means that the bytes are on disk, so everything later can fail without losing a return. A delivery is
known by its source and its key; the same key with other bytes is a contradiction that a person has to look at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from service.core.lifecycle import DeliveryState
from service.errors import NotFound
from service.store.claims import check_delivery_move, hold, lock_delivery, wake_delivery
from service.store.engine import Database
from service.store.ids import format_id
from service.store.journal import WORKER, note
from service.store.many import receive_many
from service.store.refund_rows import leave_no_slot_behind
from service.store.rows import Claim, Delivery, DeliverySummary, NewDelivery, Received, SourceCount, row_as
from service.store.tables import CLAIMABLE_STATES, deliveries, events, returns

_SUMMARY = [column for column in deliveries.c if column.name not in {"body", "headers", "wake_asked"}]


class Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def receive(self, new: NewDelivery) -> Received:
        """Store a delivery, or recognise it; it is on disk when this returns, and only then may it be acknowledged."""
        return self._database.write_grouped(lambda connection: _receive(connection, new))

    def receive_all(self, batch: Sequence[NewDelivery]) -> tuple[Received, ...]:
        """Many in one commit: all of them are on disk when this returns, or none is. What is known stays untouched."""
        return self._database.write_again_on_race(lambda connection: receive_many(connection, batch, _receive))

    def claim(self, worker: str, now: datetime, lease_seconds: float) -> Claim | None:
        """The delivery that has been due longest, held until the lease ends; None when nothing is due."""
        due = (
            select(deliveries.c.id)
            .where(
                deliveries.c.state.in_(CLAIMABLE_STATES),
                deliveries.c.due_at <= now,
                or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= now),
            )
            .order_by(deliveries.c.due_at, deliveries.c.id)
            .limit(1)
            # The one place where the databases differ: PostgreSQL lets workers pass each other's rows, SQLite's
            # dialect leaves the words out, and its writers take turns anyway.
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(deliveries)
            .where(deliveries.c.id == due)
            .values(
                worker=worker,
                lease_until=now + timedelta(seconds=lease_seconds),
                fence=deliveries.c.fence + 1,
                attempts=deliveries.c.attempts + 1,
                wake_asked=False,
            )
            .returning(*deliveries.c)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        return Claim(delivery=row_as(Delivery, row), worker=worker, fence=row["fence"], lease_until=row["lease_until"])

    def extend(self, claim: Claim, now: datetime, lease_seconds: float) -> Claim:
        """The same claim with a later end; LeaseLost when somebody else has it."""
        lease_until = now + timedelta(seconds=lease_seconds)
        with self._database.write() as connection:
            row = hold(connection, claim)
            connection.execute(
                update(deliveries).where(deliveries.c.id == claim.delivery.id).values(lease_until=lease_until)
            )
        delivery = row_as(Delivery, {**row._mapping, "lease_until": lease_until})  # noqa: SLF001 -- SQLAlchemy's public name
        return Claim(delivery=delivery, worker=claim.worker, fence=claim.fence, lease_until=lease_until)

    def finish(
        self,
        claim: Claim,
        state: DeliveryState,
        now: datetime,
        *,
        due_at: datetime | None = None,
        reason_code: str = "",
        reason: str = "",
    ) -> None:
        """Give the delivery back in its next state; `due_at` belongs to WAITING and to nothing else.

        A slot still held in `checking` is released with it. While a refund is still `sending` the delivery can only
        wait: it has to come again to find the outcome out.
        """
        if (state is DeliveryState.WAITING) != (due_at is not None):
            raise ValueError(f"a delivery that becomes {state} with due_at {due_at}: waiting has one, others have none")
        with self._database.write() as connection:
            row = hold(connection, claim)
            check_delivery_move(claim.delivery.id, row.state, state)
            leave_no_slot_behind(connection, claim, now, comes_again=state is DeliveryState.WAITING)
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == claim.delivery.id)
                .values(
                    state=state,
                    due_at=due_at,
                    lease_until=None,
                    worker="",
                    wake_asked=False,
                    reason_code=reason_code,
                    reason=reason,
                )
            )
            note(
                connection,
                now=now,
                actor=WORKER,
                what=f"delivery.{state}",
                text=reason,
                data={"reason_code": reason_code, "due_at": due_at},
                delivery_id=claim.delivery.id,
                return_id=row.return_id,
            )
            if row.wake_asked:
                wake_delivery(connection, claim.delivery.id, now=now, actor=WORKER)

    def delivery(self, delivery_id: int) -> Delivery:
        with self._database.read() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no delivery {format_id('delivery', delivery_id)}", delivery_id=delivery_id)
        return row_as(Delivery, row)

    def list(
        self,
        *,
        source: str | None = None,
        state: DeliveryState | None = None,
        return_id: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[DeliverySummary, ...]:
        """Newest first; `before` is the id of the last one seen."""
        query = select(*_SUMMARY).order_by(deliveries.c.id.desc()).limit(limit)
        if source is not None:
            query = query.where(deliveries.c.source == source)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        if return_id is not None:
            query = query.where(deliveries.c.return_id == return_id)
        if before is not None:
            query = query.where(deliveries.c.id < before)
        with self._database.read() as connection:
            return tuple(row_as(DeliverySummary, row) for row in connection.execute(query).mappings())

    def wake(self, *, now: datetime, actor: str, delivery_id: int | None = None, return_id: int | None = None) -> int:
        """Make a delivery due now, or a return's: its current event's, and all that wait or need a person."""
        if (delivery_id is None) == (return_id is None):
            raise ValueError("wake a delivery or a return, one of them")
        with self._database.write() as connection:
            ids = [delivery_id] if delivery_id is not None else _to_wake(connection, return_id)
            for each in ids:
                wake_delivery(connection, each, now=now, actor=actor)
        return len(ids)

    def counts(self) -> dict[DeliveryState, int]:
        """How many deliveries are in each state; all states, zeros included."""
        with self._database.read() as connection:
            found = connection.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state)).all()
        return dict.fromkeys(DeliveryState, 0) | {state: count for state, count in found}  # noqa: C416 -- typed rows

    def by_source(self) -> tuple[SourceCount, ...]:
        """How many deliveries each source has in each state it has any in; looks at every delivery."""
        query = (
            select(
                deliveries.c.source,
                deliveries.c.state,
                func.count().label("count"),
                func.max(deliveries.c.received_at).label("last_received_at"),
            )
            .group_by(deliveries.c.source, deliveries.c.state)
            .order_by(deliveries.c.source, deliveries.c.state)
        )
        with self._database.read() as connection:
            return tuple(row_as(SourceCount, row) for row in connection.execute(query).mappings())

    def oldest_due(self, now: datetime) -> datetime | None:
        """Since when the longest waiting delivery has been due; None when none is."""
        query = select(func.min(deliveries.c.due_at)).where(
            deliveries.c.state.in_(CLAIMABLE_STATES), deliveries.c.due_at <= now
        )
        with self._database.read() as connection:
            oldest: datetime | None = connection.execute(query).scalar_one()
        return oldest


def _receive(connection: Connection, new: NewDelivery) -> Received:
    sha256 = hashlib.sha256(new.body).hexdigest()
    known = connection.execute(
        select(deliveries.c.id, deliveries.c.body_sha256)
        .where(deliveries.c.source == new.source, deliveries.c.delivery_key == new.delivery_key)
        .order_by(deliveries.c.id)
    ).all()
    for row in known:
        if row.body_sha256 == sha256:
            return _received_again(connection, row.id, new)
    if known:
        return _received_otherwise(connection, known[0].id, sha256, new)
    delivery_id = _insert(connection, new, sha256, {"state": DeliveryState.RECEIVED, "due_at": new.received_at})
    _note(connection, new, delivery_id, "delivery.received", f"{len(new.body)} bytes from {new.source}")
    return Received(delivery_id=delivery_id, duplicate=False, clash=False)


def _received_again(connection: Connection, delivery_id: int, new: NewDelivery) -> Received:
    row = lock_delivery(connection, delivery_id)
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(redeliveries=deliveries.c.redeliveries + 1, last_redelivered_at=new.received_at)
    )
    _note(connection, new, delivery_id, "delivery.duplicate", "the same bytes arrived again")
    return Received(delivery_id=delivery_id, duplicate=True, clash=row.clashes_with is not None)


def _received_otherwise(connection: Connection, first_id: int, sha256: str, new: NewDelivery) -> Received:
    first = format_id("delivery", first_id)
    delivery_id = _insert(
        connection,
        new,
        sha256,
        {
            "state": DeliveryState.NEEDS_PERSON,
            "clashes_with": first_id,
            "reason_code": "delivery-clash",
            "reason": "",
        },
    )
    reason = (
        f"{format_id('delivery', delivery_id)} has the key {new.delivery_key!r} of {first}, but another body:"
        f" compare the two, and replay {format_id('delivery', delivery_id)} if it is right"
    )
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(reason=reason))
    _note(connection, new, delivery_id, "delivery.clash", reason)
    return Received(delivery_id=delivery_id, duplicate=False, clash=True)


def _insert(connection: Connection, new: NewDelivery, sha256: str, values: dict[str, Any]) -> int:
    given = {
        "source": new.source,
        "delivery_key": new.delivery_key,
        "body_sha256": sha256,
        "body": new.body,
        "headers": dict(new.headers),
        "received_at": new.received_at,
        "worker": "",
        "fence": 0,
        "attempts": 0,
        "wake_asked": False,
        "reason_code": "",
        "reason": "",
        "redeliveries": 0,
    }
    delivery_id: int = connection.execute(
        insert(deliveries).values(given | values).returning(deliveries.c.id)
    ).scalar_one()
    return delivery_id


def _note(connection: Connection, new: NewDelivery, delivery_id: int, what: str, text: str) -> None:
    note(
        connection,
        now=new.received_at,
        actor=f"source {new.source}",
        what=what,
        text=text,
        delivery_id=delivery_id,
    )


def _to_wake(connection: Connection, return_id: int | None) -> list[int]:
    current = (
        select(events.c.delivery_id)
        .join(returns, returns.c.current_event_id == events.c.id)
        .where(returns.c.id == return_id)
    )
    halted = (*CLAIMABLE_STATES, DeliveryState.NEEDS_PERSON, DeliveryState.SHADOWED)
    query = (
        select(deliveries.c.id)
        .where(
            or_(
                deliveries.c.id.in_(current),
                (deliveries.c.return_id == return_id) & deliveries.c.state.in_(halted),
            )
        )
        .order_by(deliveries.c.id)
    )
    ids = list(connection.execute(query).scalars())
    if not ids:
        raise NotFound(f"there is no return {format_id('return', return_id or 0)} to wake", return_id=return_id)
    return ids
