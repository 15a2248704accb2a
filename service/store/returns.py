"""Returns: what was said of them, the newest plan, and what people answered.

A return is known by its namespace, Magento installation, its sender's number and the order as the sender names it. Its
current event is the newest by (when it happened, when it arrived): events come twice, late and out of order. What is
owed is folded from all of them (core/folding.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import and_, delete, exists, false, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.core.folding import fold
from service.core.lifecycle import RefundState
from service.core.plan import Plan, PlannedRefund, Verdict
from service.core.returns import ReturnEvent, is_yet_to_come, placed_at, says_the_same
from service.errors import Conflict, NotFound
from service.store.claims import change_delivery, hold
from service.store.clashes import EventClash, MarkerTaken
from service.store.content import plain, plain_plan, rebuild
from service.store.engine import Database
from service.store.ids import format_id
from service.store.journal import WORKER, note
from service.store.refund_rows import (
    as_refund,
    change_refund,
    check_refund_is,
    delete_refund,
    held_refund,
    insert_refund,
    move_refund,
    was_tried,
)
from service.store.rows import Claim, RefundRow, ReturnCase, StoredEvent, row_as
from service.store.statements import Row, Statement, Transaction, among, given, insert_into, update_where
from service.store.tables import events, memo_answers, namespaces, refunds, returns

#: What a row without a plan of its own has in these columns.
_UNPLANNED: Mapping[str, Any] = dict.fromkeys(
    ("marker", "route", "invoice_id", "request", "body", "predicted_base_total", "predicted_total")
)


_LOCK = Statement(select(returns).where(returns.c.id == given("id")).with_for_update())

_HAS_UNREAD_MEMO = exists().where(
    refunds.c.return_id == returns.c.id,
    refunds.c.state == RefundState.DONE,
    refunds.c.memo_id.is_not(None),
    refunds.c.differences.is_(None),
)
_CASE = Statement(select(returns, _HAS_UNREAD_MEMO.label("has_unread_memo")).where(returns.c.id == given("id")))
_SAID = Statement(
    select(events.c.content, events.c.delivery_id)
    .where(events.c.return_id == given("id"))
    .order_by(events.c.occurred_at, events.c.id)
)
_ANSWERS = Statement(
    select(memo_answers.c.memo_id, memo_answers.c.is_this_return).where(memo_answers.c.return_id == given("id"))
)
_ANSWERED_MEMOS = Statement(
    select(memo_answers.c.memo_id)
    .join(returns, returns.c.id == memo_answers.c.return_id)
    .where(returns.c.instance == given("instance"), returns.c.order_entity_id == given("order"))
)
_ANSWER_KNOWN = update_where(
    memo_answers,
    memo_answers.c.return_id == given("of_return"),
    memo_answers.c.memo_id == given("memo"),
    sets=("is_this_return", "actor", "at"),
)
_ANSWER = insert_into(memo_answers, "return_id", "memo_id", "is_this_return", "actor", "at")

_MAY_BE_OF = Statement(
    select(returns.c.id)
    .where(
        # The installation in both: SQLite would go through all of its returns otherwise.
        or_(
            and_(returns.c.instance == given("instance"), returns.c.order_entity_id == given("order")),
            and_(returns.c.instance == given("instance"), returns.c.order_entity_id.is_(None)),
        ),
        returns.c.current_event_id.is_not(None),
    )
    .order_by(returns.c.id)
)

_EVENTS = Statement(select(events).where(events.c.return_id == given("id")).order_by(events.c.occurred_at, events.c.id))
_KNOWN_EVENT = Statement(
    select(events).where(events.c.source == given("source"), events.c.event_id == given("event_id"))
)
_NEWEST_BEFORE = Statement(
    select(func.max(events.c.occurred_at)).where(
        events.c.return_id == given("of_return"), events.c.delivery_id < given("delivery")
    )
)
_EVENT_COLUMNS = ("delivery_id", "source", "event_id", "type", "return_id", "occurred_at", "content")
_EVENT = insert_into(events, *_EVENT_COLUMNS, returning=[events.c.id])

_IDENTITY = ("namespace", "instance", "return_key", "order_key")
_KNOWN_RETURN = Statement(
    select(returns.c.id, returns.c.first_occurred_at)
    .where(*(returns.c[name] == given(name) for name in _IDENTITY))
    .with_for_update()
)
_RETURN = insert_into(
    returns,
    *_IDENTITY,
    "store",
    "source",
    "order_increment_id",
    "order_entity_id",
    "first_occurred_at",
    "needs_person",
    "reason_code",
    "reason",
    "created_at",
    "updated_at",
    returning=[returns.c.id],
)
_REFRESH_CURRENT = Statement(
    update(returns)
    .where(returns.c.id == given("of_return"))
    .values(
        current_event_id=select(events.c.id)
        .where(events.c.return_id == given("of_return"))
        .order_by(events.c.occurred_at.desc(), events.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
)

_FROZEN = Statement(select(namespaces.c.namespace).where(namespaces.c.source == given("source")))
_FREEZE = insert_into(namespaces, "source", "namespace", "frozen_at")

_DROP_UNTRIED = Statement(
    delete(refunds).where(
        refunds.c.return_id == given("id"),
        refunds.c.state == RefundState.PLANNED,
        ~was_tried,
    )
)
_TRIED = Statement(
    select(refunds).where(
        refunds.c.return_id == given("id"),
        among(refunds.c.state, (RefundState.PLANNED, RefundState.CHECKING)),
        was_tried,
    )
)


class Returns:
    def __init__(self, database: Database) -> None:
        self._database = database
        #: Source → its namespace, which never changes again.
        self._frozen: dict[str, str] = {}

    # --- what was said ------------------------------------------------------------------------------------------------

    def record_event(
        self, claim: Claim, event: ReturnEvent, *, namespace: str, instance: str, store: str, now: datetime
    ) -> ReturnCase:
        """Keep what a delivery said, and the return it is about; the delivery is linked to both.

        The same event with the same content is kept once. EventClash when its id is known with another content.
        """
        return self._database.write_again_on_race(
            lambda tx: _record(tx, claim, event, identity=_identity(event, namespace, instance), store=store, now=now)
        )

    def events(self, return_id: int) -> tuple[StoredEvent, ...]:
        """Everything that was said of a return, in the order in which it happened."""
        with self._database.read() as tx:
            rows = tx.all(_EVENTS, id=return_id)
        return tuple(row_as(StoredEvent, {**row, "event": rebuild(ReturnEvent, row["content"])}) for row in rows)

    def frozen_namespace(self, source: str, namespace: str, now: datetime) -> str:
        """The namespace of a source's markers: what it was called at first use, whatever it is called now."""
        if source not in self._frozen:
            with self._database.read() as tx:
                frozen = _frozen(tx, source)
            self._frozen[source] = frozen or self._database.write_again_on_race(
                lambda tx: _freeze(tx, source, namespace, now)
            )
        return self._frozen[source]

    # --- reading ------------------------------------------------------------------------------------------------------

    def case(self, return_id: int) -> ReturnCase:
        with self._database.read() as tx:
            return _case(tx, return_id)

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
        filters = {
            "needs_person": needs_person,
            "store": store,
            "source": source,
            "plan_verdict": verdict,
            "before": before,
        }
        wanted = {name: value for name, value in filters.items() if value is not None}
        with self._database.read() as tx:
            return _cases(tx, tx.scalars(_listing(tuple(wanted)), limit=limit, **wanted))

    def that_may_be_of(self, instance: str, order_entity_id: int) -> tuple[ReturnCase, ...]:
        """Returns of an order, and those whose order was never read."""
        with self._database.read() as tx:
            return _cases(tx, tx.scalars(_MAY_BE_OF, instance=instance, order=order_entity_id))

    def answered_memos(self, instance: str, order_entity_id: int) -> frozenset[int]:
        """Memos of an order that a person has said what they are, for whichever return."""
        with self._database.read() as tx:
            return frozenset(tx.scalars(_ANSWERED_MEMOS, instance=instance, order=order_entity_id))

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
            with self._database.write() as tx:
                hold(tx, claim)
                slot = held_refund(tx, claim, slot_refund_id)
                check_refund_is(slot, RefundState.CHECKING)
                _save(tx, claim, return_id, plan, bodies=bodies, now=now)
                return _PlannedRows(tx, claim, slot, plan, now).replace(bodies)
        except IntegrityError as error:
            with self._database.read() as tx:
                instance = _case(tx, return_id).instance
                raise _marker_taken(tx, instance, return_id, plan) from error

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
        with self._database.write() as tx:
            if claim is not None:
                hold(tx, claim)
            _lock(tx, return_id)
            _change(tx, return_id, **values)
            data = {"needs_person": needs_person, "reason_code": reason_code}
            _note(tx, return_id, now=now, actor=actor, what="return.flagged", text=reason, data=data)

    def approve(self, return_id: int, fingerprint: str, actor: str, now: datetime) -> None:
        """A person's yes to the plan of that fingerprint; Conflict when the return's plan is another one by now."""
        with self._database.write() as tx:
            current = _lock(tx, return_id)["plan_fingerprint"]
            if current != fingerprint:
                raise Conflict(
                    f"you approve the plan {fingerprint}, but {format_id('return', return_id)} now has"
                    f" {current or 'none'}: look at it again",
                    return_id=format_id("return", return_id),
                    approved=fingerprint,
                    current=current,
                )
            values = {"approved_fingerprint": fingerprint, "approved_by": actor, "approved_at": now, "updated_at": now}
            _change(tx, return_id, **values)
            _note(tx, return_id, now=now, actor=actor, what="return.approved", text=f"plan {fingerprint}")

    def answer_memo(self, return_id: int, memo_id: int, *, is_this_return: bool, actor: str, now: datetime) -> None:
        """A person says whether a memo without our marker gives back this return; a later answer replaces it."""
        with self._database.write() as tx:
            keep_memo_answer(tx, return_id, memo_id, is_this_return=is_this_return, actor=actor, now=now)


