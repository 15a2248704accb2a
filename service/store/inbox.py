"""Deliveries: stored durably once, claimed by one worker at a time, and finished for a reason.

A sender's 202 means that the bytes are on disk, so everything later can fail without losing a return. A delivery is
known by its source and its key; the same key with other bytes is a contradiction that a person has to look at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy import exc as sql

from service.core.lifecycle import DELIVERY_MOVES, DeliveryState
from service.errors import Conflict, NotFound
from service.store.at_once import store_if_new
from service.store.claims import (
    LONGEST_LEASE,
    change_delivery,
    check_delivery_move,
    hold,
    lock_delivery,
    to_wake_of_return,
    wake_delivery,
    wake_if_kept,
)
from service.store.engine import Database
from service.store.ids import format_id
from service.store.journal import WORKER, note
from service.store.refund_rows import leave_no_slot_behind, refuse_in_flight
from service.store.return_flags import unflag_return
from service.store.rows import (
    Claim,
    Delivery,
    DeliverySummary,
    Finished,
    NewDelivery,
    Received,
    RefundRow,
    SourceCount,
    row_as,
)
from service.store.statements import Statement, Transaction, among, given, insert_into
from service.store.tables import CLAIMABLE_STATES, HALTED_STATES, deliveries, events
from service.store.together import insert_together

_SUMMARY = [column for column in deliveries.c if column.name not in {"body", "headers", "wake_asked"}]

_IS_CLAIMABLE = among(deliveries.c.state, CLAIMABLE_STATES)

_IS_FREE = or_(
    deliveries.c.lease_until.is_(None),
    deliveries.c.lease_until <= given("now"),
    deliveries.c.lease_until > given("longest"),
)


def _first_of_each_source(*conditions: ColumnElement[bool]) -> Statement:
    """Each source that has a claimable delivery, and when the first one that meets `conditions` is due; may be NULL.

    From source to source by the index, one seek each: a backlog of millions is not looked at.
    """
    later = deliveries.alias()
    # Ordered as the index is, and not by min(): a planner could look for the least source in another index, among all
    # that is done.
    by_index = (later.c.source, later.c.due_at, later.c.id)
    next_source = select(later.c.source).where(among(later.c.state, CLAIMABLE_STATES)).order_by(*by_index).limit(1)
    sources = select(next_source.scalar_subquery().label("source")).cte(recursive=True)
    another = next_source.where(later.c.source > sources.c.source).scalar_subquery()
    sources = sources.union_all(select(another).where(sources.c.source.is_not(None)))
    first = (
        select(deliveries.c.due_at)
        .where(deliveries.c.source == sources.c.source, _IS_CLAIMABLE, *conditions)
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(1)
    )
    return Statement(select(sources.c.source, first.scalar_subquery().label("due_at")))


_NEXT_BY_SOURCE = _first_of_each_source(_IS_FREE)
_OLDEST_BY_SOURCE = _first_of_each_source()

_CLAIM = Statement(
    update(deliveries)
    .where(
        deliveries.c.id
        == select(deliveries.c.id)
        .where(
            deliveries.c.source == given("of"),
            _IS_CLAIMABLE,
            deliveries.c.due_at <= given("now"),
            _IS_FREE,
        )
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(1)
        # The one place where the databases differ: PostgreSQL lets workers pass each other's rows, SQLite's dialect
        # leaves the words out, and its writers take turns anyway.
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    .values(fence=deliveries.c.fence + 1, attempts=deliveries.c.attempts + 1, wake_asked=False)
    .returning(*deliveries.c),
    sets=("worker", "lease_until"),
)

_DELIVERY = Statement(select(deliveries).where(deliveries.c.id == given("delivery")))

_ASKED_ABOUT = Statement(
    select(deliveries.c.id)
    .where(
        deliveries.c.id.in_(select(events.c.delivery_id).where(events.c.return_id == given("of_return"))),
        deliveries.c.state == DeliveryState.NEEDS_PERSON,
    )
    .order_by(deliveries.c.id)
)

#: The returns that a delivery speaks of, and whether anybody is still asked about them.
_RETURNS_OF = Statement(select(events.c.return_id).where(events.c.delivery_id == given("delivery")).distinct())

_COUNTS = Statement(select(deliveries.c.state, func.count().label("count")).group_by(deliveries.c.state))

_BY_SOURCE = Statement(
    select(
        deliveries.c.source,
        deliveries.c.state,
        func.count().label("count"),
        func.max(deliveries.c.received_at).label("last_received_at"),
    )
    .group_by(deliveries.c.source, deliveries.c.state)
    .order_by(deliveries.c.source, deliveries.c.state)
)

_KNOWN = Statement(
    select(deliveries.c.id, deliveries.c.body_sha256, deliveries.c.clashes_with)
    .where(deliveries.c.source == given("source"), deliveries.c.delivery_key == given("key"))
    .order_by(deliveries.c.id)
)

_INSERT = insert_into(
    deliveries,
    *(column.name for column in deliveries.c if column.name != "id"),
    returning=[deliveries.c.id],
)

_COUNT_AGAIN = Statement(
    update(deliveries).where(deliveries.c.id == given("delivery")).values(redeliveries=deliveries.c.redeliveries + 1),
    sets=("last_redelivered_at",),
)


class Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def receive(self, new: NewDelivery) -> Received:
        """Store a delivery, or recognise it; it is on disk when this returns, and only then may it be acknowledged."""
        new_id = None if self._database.has_one_writer else store_if_new(self._database, new)
        received = (
            self._database.write_grouped(_receive_group, new)
            if new_id is None
            else Received(delivery_id=new_id, duplicate=False, clash=False)
        )
        self._database.announce()
        return received

    def receive_all(self, batch: Sequence[NewDelivery]) -> tuple[Received, ...]:
        """Many in one commit: all of them are on disk when this returns, or none is. What is known stays untouched."""
        received = self._database.write_again_on_race(
            lambda tx: tuple(_receive(tx, new, notes_repeats=False) for new in batch)
        )
        self._database.announce()
        return received

    def claim(
        self, worker: str, now: datetime, lease_seconds: float, *, passing_over: Collection[str] = ()
    ) -> Claim | None:
        """The delivery that has been due longest, held until the lease ends; None when nothing is due.

        `passing_over` names sources whose deliveries are left waiting.
        """
        with self._database.read() as tx:
            first = tx.all(_NEXT_BY_SOURCE, now=now, longest=now + LONGEST_LEASE)
        due = [row for row in first if row["due_at"] is not None and row["due_at"] <= now]
        for source in sorted(due, key=lambda row: row["due_at"]):
            if source["source"] not in passing_over and (
                claim := self._claim_of(source["source"], worker, now, lease_seconds)
            ):
                return claim
        return None

    def _claim_of(self, source: str, worker: str, now: datetime, lease_seconds: float) -> Claim | None:
        """None: others were faster since the look, and have all that was due."""
        lease_until = now + timedelta(seconds=lease_seconds)
        row = self._database.write_one(
            _CLAIM, of=source, now=now, longest=now + LONGEST_LEASE, worker=worker, lease_until=lease_until
        )
        if row is None:
            return None
        return Claim(delivery=row_as(Delivery, row), worker=worker, fence=row["fence"], lease_until=row["lease_until"])

    def extend(self, claim: Claim, now: datetime, lease_seconds: float) -> Claim:
        """The same claim with a later end; LeaseLost when somebody else has it."""
        lease_until = now + timedelta(seconds=lease_seconds)
        with self._database.write() as tx:
            hold(tx, claim)
            change_delivery(tx, claim.delivery.id, lease_until=lease_until)
        return replace(claim, delivery=replace(claim.delivery, lease_until=lease_until), lease_until=lease_until)

    def finish(
        self,
        claim: Claim,
        state: DeliveryState,
        now: datetime,
        *,
        due_at: datetime | None = None,
        is_try: bool = True,
        reason_code: str = "",
        reason: str = "",
    ) -> Finished:
        """Give the delivery back in its next state; `due_at` belongs to WAITING and to nothing else.

        `is_try`: False takes this claim out of its attempts, which wear out its patience.

        A slot still held in `checking` is released with it. A delivery of a refund that may have paid comes again, or
        needs a person: in any other state nobody would find the outcome out, and the order's slot would stay taken.
        """
        if (state is DeliveryState.WAITING) != (due_at is not None):
            raise ValueError(f"a delivery that becomes {state} with due_at {due_at}: waiting has one, others have none")
        with self._database.write() as tx:
            row = hold(tx, claim)
            check_delivery_move(claim.delivery.id, row["state"], state)
            comes_again = state is DeliveryState.WAITING
            left = leave_no_slot_behind(tx, claim, now, comes_again=comes_again, why=reason or f"it is {state}")
            if left and state is not DeliveryState.NEEDS_PERSON:
                state, reason_code = DeliveryState.NEEDS_PERSON, left[0].reason_code
            reason = _with_what_is_left(reason, left)
            change_delivery(
                tx,
                claim.delivery.id,
                state=state,
                due_at=due_at,
                # Whoever woke it under a lease that had ended has set them to none.
                attempts=row["attempts"] if is_try else max(row["attempts"] - 1, 0),
                lease_until=None,
                worker="",
                wake_asked=False,
                reason_code=reason_code,
                reason=reason,
            )
            note(
                tx,
                now=now,
                actor=WORKER,
                what=f"delivery.{state}",
                text=reason,
                data={"reason_code": reason_code, "due_at": due_at},
                delivery_id=claim.delivery.id,
                return_id=row["return_id"],
            )
            if row["wake_asked"]:
                wake_delivery(tx, claim.delivery.id, now=now, actor=WORKER)
        if row["wake_asked"]:
            self._database.announce()
        return Finished(state=state, reason_code=reason_code, reason=reason)

    def delivery(self, delivery_id: int) -> Delivery:
        with self._database.read() as tx:
            row = tx.first(_DELIVERY, delivery=delivery_id)
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
        filters = {"source": source, "state": state, "return_id": return_id, "before": before}
        wanted = {name: value for name, value in filters.items() if value is not None}
        with self._database.read() as tx:
            rows = tx.all(_listing(tuple(wanted), is_halted=state in HALTED_STATES), limit=limit, **wanted)
        return tuple(row_as(DeliverySummary, row) for row in rows)

    def wake(self, *, now: datetime, actor: str, delivery_id: int | None = None, return_id: int | None = None) -> int:
        """Make a delivery due now, or a return's: its current event's, and all that wait or need a person."""
        if (delivery_id is None) == (return_id is None):
            raise ValueError("wake a delivery or a return, one of them")
        with self._database.write() as tx:
            ids = (delivery_id,) if delivery_id is not None else _to_wake(tx, return_id or 0)
            woken = sum(wake_if_kept(tx, each, now=now, actor=actor) for each in ids)
            if not woken:
                # None of them can be read again; this says why, and what to do.
                wake_delivery(tx, ids[0], now=now, actor=actor)
        self._database.announce()
        return woken

    def dismiss(self, delivery_ids: Sequence[int], *, now: datetime, actor: str, reason: str) -> int:
        """A person says that nothing is to be done about these, all or none: how many they are.

        Conflict for one that nobody is asked about, or whose refund may have paid: that is settled first.
        """
        with self._database.write() as tx:
            for delivery_id in delivery_ids:
                _dismiss(tx, delivery_id, now=now, actor=actor, reason=reason)
        return len(delivery_ids)

    def waiting_for_person(self, return_id: int) -> tuple[int, ...]:
        """A return's deliveries that a person is asked about."""
        with self._database.read() as tx:
            return tuple(tx.scalars(_ASKED_ABOUT, of_return=return_id))

    def counts(self) -> dict[DeliveryState, int]:
        """How many deliveries are in each state; all states, zeros included."""
        with self._database.read() as tx:
            found = tx.all(_COUNTS)
        return dict.fromkeys(DeliveryState, 0) | {row["state"]: row["count"] for row in found}

    def by_source(self) -> tuple[SourceCount, ...]:
        """How many deliveries each source has in each state it has any in; looks at every delivery."""
        with self._database.read() as tx:
            return tuple(row_as(SourceCount, row) for row in tx.all(_BY_SOURCE))

    def oldest_due(self, now: datetime, *, passing_over: Collection[str] = ()) -> datetime | None:
        """Since when the longest waiting delivery has been due; None when none is."""
        with self._database.read() as tx:
            oldest = tx.all(_OLDEST_BY_SOURCE)
        due = (row["due_at"] for row in oldest if row["source"] not in passing_over and row["due_at"] is not None)
        return min((due_at for due_at in due if due_at <= now), default=None)


