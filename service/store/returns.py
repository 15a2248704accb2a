"""Returns: what was said of them, the newest plan, and what people answered.

A return is known by its namespace, Magento installation, its sender's number and the order as the sender names it. Its
current event is the newest by (when it happened, when it arrived): events come twice, late and out of order. What is
owed is folded from all of them (core/folding.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.core.folding import fold
from service.core.lifecycle import RefundState
from service.core.plan import Plan, PlannedRefund, Verdict
from service.core.returns import ReturnEvent, says_the_same
from service.errors import Conflict, NotFound
from service.store.claims import hold
from service.store.clashes import EventClash
from service.store.content import plain, plain_plan, rebuild
from service.store.engine import Database
from service.store.ids import format_id
from service.store.journal import WORKER, note
from service.store.refund_rows import (
    as_refund,
    check_refund_is,
    held_refund,
    insert_refund,
    move_refund,
    read_refund,
    was_tried,
)
from service.store.rows import Claim, RefundRow, ReturnCase, StoredEvent, row_as
from service.store.tables import deliveries, events, memo_answers, namespaces, refunds, returns

#: What a row without a plan of its own has in these columns.
_UNPLANNED: Mapping[str, Any] = dict.fromkeys(
    ("marker", "route", "invoice_id", "request", "body", "predicted_base_total", "predicted_total")
)


class Returns:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- what was said ------------------------------------------------------------------------------------------------

    def record_event(
        self, claim: Claim, event: ReturnEvent, *, namespace: str, instance: str, store: str, now: datetime
    ) -> ReturnCase:
        """Keep what a delivery said, and the return it is about; the delivery is linked to both.

        The same event with the same content is kept once. EventClash when its id is known with another content.
        """
        return self._database.write_again_on_race(
            lambda connection: _record(
                connection, claim, event, identity=_identity(event, namespace, instance), store=store, now=now
            )
        )

    def events(self, return_id: int) -> tuple[StoredEvent, ...]:
        """Everything that was said of a return, in the order in which it happened."""
        query = select(events).where(events.c.return_id == return_id).order_by(events.c.occurred_at, events.c.id)
        with self._database.read() as connection:
            return tuple(
                row_as(StoredEvent, {**row, "event": rebuild(ReturnEvent, row["content"])})
                for row in connection.execute(query).mappings()
            )

    def frozen_namespace(self, source: str, namespace: str, now: datetime) -> str:
        """The namespace of a source's markers: what it was called at first use, whatever it is called now."""
        with self._database.read() as connection:
            frozen = _frozen(connection, source)
        return frozen or self._database.write_again_on_race(
            lambda connection: _freeze(connection, source, namespace, now)
        )

    # --- reading ------------------------------------------------------------------------------------------------------

    def case(self, return_id: int) -> ReturnCase:
        with self._database.read() as connection:
            return _case(connection, return_id)

    def list(
        self,
        *,
        needs_person: bool | None = None,
        store: str | None = None,
        source: str | None = None,
        verdict: Verdict | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[ReturnCase, ...]:
        """Newest first; `before` is the id of the last one seen."""
        conditions: list[ColumnElement[bool]] = [returns.c.current_event_id.is_not(None)]
        for column, wanted in (
            (returns.c.needs_person, needs_person),
            (returns.c.store, store),
            (returns.c.source, source),
            (returns.c.plan_verdict, verdict),
        ):
            if wanted is not None:
                conditions.append(column == wanted)
        if before is not None:
            conditions.append(returns.c.id < before)
        query = select(returns.c.id).where(*conditions).order_by(returns.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return _cases(connection, query)

    def that_may_be_of(self, instance: str, order_entity_id: int) -> tuple[ReturnCase, ...]:
        """Returns of an order, and those whose order was never read."""
        of_order = or_(returns.c.order_entity_id == order_entity_id, returns.c.order_entity_id.is_(None))
        with self._database.read() as connection:
            query = select(returns.c.id).where(
                returns.c.instance == instance, of_order, returns.c.current_event_id.is_not(None)
            )
            return _cases(connection, query.order_by(returns.c.id))

    def answered_memos(self, instance: str, order_entity_id: int) -> frozenset[int]:
        """Memos of an order that a person has said what they are, for whichever return."""
        query = (
            select(memo_answers.c.memo_id)
            .join(returns, returns.c.id == memo_answers.c.return_id)
            .where(returns.c.instance == instance, returns.c.order_entity_id == order_entity_id)
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    # --- what we mean to do -------------------------------------------------------------------------------------------

    def save_plan(
        self,
        claim: Claim,
        return_id: int,
        slot_refund_id: int,
        plan: Plan,
        *,
        bodies: tuple[Mapping[str, Any], ...],
        now: datetime,
    ) -> tuple[RefundRow, ...]:
        """Replace the return's plan and its `planned` rows; `bodies` are the exact bodies of its refunds, in turn.

        The first row returned holds the slot and is the first refund. It may be another row than `slot_refund_id`: a
        refund whose call was tried before keeps its row, known by its marker. Without refunds nothing is returned,
        and the slot's row is empty unless it was tried.
        """
        try:
            with self._database.write() as connection:
                hold(connection, claim)
                slot = held_refund(connection, claim, slot_refund_id)
                check_refund_is(slot, RefundState.CHECKING)
                _save(connection, claim, return_id, plan, bodies=bodies, now=now)
                return _PlannedRows(connection, claim, slot, plan, now).replace(bodies)
        except IntegrityError as error:
            with self._database.read() as connection:
                instance = _case(connection, return_id).instance
                raise _marker_taken(connection, instance, return_id, plan) from error

    # --- what people say ----------------------------------------------------------------------------------------------

    def flag(
        self,
        return_id: int,
        claim: Claim | None,
        *,
        needs_person: bool,
        reason_code: str,
        reason: str,
        now: datetime,
        actor: str = WORKER,
    ) -> None:
        """Say that a person is needed, or no longer, and why."""
        values = {"needs_person": needs_person, "reason_code": reason_code, "reason": reason, "updated_at": now}
        with self._database.write() as connection:
            if claim is not None:
                hold(connection, claim)
            _lock(connection, return_id)
            connection.execute(update(returns).where(returns.c.id == return_id).values(values))
            data = {"needs_person": needs_person, "reason_code": reason_code}
            _note(connection, return_id, now=now, actor=actor, what="return.flagged", text=reason, data=data)

    def approve(self, return_id: int, fingerprint: str, actor: str, now: datetime) -> None:
        """A person's yes to the plan of that fingerprint; Conflict when the return's plan is another one by now."""
        with self._database.write() as connection:
            current = _lock(connection, return_id).plan_fingerprint
            if current != fingerprint:
                raise Conflict(
                    f"you approve the plan {fingerprint}, but {format_id('return', return_id)} now has"
                    f" {current or 'none'}: look at it again",
                    return_id=format_id("return", return_id),
                    approved=fingerprint,
                    current=current,
                )
            values = {"approved_fingerprint": fingerprint, "approved_by": actor, "approved_at": now, "updated_at": now}
            connection.execute(update(returns).where(returns.c.id == return_id).values(values))
            _note(connection, return_id, now=now, actor=actor, what="return.approved", text=f"plan {fingerprint}")

    def answer_memo(self, return_id: int, memo_id: int, *, is_this_return: bool, actor: str, now: datetime) -> None:
        """A person says whether a memo without our marker gives back this return; a later answer replaces it."""
        with self._database.write() as connection:
            keep_memo_answer(connection, return_id, memo_id, is_this_return=is_this_return, actor=actor, now=now)


def keep_memo_answer(
    connection: Connection, return_id: int, memo_id: int, *, is_this_return: bool, actor: str, now: datetime
) -> None:
    """What a person said a memo is, in a transaction of the caller's; a later answer replaces it."""
    _lock(connection, return_id)
    answer = {"is_this_return": is_this_return, "actor": actor, "at": now}
    change = update(memo_answers).where(memo_answers.c.return_id == return_id, memo_answers.c.memo_id == memo_id)
    if connection.execute(change.values(answer)).rowcount == 0:
        connection.execute(insert(memo_answers).values(return_id=return_id, memo_id=memo_id, **answer))
    text = f"credit memo {memo_id} is {'this return' if is_this_return else 'something else'}"
    _note(connection, return_id, now=now, actor=actor, what="memo.answered", text=text)


# --- events -----------------------------------------------------------------------------------------------------------


def _identity(event: ReturnEvent, namespace: str, instance: str) -> dict[str, str]:
    return {
        "namespace": namespace,
        "instance": instance,
        "return_key": event.return_id,
        "order_key": str(event.order),
    }


def _record(
    connection: Connection, claim: Claim, event: ReturnEvent, *, identity: Mapping[str, str], store: str, now: datetime
) -> ReturnCase:
    hold(connection, claim)
    known = _known_event(connection, claim, event)
    return_id = _upsert_return(connection, claim, event, identity=identity, store=store, now=now)
    event_row_id = _keep_event(connection, claim, event, return_id=return_id, known=known, now=now)
    _refresh_current(connection, return_id)
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == claim.delivery.id)
        .values(return_id=return_id, event_id=event.event_id)
    )
    return _case(connection, return_id, given_event_id=event_row_id)


def _known_event(connection: Connection, claim: Claim, event: ReturnEvent) -> Row[Any] | None:
    known = connection.execute(
        select(events).where(events.c.source == claim.delivery.source, events.c.event_id == event.event_id)
    ).one_or_none()
    # The same bytes may say something else today: the source's mapping was mended, and a person replays them.
    if (
        known is None
        or known.delivery_id == claim.delivery.id
        or says_the_same(rebuild(ReturnEvent, known.content), event)
    ):
        return known
    first, second = format_id("delivery", known.delivery_id), format_id("delivery", claim.delivery.id)
    raise EventClash(
        f"event {event.event_id!r} of {claim.delivery.source} says something else in {second} than in {first}:"
        " compare the two, and settle it with the sender",
        event_id=event.event_id,
        first_delivery_id=first,
        second_delivery_id=second,
    )


def _upsert_return(
    connection: Connection, claim: Claim, event: ReturnEvent, *, identity: Mapping[str, str], store: str, now: datetime
) -> int:
    received_at = claim.delivery.received_at
    first_occurred_at = min(event.occurred_at or received_at, received_at)
    known = connection.execute(
        select(returns).where(*(returns.c[name] == value for name, value in identity.items())).with_for_update()
    ).one_or_none()
    if known is not None:
        earliest = min(first_occurred_at, known.first_occurred_at)
        connection.execute(
            update(returns).where(returns.c.id == known.id).values(first_occurred_at=earliest, updated_at=now)
        )
        return int(known.id)
    values = {
        **identity,
        "store": store,
        "source": claim.delivery.source,
        "order_increment_id": event.order.increment_id,
        "order_entity_id": event.order.entity_id,
        "first_occurred_at": first_occurred_at,
        "needs_person": False,
        "reason_code": "",
        "reason": "",
        "created_at": now,
        "updated_at": now,
    }
    return_id: int = connection.execute(insert(returns).values(values).returning(returns.c.id)).scalar_one()
    return return_id


def _keep_event(
    connection: Connection, claim: Claim, event: ReturnEvent, *, return_id: int, known: Row[Any] | None, now: datetime
) -> int:
    if known is not None and known.delivery_id != claim.delivery.id:
        # Another delivery of an event that we have: nothing new, unless it is read for another Magento by now.
        values: dict[str, Any] = {"return_id": return_id}
        if event.id_is_of_content and event.occurred_at is not None and event.occurred_at > known.occurred_at:
            # Known by its content, and said once more: after others in between it is what is meant now.
            values |= {"occurred_at": event.occurred_at, "content": plain(event)}
        connection.execute(update(events).where(events.c.id == known.id).values(values))
        return int(known.id)
    values = {
        "delivery_id": claim.delivery.id,
        "source": claim.delivery.source,
        "event_id": event.event_id,
        "type": event.type,
        "return_id": return_id,
        "occurred_at": event.occurred_at or claim.delivery.received_at,
        "content": plain(event),
    }
    if known is None:
        event_row_id: int = connection.execute(insert(events).values(values).returning(events.c.id)).scalar_one()
    else:
        event_row_id = known.id
        connection.execute(update(events).where(events.c.id == event_row_id).values(values))
    note(
        connection,
        now=now,
        actor=WORKER,
        what="event.recorded",
        text=f"{event.type} {event.event_id} of return {event.return_id}, order {event.order}",
        delivery_id=claim.delivery.id,
        return_id=return_id,
    )
    return event_row_id


def _refresh_current(connection: Connection, return_id: int) -> None:
    newest = (
        select(events.c.id)
        .where(events.c.return_id == return_id)
        .order_by(events.c.occurred_at.desc(), events.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(update(returns).where(returns.c.id == return_id).values(current_event_id=newest))


def _frozen(connection: Connection, source: str) -> str | None:
    return connection.execute(select(namespaces.c.namespace).where(namespaces.c.source == source)).scalar_one_or_none()


def _freeze(connection: Connection, source: str, namespace: str, now: datetime) -> str:
    frozen = _frozen(connection, source)
    if frozen is not None:
        return frozen
    connection.execute(insert(namespaces).values(source=source, namespace=namespace, frozen_at=now))
    text = f"markers of {source} are made with {namespace!r} from now on"
    note(connection, now=now, actor=WORKER, what="namespace.frozen", text=text)
    return namespace


# --- cases ------------------------------------------------------------------------------------------------------------


def _case(connection: Connection, return_id: int, *, given_event_id: int | None = None) -> ReturnCase:
    row = connection.execute(select(returns).where(returns.c.id == return_id)).mappings().one_or_none()
    said = connection.execute(
        select(events.c.content, events.c.delivery_id)
        .where(events.c.return_id == return_id)
        .order_by(events.c.occurred_at, events.c.id)
    ).all()
    if row is None or not said:
        raise _no_return(return_id)
    answers = connection.execute(
        select(memo_answers.c.memo_id, memo_answers.c.is_this_return).where(memo_answers.c.return_id == return_id)
    ).all()
    return row_as(
        ReturnCase,
        {
            **row,
            "event": fold([rebuild(ReturnEvent, content) for content, _ in said]),
            "event_delivery_id": said[-1].delivery_id,
            "is_newest": given_event_id in {None, row["current_event_id"]},
            "memo_answers": {memo_id: answer for memo_id, answer in answers},  # noqa: C416 -- typed rows
        },
    )


def _cases(connection: Connection, ids: Any) -> tuple[ReturnCase, ...]:
    return tuple(_case(connection, return_id) for return_id in connection.execute(ids).scalars().all())


def _lock(connection: Connection, return_id: int) -> Row[Any]:
    row = connection.execute(select(returns).where(returns.c.id == return_id).with_for_update()).one_or_none()
    if row is None:
        raise _no_return(return_id)
    return row


def _no_return(return_id: int) -> NotFound:
    return NotFound(f"there is no return {format_id('return', return_id)}", return_id=return_id)


def _note(
    connection: Connection,
    return_id: int,
    *,
    now: datetime,
    actor: str,
    what: str,
    text: str,
    data: Mapping[str, Any] | None = None,
) -> None:
    note(connection, now=now, actor=actor, what=what, text=text, data=data, return_id=return_id)


# --- plans ------------------------------------------------------------------------------------------------------------


def _save(
    connection: Connection,
    claim: Claim,
    return_id: int,
    plan: Plan,
    *,
    bodies: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    _lock(connection, return_id)
    connection.execute(
        update(returns)
        .where(returns.c.id == return_id)
        .values(
            plan=plain_plan(plan, bodies),
            plan_fingerprint=plan.fingerprint(),
            plan_verdict=plan.verdict,
            planned_at=now,
            order_entity_id=plan.order_id,
            order_increment_id=plan.increment_id,
            updated_at=now,
        )
    )
    note(
        connection,
        now=now,
        actor=WORKER,
        what="return.planned",
        text=f"{plan.verdict}: {len(plan.refunds)} refunds, {plan.base_total} {plan.base_currency}",
        data={"fingerprint": plan.fingerprint(), "questions": [question.code for question in plan.questions]},
        delivery_id=claim.delivery.id,
        return_id=return_id,
    )


class _PlannedRows:
    """A return's rows, brought in line with a new plan.

    A row whose call was tried is never deleted nor made into another refund: its marker may still turn up in Magento.
    """

    def __init__(self, connection: Connection, claim: Claim, slot: RefundRow, plan: Plan, now: datetime) -> None:
        self._connection = connection
        self._claim = claim
        self._slot = slot
        self._plan = plan
        self._now = now

    def replace(self, bodies: Sequence[Mapping[str, Any]]) -> tuple[RefundRow, ...]:
        self._drop_untried()
        tried = self._read_tried()
        if not self._plan.refunds and self._slot.id not in {row.id for row in tried.values()}:
            self._set(self._slot.id, _UNPLANNED)
        ids = [
            self._first_row(refund, tried) if part == 0 else self._later_row(refund, tried)
            for part, refund in enumerate(self._plan.refunds)
        ]
        for row in tried.values():
            self._set(row.id, {"superseded": row.id not in ids})
        for refund_id, refund, body in zip(ids, self._plan.refunds, bodies, strict=True):
            self._set(refund_id, _columns(refund, body, self._plan))
        return tuple(read_refund(self._connection, refund_id) for refund_id in ids)

    def _first_row(self, refund: PlannedRefund, tried: Mapping[str, RefundRow]) -> int:
        """The row that holds the slot from now on."""
        same = tried.get(refund.request.marker)
        slot_was_tried = any(row.id == self._slot.id for row in tried.values())
        if same is None and not slot_was_tried:
            return self._slot.id
        if same is not None and same.id == self._slot.id:
            return self._slot.id
        self._leave_slot(keep=slot_was_tried)
        if same is None:
            return self._insert(RefundState.CHECKING)
        mine = {**self._held(), "order_entity_id": self._plan.order_id, "order_increment_id": self._plan.increment_id}
        move_refund(self._connection, same, RefundState.CHECKING, now=self._now, text="planned again", values=mine)
        return same.id

    def _later_row(self, refund: PlannedRefund, tried: Mapping[str, RefundRow]) -> int:
        same = tried.get(refund.request.marker)
        return self._insert(RefundState.PLANNED) if same is None else same.id

    def _leave_slot(self, *, keep: bool) -> None:
        if keep:
            move_refund(self._connection, self._slot, RefundState.PLANNED, now=self._now, text="another takes the slot")
        else:
            self._connection.execute(delete(refunds).where(refunds.c.id == self._slot.id))

    def _drop_untried(self) -> None:
        self._connection.execute(
            delete(refunds).where(
                refunds.c.return_id == self._slot.return_id,
                refunds.c.state == RefundState.PLANNED,
                ~was_tried,
            )
        )

    def _read_tried(self) -> dict[str, RefundRow]:
        found = self._connection.execute(
            select(refunds).where(
                refunds.c.return_id == self._slot.return_id,
                refunds.c.state.in_((RefundState.PLANNED, RefundState.CHECKING)),
                was_tried,
            )
        ).mappings()
        return {row["marker"]: as_refund(row) for row in found}

    def _insert(self, state: RefundState) -> int:
        return insert_refund(
            self._connection,
            return_id=self._slot.return_id,
            instance=self._slot.instance,
            state=state,
            now=self._now,
            text="in the new plan",
            values=self._held(),
        )

    def _held(self) -> dict[str, Any]:
        return {"delivery_id": self._claim.delivery.id, "fence": self._claim.fence}

    def _set(self, refund_id: int, values: Mapping[str, Any]) -> None:
        change = update(refunds).where(refunds.c.id == refund_id)
        self._connection.execute(change.values({**values, "updated_at": self._now}))


def _columns(refund: PlannedRefund, body: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    request = refund.request
    return {
        "order_entity_id": plan.order_id,
        "order_increment_id": plan.increment_id,
        "marker": request.marker,
        "route": request.route,
        "invoice_id": request.invoice_id,
        "request": plain(request),
        "body": body,
        "predicted_base_total": refund.predicted.base_grand_total,
        "predicted_total": refund.predicted.grand_total,
        "base_currency": plan.base_currency,
        "currency": plan.currency,
    }


def _marker_taken(connection: Connection, instance: str, return_id: int, plan: Plan) -> Conflict:
    markers = [refund.request.marker for refund in plan.refunds]
    holder = connection.execute(
        select(refunds.c.id, refunds.c.return_id, refunds.c.marker, refunds.c.state)
        .where(refunds.c.instance == instance, refunds.c.marker.in_(markers), refunds.c.state != RefundState.REFUSED)
        .order_by(refunds.c.return_id == return_id, refunds.c.id)
    ).first()
    planned = format_id("return", return_id)
    if holder is None:
        return Conflict(f"the plan of {planned} collided with another that was saved meanwhile; plan again")
    refund, of_return = format_id("refund", holder.id), format_id("return", holder.return_id)
    return Conflict(
        f"marker {holder.marker} is planned for {planned}, but {refund} of {of_return} has it and is {holder.state}:"
        " one return is reported under two names",
        refund_id=refund,
    )