def keep_memo_answer(
    tx: Transaction, return_id: int, memo_id: int, *, is_this_return: bool, actor: str, now: datetime
) -> None:
    """What a person said a memo is, in a transaction of the caller's; a later answer replaces it."""
    _lock(tx, return_id)
    answer = {"is_this_return": is_this_return, "actor": actor, "at": now}
    if tx.change(_ANSWER_KNOWN, of_return=return_id, memo=memo_id, **answer) == 0:
        tx.change(_ANSWER, return_id=return_id, memo_id=memo_id, **answer)
    text = f"credit memo {memo_id} is {'this return' if is_this_return else 'something else'}"
    _note(tx, return_id, now=now, actor=actor, what="memo.answered", text=text)


# --- events -----------------------------------------------------------------------------------------------------------


def _identity(event: ReturnEvent, namespace: str, instance: str) -> dict[str, str]:
    return {
        "namespace": namespace,
        "instance": instance,
        "return_key": event.return_id,
        "order_key": str(event.order),
    }


def _record(
    tx: Transaction, claim: Claim, event: ReturnEvent, *, identity: Mapping[str, str], store: str, now: datetime
) -> ReturnCase:
    hold(tx, claim)
    known = _known_event(tx, claim, event)
    return_id = _upsert_return(tx, claim, event, identity=identity, store=store, now=now)
    event_row_id = _keep_event(tx, claim, event, return_id=return_id, known=known, now=now)
    _refresh_current(tx, return_id)
    change_delivery(tx, claim.delivery.id, return_id=return_id, event_id=event.event_id)
    return _case(tx, return_id, given_event_id=event_row_id)