def _with_what_is_left(reason: str, left: Sequence[RefundRow]) -> str:
    """Why a delivery ended, and what a person is asked about its refunds; what one says already is not said twice."""
    asked = [each.reason for each in left if each.reason not in reason]
    return "; ".join(asked if any(reason in each for each in asked) else [reason, *asked])


@cache
def _listing(filters: tuple[str, ...], *, is_halted: bool) -> Statement:
    conditions = [
        deliveries.c.id < given("before") if name == "before" else deliveries.c[name] == given(name) for name in filters
    ]
    if is_halted:
        # Says nothing new, but in the words of the index of these states.
        conditions.append(among(deliveries.c.state, HALTED_STATES))
    return Statement(select(*_SUMMARY).where(*conditions).order_by(deliveries.c.id.desc()).limit(given("limit")))


def _receive_group(tx: Transaction, group: Sequence[NewDelivery]) -> list[Received]:
    if len(group) > 1:
        with suppress(sql.IntegrityError):
            ids = insert_together(tx, group)
            return [Received(delivery_id=each, duplicate=False, clash=False) for each in ids]
        # One of them is known, or bad: SQLite undid that statement alone, and each is looked at by itself.
    return [_receive(tx, new) for new in group]


def _receive(tx: Transaction, new: NewDelivery, *, notes_repeats: bool = True) -> Received:
    sha256 = hashlib.sha256(new.body).hexdigest()
    known = tx.all(_KNOWN, source=new.source, key=new.delivery_key)
    for row in known:
        if row["body_sha256"] == sha256:
            if notes_repeats:
                _note_repeat(tx, row["id"], new)
            return Received(delivery_id=row["id"], duplicate=True, clash=row["clashes_with"] is not None)
    if known:
        return _received_otherwise(tx, known[0]["id"], sha256, new)
    delivery_id = _insert(tx, new, sha256, state=DeliveryState.RECEIVED, due_at=new.received_at)
    _note(tx, new, delivery_id, "delivery.received", f"{len(new.body)} bytes from {new.source}")
    return Received(delivery_id=delivery_id, duplicate=False, clash=False)


def _note_repeat(tx: Transaction, delivery_id: int, new: NewDelivery) -> None:
    tx.change(_COUNT_AGAIN, delivery=delivery_id, last_redelivered_at=new.received_at)
    _note(tx, new, delivery_id, "delivery.duplicate", "the same bytes arrived again")


def _received_otherwise(tx: Transaction, first_id: int, sha256: str, new: NewDelivery) -> Received:
    first = format_id("delivery", first_id)
    state = DeliveryState.NEEDS_PERSON
    delivery_id = _insert(tx, new, sha256, state=state, clashes_with=first_id, reason_code="delivery-clash")
    reason = (
        f"{format_id('delivery', delivery_id)} has the key {new.delivery_key!r} of {first}, but another body:"
        f" compare the two, and replay {format_id('delivery', delivery_id)} if it is right"
    )
    change_delivery(tx, delivery_id, reason=reason)
    _note(tx, new, delivery_id, "delivery.clash", reason)
    return Received(delivery_id=delivery_id, duplicate=False, clash=True)


def _insert(
    tx: Transaction,
    new: NewDelivery,
    sha256: str,
    *,
    state: DeliveryState,
    due_at: datetime | None = None,
    clashes_with: int | None = None,
    reason_code: str = "",
) -> int:
    delivery_id: int = tx.scalar(
        _INSERT,
        source=new.source,
        delivery_key=new.delivery_key,
        body_sha256=sha256,
        body=new.body,
        headers=dict(new.headers),
        received_at=new.received_at,
        state=state,
        due_at=due_at,
        lease_until=None,
        worker="",
        fence=0,
        attempts=0,
        wake_asked=False,
        event_id=None,
        return_id=None,
        reason_code=reason_code,
        reason="",
        redeliveries=0,
        last_redelivered_at=None,
        clashes_with=clashes_with,
        purged_at=None,
    )
    return delivery_id