def _known_event(tx: Transaction, claim: Claim, event: ReturnEvent) -> Row | None:
    known = tx.first(_KNOWN_EVENT, source=claim.delivery.source, event_id=event.event_id)
    # The same bytes may say something else today: the source's mapping was mended, and a person replays them.
    if (
        known is None
        or known["delivery_id"] == claim.delivery.id
        or says_the_same(rebuild(ReturnEvent, known["content"]), event)
    ):
        return known
    first, second = format_id("delivery", known["delivery_id"]), format_id("delivery", claim.delivery.id)
    raise EventClash(
        f"event {event.event_id!r} of {claim.delivery.source} says something else in {second} than in {first}:"
        " compare the two, and settle it with the sender",
        event_id=event.event_id,
        first_delivery_id=first,
        second_delivery_id=second,
    )


def _upsert_return(
    tx: Transaction, claim: Claim, event: ReturnEvent, *, identity: Mapping[str, str], store: str, now: datetime
) -> int:
    received_at = claim.delivery.received_at
    first_occurred_at = min(event.occurred_at or received_at, received_at)
    known = tx.first(_KNOWN_RETURN, **identity)
    if known is not None:
        return_id: int = known["id"]
        _change(tx, return_id, first_occurred_at=min(first_occurred_at, known["first_occurred_at"]), updated_at=now)
        return return_id
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
    new_id: int = tx.scalar(_RETURN, **values)
    return new_id