def _note(tx: Transaction, new: NewDelivery, delivery_id: int, what: str, text: str) -> None:
    note(tx, now=new.received_at, actor=f"source {new.source}", what=what, text=text, delivery_id=delivery_id)


def _dismiss(tx: Transaction, delivery_id: int, *, now: datetime, actor: str, reason: str) -> None:
    row = lock_delivery(tx, delivery_id)
    name = format_id("delivery", delivery_id)
    if DeliveryState.IGNORED not in DELIVERY_MOVES[row["state"]] or row["state"] in CLAIMABLE_STATES:
        raise Conflict(f"{name} is {row['state']}: only what waits for a person, or could not be read, is dismissed")
    refuse_in_flight(tx, delivery_id)
    change_delivery(tx, delivery_id, state=DeliveryState.IGNORED, reason_code="dismissed", reason=reason)
    note(
        tx,
        now=now,
        actor=actor,
        what="delivery.dismissed",
        text=f"{reason}; it was {row['state']}: {row['reason']}",
        delivery_id=delivery_id,
        return_id=row["return_id"],
    )
    for return_id in tx.scalars(_RETURNS_OF, delivery=delivery_id):
        if not tx.scalars(_ASKED_ABOUT, of_return=return_id):
            unflag_return(tx, return_id, now=now, actor=actor, reason=reason)


def _to_wake(tx: Transaction, return_id: int) -> tuple[int, ...]:
    ids = to_wake_of_return(tx, return_id)
    if not ids:
        raise NotFound(f"there is no return {format_id('return', return_id)} to wake", return_id=return_id)
    return ids