def _keep_event(
    tx: Transaction, claim: Claim, event: ReturnEvent, *, return_id: int, known: Row | None, now: datetime
) -> int:
    if known is not None and known["delivery_id"] != claim.delivery.id:
        # Another delivery of an event that we have: nothing new, unless it is read for another Magento by now.
        values: dict[str, Any] = {"return_id": return_id}
        if _is_said_anew(claim, event, known):
            # Known by its content, and said once more: after others in between it is what is meant now.
            values |= {"occurred_at": _placed_at(tx, claim, event, return_id), "content": plain(event)}
        tx.change(_event_again(tuple(values)), event=known["id"], **values)
        return int(known["id"])
    values = {
        "delivery_id": claim.delivery.id,
        "source": claim.delivery.source,
        "event_id": event.event_id,
        "type": event.type,
        "return_id": return_id,
        "occurred_at": _placed_at(tx, claim, event, return_id),
        "content": plain(event),
    }
    if known is None:
        event_row_id: int = tx.scalar(_EVENT, **values)
    else:
        event_row_id = known["id"]
        tx.change(_event_again(_EVENT_COLUMNS), event=event_row_id, **values)
    note(
        tx,
        now=now,
        actor=WORKER,
        what="event.recorded",
        text=f"{event.type} {event.event_id} of return {event.return_id}, order {event.order}",
        delivery_id=claim.delivery.id,
        return_id=return_id,
    )
    return event_row_id


def _is_said_anew(claim: Claim, event: ReturnEvent, known: Row) -> bool:
    """Whether a statement known by its content was made again, and later; or else was only delivered again."""
    said_before, stands_at = rebuild(ReturnEvent, known["content"]).occurred_at, known["occurred_at"]
    if not event.id_is_of_content or event.occurred_at is None or event.occurred_at == said_before:
        return False
    if said_before is not None and is_yet_to_come(event, claim.delivery.received_at):
        return event.occurred_at > said_before
    # By where it stands: a time that was yet to come, as 2099, would keep every right one after it from counting.
    return bool(event.occurred_at > stands_at)


def _placed_at(tx: Transaction, claim: Claim, event: ReturnEvent, return_id: int) -> datetime:
    delivery = claim.delivery
    if not is_yet_to_come(event, delivery.received_at):
        return placed_at(event, delivery.received_at)
    newest_before = tx.scalar(_NEWEST_BEFORE, of_return=return_id, delivery=delivery.id)
    return placed_at(event, delivery.received_at, newest_before)


@cache
def _event_again(columns: tuple[str, ...]) -> Statement:
    return update_where(events, events.c.id == given("event"), sets=columns)


def _refresh_current(tx: Transaction, return_id: int) -> None:
    tx.change(_REFRESH_CURRENT, of_return=return_id)


def _frozen(tx: Transaction, source: str) -> str | None:
    frozen: str | None = tx.scalar(_FROZEN, source=source)
    return frozen


def _freeze(tx: Transaction, source: str, namespace: str, now: datetime) -> str:
    frozen = _frozen(tx, source)
    if frozen is not None:
        return frozen
    tx.change(_FREEZE, source=source, namespace=namespace, frozen_at=now)
    text = f"markers of {source} are made with {namespace!r} from now on"
    note(tx, now=now, actor=WORKER, what="namespace.frozen", text=text)
    return namespace


# --- cases ------------------------------------------------------------------------------------------------------------


def _case(tx: Transaction, return_id: int, *, given_event_id: int | None = None) -> ReturnCase:
    row = tx.first(_CASE, id=return_id)
    said = tx.all(_SAID, id=return_id)
    if row is None or not said:
        raise _no_return(return_id)
    return row_as(
        ReturnCase,
        {
            **row,
            "event": fold([rebuild(ReturnEvent, each["content"]) for each in said]),
            "event_delivery_id": said[-1]["delivery_id"],
            "is_newest": given_event_id in {None, row["current_event_id"]},
            "memo_answers": {each["memo_id"]: each["is_this_return"] for each in tx.all(_ANSWERS, id=return_id)},
        },
    )


def _cases(tx: Transaction, ids: Sequence[int]) -> tuple[ReturnCase, ...]:
    return tuple(_case(tx, return_id) for return_id in ids)


@cache
def _listing(filters: tuple[str, ...]) -> Statement:
    conditions = [
        returns.c.id < given("before") if name == "before" else returns.c[name] == given(name) for name in filters
    ]
    query = select(returns.c.id).where(returns.c.current_event_id.is_not(None), *conditions)
    return Statement(query.order_by(returns.c.id.desc()).limit(given("limit")))


def _lock(tx: Transaction, return_id: int) -> Row:
    row = tx.first(_LOCK, id=return_id)
    if row is None:
        raise _no_return(return_id)
    return row


def _change(tx: Transaction, return_id: int, **values: Any) -> None:
    tx.change(_change_statement(tuple(values)), of_return=return_id, **values)


@cache
def _change_statement(columns: tuple[str, ...]) -> Statement:
    return update_where(returns, returns.c.id == given("of_return"), sets=columns)


def _no_return(return_id: int) -> NotFound:
    return NotFound(f"there is no return {format_id('return', return_id)}", return_id=return_id)


def _note(
    tx: Transaction,
    return_id: int,
    *,
    now: datetime,
    actor: str,
    what: str,
    text: str,
    data: Mapping[str, Any] | None = None,
) -> None:
    note(tx, now=now, actor=actor, what=what, text=text, data=data, return_id=return_id)


# --- plans ------------------------------------------------------------------------------------------------------------


def _save(
    tx: Transaction,
    claim: Claim,
    return_id: int,
    plan: Plan,
    *,
    bodies: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    _lock(tx, return_id)
    _change(
        tx,
        return_id,
        plan=plain_plan(plan, bodies),
        plan_fingerprint=plan.fingerprint(),
        plan_verdict=plan.verdict,
        planned_at=now,
        order_entity_id=plan.order_id,
        order_increment_id=plan.increment_id,
        updated_at=now,
    )
    note(
        tx,
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

    def __init__(self, tx: Transaction, claim: Claim, slot: RefundRow, plan: Plan, now: datetime) -> None:
        self._tx = tx
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
        return tuple(
            self._set(refund_id, _columns(refund, body, self._plan))
            for refund_id, refund, body in zip(ids, self._plan.refunds, bodies, strict=True)
        )

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
        move_refund(self._tx, same, RefundState.CHECKING, now=self._now, text="planned again", values=mine)
        return same.id

    def _later_row(self, refund: PlannedRefund, tried: Mapping[str, RefundRow]) -> int:
        same = tried.get(refund.request.marker)
        return self._insert(RefundState.PLANNED) if same is None else same.id

    def _leave_slot(self, *, keep: bool) -> None:
        if keep:
            move_refund(self._tx, self._slot, RefundState.PLANNED, now=self._now, text="another takes the slot")
        else:
            delete_refund(self._tx, self._slot.id)

    def _drop_untried(self) -> None:
        self._tx.change(_DROP_UNTRIED, id=self._slot.return_id)

    def _read_tried(self) -> dict[str, RefundRow]:
        found = self._tx.all(_TRIED, id=self._slot.return_id)
        return {row["marker"]: as_refund(row) for row in found}

    def _insert(self, state: RefundState) -> int:
        return insert_refund(
            self._tx,
            return_id=self._slot.return_id,
            instance=self._slot.instance,
            state=state,
            now=self._now,
            text="in the new plan",
            values=self._held(),
        ).id

    def _held(self) -> dict[str, Any]:
        return {"delivery_id": self._claim.delivery.id, "fence": self._claim.fence}

    def _set(self, refund_id: int, values: Mapping[str, Any]) -> RefundRow:
        return change_refund(self._tx, refund_id, **values, updated_at=self._now)


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


def _marker_taken(tx: Transaction, instance: str, return_id: int, plan: Plan) -> Conflict:
    markers = {f"marker_{number}": refund.request.marker for number, refund in enumerate(plan.refunds)}
    holder = tx.first(_marker_holder(len(markers)), instance=instance, of_return=return_id, **markers)
    planned = format_id("return", return_id)
    if holder is None:
        return Conflict(f"the plan of {planned} collided with another that was saved meanwhile; plan again")
    refund, of_return = format_id("refund", holder["id"]), format_id("return", holder["return_id"])
    if holder["return_id"] == return_id:
        return MarkerTaken(
            f"marker {holder['marker']} is planned for {planned}, but its own {refund} has it and is {holder['state']}:"
            " no memo that was read carries the marker any more. See in Magento what became of its memo, then"
            f" refundry retry {planned}, or refund by hand",
            refund_id=refund,
        )
    # A marker is made of all that names a return but the way in which its order is named.
    return MarkerTaken(
        f"marker {holder['marker']} is planned for {planned}, but {refund} of {of_return} has it and is"
        f" {holder['state']}: one return is reported under two names of its order. Compare refundry show {planned} and"
        f" refundry show {of_return}, dismiss one of them, and have the sender keep to increment_id or to entity_id",
        refund_id=refund,
    )


@cache
def _marker_holder(markers: int) -> Statement:
    is_one_of_them = or_(false(), *(refunds.c.marker == given(f"marker_{number}") for number in range(markers)))
    return Statement(
        select(refunds.c.id, refunds.c.return_id, refunds.c.marker, refunds.c.state)
        .where(refunds.c.instance == given("instance"), is_one_of_them, refunds.c.state != RefundState.REFUSED)
        .order_by(refunds.c.return_id == given("of_return"), refunds.c.id)
        .limit(1)
    )
