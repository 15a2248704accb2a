"""Refunds: the order's slot, the one call, its outcome, and what a person settles.

Each step of "at most once" is one transaction here. The slot is a partial unique index over the states that hold it,
so two workers, two sources or two store views of one Magento cannot both be in flight for one order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.core.drift import OrderBefore
from service.core.lifecycle import SLOT_STATES, RefundState
from service.core.returns import OrderReference
from service.errors import BadRequest, Conflict, LeaseLost, NotFound, OrderBusy
from service.store.checks import plan_checks
from service.store.claims import hold, lock_delivery, to_wake_of_return, wake_if_kept
from service.store.content import plain
from service.store.engine import Database
from service.store.guards import accepted_markers
from service.store.ids import format_id
from service.store.journal import WORKER
from service.store.refund_rows import (
    NO_FENCE,
    as_refund,
    change_refund,
    check_refund_is,
    held_refund,
    insert_refund,
    move_refund,
    note_refund,
    read_refund,
    release_slot,
)
from service.store.returns import keep_memo_answer
from service.store.rows import Attempt, Claim, ReadBack, RefundRow, ReturnCase, SentTotals, Settlement, row_as
from service.store.settling import told_moment
from service.store.statements import Statement, Transaction, among, given, insert_into
from service.store.tables import attempts, refunds, returns

#: What may have moved money.
_MAY_HAVE_PAID = (RefundState.SENDING, RefundState.UNKNOWN, RefundState.DONE)

_NO_FLAG: Mapping[str, Any] = {"needs_person": False, "reason_code": "", "reason": ""}


def _rows(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(refunds).where(*conditions).order_by(refunds.c.id)


_OF_RETURN = Statement(_rows(refunds.c.return_id == given("return_id")))

_OF_ORDER = (refunds.c.instance == given("instance"), refunds.c.order_entity_id == given("entity_id"))
_UNSETTLED = Statement(
    _rows(
        *_OF_ORDER,
        or_(
            among(refunds.c.state, (RefundState.SENDING, RefundState.UNKNOWN)),
            and_(refunds.c.state == RefundState.DONE, refunds.c.memo_id.is_(None)),
        ),
    )
)

_WITH_MEMO = Statement(_rows(*_OF_ORDER, refunds.c.memo_id == given("memo")).limit(1))

_SENT_MARKERS = select(refunds.c.marker).where(
    refunds.c.instance == given("instance"),
    refunds.c.marker.is_not(None),
    or_(refunds.c.sends > 0, refunds.c.state == RefundState.DONE),
)
_MARKERS = Statement(_SENT_MARKERS)
_MARKERS_OF_ORDER = Statement(_SENT_MARKERS.where(refunds.c.order_entity_id == given("entity_id")))

_DONE = _rows(
    refunds.c.instance == given("instance"), refunds.c.state == RefundState.DONE, refunds.c.memo_id.is_not(None)
)
_ALL_DONE = Statement(_DONE)
_DONE_SINCE = Statement(_DONE.where(refunds.c.sent_at >= given("since")))

_IN_SLOT = among(refunds.c.state, SLOT_STATES)
_RETURNS_SLOT = Statement(_rows(refunds.c.return_id == given("return_id"), _IN_SLOT).limit(1).with_for_update())
_RETURNS_NEXT = Statement(
    _rows(
        refunds.c.return_id == given("return_id"),
        refunds.c.state == RefundState.PLANNED,
        refunds.c.superseded.is_(False),
    )
    .limit(1)
    .with_for_update()
)
_SLOT_HOLDER = Statement(
    _rows(
        refunds.c.instance == given("instance"),
        _IN_SLOT,
        or_(refunds.c.order_entity_id == given("entity_id"), refunds.c.order_increment_id == given("increment_id")),
        refunds.c.id != given("besides"),
    ).limit(1)
)

_OTHER_WITH_MEMO = Statement(
    # A memo is of one order: the others' refunds need not be looked at.
    _rows(*_OF_ORDER, refunds.c.memo_id == given("memo"), refunds.c.id != given("besides")).limit(1)
)

_ATTEMPT = insert_into(
    attempts, "refund_id", "fence", "started_at", "path", "outcome", "detail", returning=[attempts.c.id]
)
_ANSWER = Statement(
    update(attempts)
    .where(attempts.c.id == given("attempt"), attempts.c.ended_at.is_(None))
    .returning(attempts.c.refund_id),
    sets=("ended_at", "outcome", "status", "detail"),
)
_ATTEMPTS = Statement(select(attempts).where(attempts.c.refund_id == given("refund_id")).order_by(attempts.c.id))


class Refunds:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- the order's slot ---------------------------------------------------------------------------------------------

    def take_slot(self, claim: Claim, case: ReturnCase, order: OrderReference, now: datetime) -> RefundRow:
        """This return's hold on its order: at most one refund per order is looked at, in flight or unknown.

        A row that this delivery already had in the slot comes back in the state it was left in, `sending` included.
        OrderBusy names whoever has the slot.
        """
        try:
            with self._database.write() as tx:
                hold(tx, claim)
                return _take(tx, claim, case, order, now)
        except IntegrityError as error:
            entity_id = order.entity_id or case.order_entity_id
            with self._database.read() as tx:
                raise _busy(tx, case.instance, entity_id, order.increment_id) from error

    def bind_order(self, claim: Claim, refund_id: int, entity_id: int, increment_id: str, now: datetime) -> RefundRow:
        """Hold the slot by both names of the order, now that both are known; OrderBusy, and released, if taken."""
        try:
            with self._database.write() as tx:
                self._held(tx, claim, refund_id)
                return change_refund(
                    tx, refund_id, order_entity_id=entity_id, order_increment_id=increment_id, updated_at=now
                )
        except IntegrityError as error:
            with self._database.read() as tx:
                row = read_refund(tx, refund_id)
                busy = _busy(tx, row.instance, entity_id, increment_id, besides=refund_id)
            self.release(claim, refund_id, now, reason_code="order-busy", reason=busy.message)
            raise busy from error

    def release(
        self,
        claim: Claim,
        refund_id: int,
        now: datetime,
        *,
        needs_person: bool = False,
        reason_code: str = "",
        reason: str = "",
    ) -> None:
        """Give the slot back without a call; the row goes too when nothing was planned for it."""
        flag = {"needs_person": needs_person, "reason_code": reason_code, "reason": reason}
        with self._database.write() as tx:
            row = self._held(tx, claim, refund_id)
            release_slot(tx, row, now=now, text=reason or "not sent", values=flag)

    # --- the call -----------------------------------------------------------------------------------------------------

    def mark_sending(
        self, claim: Claim, refund_id: int, now: datetime, path: str, *, before: OrderBefore | None = None
    ) -> int:
        """Commit that a call is about to be made, and return its attempt's id. Not with a lease that has ended.

        `before` is what the order said in the reading that decided it.
        """
        with self._database.write() as tx:
            lease_until = hold(tx, claim)["lease_until"]
            if lease_until <= now:
                raise LeaseLost(
                    f"the lease on {format_id('delivery', claim.delivery.id)} ended at {lease_until}, it is {now}:"
                    " nothing is sent on a lease that another worker may take"
                )
            row = held_refund(tx, claim, refund_id)
            if row.request is None or row.order_entity_id is None:
                raise Conflict(f"{format_id('refund', refund_id)} has no plan or no order; nothing can be sent")
            values = {**_NO_FLAG, "sends": row.sends + 1, "sent_at": now, "settle_at": None}
            values["order_before"] = None if before is None else plain(before)
            move_refund(tx, row, RefundState.SENDING, now=now, text=f"POST {path}", values=values)
            attempt_id: int = tx.scalar(
                _ATTEMPT, refund_id=refund_id, fence=claim.fence, started_at=now, path=path, outcome="", detail=""
            )
            return attempt_id

    def record_answer(self, attempt_id: int, ended_at: datetime, outcome: str, status: int | None, detail: str) -> None:
        """Evidence of what came back, from whoever saw it: not fenced, and written once."""
        with self._database.write() as tx:
            refund_id = tx.scalar(
                _ANSWER, attempt=attempt_id, ended_at=ended_at, outcome=outcome, status=status, detail=detail
            )
            if refund_id is None:
                raise NotFound(f"attempt {attempt_id} is not there, or has its answer already")
            row = read_refund(tx, refund_id)
            data = {"attempt_id": attempt_id, "status": status, "outcome": outcome}
            note_refund(tx, row, now=ended_at, what="refund.answered", text=detail, data=data)

    def mark_done(
        self,
        claim: Claim,
        refund_id: int,
        memo_id: int,
        now: datetime,
        *,
        stock_proven: bool,
        look_again_at: Sequence[datetime] = (),
    ) -> RefundRow:
        """The memo is known; `stock_proven` is False where it was found rather than answered with a 200.

        `look_again_at`: when its order is to be read again for drift.
        """
        values = {**_NO_FLAG, "memo_id": memo_id, "stock_proven": stock_proven, "settle_at": None}
        text = f"credit memo {memo_id}"
        with self._database.write() as tx:
            row = self._held(tx, claim, refund_id)
            done = move_refund(tx, row, RefundState.DONE, now=now, text=text, values=values)
            plan_checks(tx, refund_id, look_again_at)
        return done

    def mark_refused(self, claim: Claim, refund_id: int, now: datetime, reason: str) -> RefundRow:
        values = {"needs_person": True, "reason_code": "refused", "reason": reason}
        return self._move(
            claim, refund_id, RefundState.REFUSED, now=now, text=reason, values=values, start=RefundState.SENDING
        )

    def mark_not_sent(self, claim: Claim, refund_id: int, now: datetime, reason: str) -> RefundRow:
        """The call provably did not arrive, so it does not count as a send."""
        with self._database.write() as tx:
            row = self._held(tx, claim, refund_id)
            check_refund_is(row, RefundState.SENDING)
            values = {"sends": row.sends - 1, "reason_code": "not-sent", "reason": reason}
            return move_refund(tx, row, RefundState.PLANNED, now=now, text=reason, values=values)

    def mark_unknown(self, claim: Claim, refund_id: int, now: datetime, settle_at: datetime, reason: str) -> RefundRow:
        """Whether the call paid is not known, and cannot be before `settle_at`."""
        values = {"settle_at": settle_at, "reason_code": "unknown", "reason": reason}
        return self._move(claim, refund_id, RefundState.UNKNOWN, now=now, text=reason, values=values)

    def settle_anew(self, claim: Claim, refund_id: int, now: datetime, settle_at: datetime, reason: str) -> RefundRow:
        """A refund of unknown outcome is looked for again, by a moment of its own: it needs no person meanwhile."""
        values = {**_NO_FLAG, "settle_at": settle_at, "reason_code": "unknown", "reason": reason, "updated_at": now}
        with self._database.write() as tx:
            row = self._held(tx, claim, refund_id)
            check_refund_is(row, RefundState.UNKNOWN)
            text = f"looked for again, settled at {told_moment(settle_at, now)}"
            note_refund(tx, row, now=now, what="refund.settle-at", text=text, data={"was": row.settle_at})
            return change_refund(tx, row.id, **values)

    def mark_resend(self, claim: Claim, refund_id: int, now: datetime, reason: str) -> RefundRow:
        """Settled without a marker, and nothing can have been paid: it may be sent again."""
        values = {**_NO_FLAG, "settle_at": None, "reason_code": "resend", "reason": reason}
        return self._move(
            claim, refund_id, RefundState.PLANNED, now=now, text=reason, values=values, start=RefundState.UNKNOWN
        )

    # --- after the call -----------------------------------------------------------------------------------------------

    def save_receipt(self, refund_id: int, memo: object | None, differences: Sequence[object], now: datetime) -> None:
        """The memo as it was read back, and where it differs from what was asked."""
        with self._database.write() as tx:
            _keep_receipt(tx, read_refund(tx, refund_id, lock=True), memo, differences, now)

    def set_email_state(self, refund_id: int, state: str, now: datetime) -> None:
        self._change(refund_id, now=now, values={"email_state": state}, what="refund.email", text=state)

    def flag(
        self,
        refund_id: int,
        claim: Claim | None,
        *,
        needs_person: bool,
        reason_code: str,
        reason: str,
        now: datetime,
        actor: str = WORKER,
    ) -> None:
        """Say that a person is needed, or no longer; the state stays."""
        values = {"needs_person": needs_person, "reason_code": reason_code, "reason": reason}
        self._change(refund_id, now=now, values=values, what="refund.flagged", text=reason, claim=claim, actor=actor)

    def acknowledge(self, refund_id: int, alarm: str, *, actor: str, text: str, now: datetime) -> RefundRow:
        """A person has seen to this alarm; Conflict where there is none, or another than they saw."""
        name = format_id("refund", refund_id)
        with self._database.write() as tx:
            row = read_refund(tx, refund_id, lock=True)
            if not row.alarm:
                raise Conflict(f"{name} is {row.state} and has no alarm to be seen to; see: refundry show {name}")
            if row.alarm != alarm:
                raise Conflict(
                    f"you have seen to the alarm {alarm} of {name}, but it has {row.alarm} by now: look at it again."
                    f" {row.reason}",
                    refund_id=name,
                    seen=alarm,
                    alarm=row.alarm,
                )
            seen = change_refund(tx, row.id, needs_person=False, reason_code="", reason=text, updated_at=now)
            data = {"alarm": alarm, "was": row.reason}
            note_refund(tx, row, now=now, what="refund.flagged", text=text, actor=actor, data=data)
        return seen

    def settle(
        self,
        refund_id: int,
        decision: Settlement,
        *,
        memo_id: int | None,
        actor: str,
        text: str,
        now: datetime,
        sends: int | None = None,
        look_again_at: Sequence[datetime] = (),
        if_booked: ReadBack | None = None,
    ) -> RefundRow:
        """A person says what became of an unknown call; its delivery is due again. Conflict when it is not unknown.

        One that was said to be paid without a memo can be given its memo later, which only books that payment:
        `if_booked` is kept as its receipt, and what the return waits with is due.
        `sends` is how many calls the person knew of: the answer is about those, and Conflict where there was another.
        `look_again_at`: when its order is to be read again for drift, if it was paid.
        """
        if (decision is Settlement.MEMO) != (memo_id is not None):
            raise BadRequest(f"settling as {decision} with memo {memo_id}: --memo names the memo, the others name none")
        with self._database.write() as tx:
            seen = read_refund(tx, refund_id)
            of_return = to_wake_of_return(tx, seen.return_id) if memo_id is not None else ()
            # The deliveries first, as everywhere: two that lock in opposite order would wait for each other.
            for delivery_id in sorted({seen.delivery_id, *of_return}):
                lock_delivery(tx, delivery_id)
            row = read_refund(tx, refund_id, lock=True)
            if memo_id is not None:
                _check_memo_is_free(tx, row, memo_id)
            if memo_id is not None and row.is_paid_without_memo:
                settled = _name_memo(tx, row, memo_id, actor=actor, text=text, now=now, booked=if_booked)
                for delivery_id in of_return:
                    wake_if_kept(tx, delivery_id, now=now, actor=actor)
            else:
                settled = _settle_unknown(
                    tx,
                    row,
                    decision,
                    memo_id=memo_id,
                    actor=actor,
                    text=text,
                    now=now,
                    sends=sends,
                    look_again_at=look_again_at,
                )
        self._database.announce()
        return settled

    # --- reading ------------------------------------------------------------------------------------------------------

    def unsettled(self, instance: str, entity_id: int) -> tuple[RefundRow, ...]:
        """Refunds of an order that may have paid without a memo that we know: their units count as given back."""
        return self._find(_UNSETTLED, instance=instance, entity_id=entity_id)

    def around(
        self, return_id: int, instance: str, entity_id: int
    ) -> tuple[tuple[RefundRow, ...], tuple[RefundRow, ...]]:
        """(all refunds of a return, the unsettled ones of its order), as of one moment."""
        with self._database.read() as tx:
            ours = tx.all(_OF_RETURN, return_id=return_id)
            unsettled = tx.all(_UNSETTLED, instance=instance, entity_id=entity_id)
        return tuple(map(as_refund, ours)), tuple(map(as_refund, unsettled))

    def with_memo(self, instance: str, entity_id: int, memo_id: int) -> RefundRow | None:
        """The refund of an order that a memo is known to be of."""
        return next(iter(self._find(_WITH_MEMO, instance=instance, entity_id=entity_id, memo=memo_id)), None)

    def of_return(self, return_id: int) -> tuple[RefundRow, ...]:
        return self._find(_OF_RETURN, return_id=return_id)

    def row(self, refund_id: int) -> RefundRow:
        with self._database.read() as tx:
            return read_refund(tx, refund_id)

    def list(
        self,
        *,
        state: RefundState | None = None,
        needs_person: bool | None = None,
        return_id: int | None = None,
        instance: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[RefundRow, ...]:
        """Newest first; `before` is the id of the last one seen."""
        filters = {
            "state": state,
            "needs_person": needs_person,
            "return_id": return_id,
            "instance": instance,
            "before": before,
        }
        wanted = {name: value for name, value in filters.items() if value is not None}
        return self._find(_listing(tuple(wanted)), limit=limit, **wanted)

    def attempts(self, refund_id: int) -> tuple[Attempt, ...]:
        with self._database.read() as tx:
            return tuple(row_as(Attempt, row) for row in tx.all(_ATTEMPTS, refund_id=refund_id))

    def known_markers(self, instance: str, entity_id: int | None = None) -> frozenset[str]:
        """Markers of an order, or of all orders, that we know to have gone out, or that a person has accepted as ours.

        One in Magento that is not among them tells that this database is older than what was done with it.
        """
        with self._database.read() as tx:
            if entity_id is None:
                sent = tx.scalars(_MARKERS, instance=instance)
            else:
                sent = tx.scalars(_MARKERS_OF_ORDER, instance=instance, entity_id=entity_id)
            return frozenset(sent) | accepted_markers(tx, instance, entity_id)

    def done_since(self, instance: str, since: datetime | None) -> tuple[RefundRow, ...]:
        """Refunds of an installation with a memo that we know, sent since a time or ever."""
        if since is None:
            return self._find(_ALL_DONE, instance=instance)
        return self._find(_DONE_SINCE, instance=instance, since=since)

    def sent_since(self, since: datetime, *, store: str | None = None, source: str | None = None) -> SentTotals:
        """What went out, or may have, since a time: for a store's returns, or a source's; in the base currency."""
        owners = {name: value for name, value in (("store", store), ("source", source)) if value is not None}
        with self._database.read() as tx:
            totals = tx.scalars(_sent_totals(tuple(owners)), since=since, **owners)
        return SentTotals(refunds=len(totals), base_total=sum((total or Decimal(0) for total in totals), Decimal(0)))

    # --- how ----------------------------------------------------------------------------------------------------------

    def _move(
        self,
        claim: Claim,
        refund_id: int,
        new: RefundState,
        *,
        now: datetime,
        text: str,
        values: Mapping[str, Any],
        start: RefundState | None = None,
    ) -> RefundRow:
        with self._database.write() as tx:
            row = self._held(tx, claim, refund_id)
            if start is not None:
                check_refund_is(row, start)
            return move_refund(tx, row, new, now=now, text=text, values=values)

    def _change(
        self,
        refund_id: int,
        *,
        now: datetime,
        values: Mapping[str, Any],
        what: str,
        text: str,
        data: Mapping[str, Any] | None = None,
        claim: Claim | None = None,
        actor: str = WORKER,
    ) -> None:
        with self._database.write() as tx:
            row = self._held(tx, claim, refund_id) if claim else read_refund(tx, refund_id, lock=True)
            change_refund(tx, row.id, **values, updated_at=now)
            note_refund(tx, row, now=now, what=what, text=text, actor=actor, data=data)

    @staticmethod
    def _held(tx: Transaction, claim: Claim, refund_id: int) -> RefundRow:
        hold(tx, claim)
        return held_refund(tx, claim, refund_id)

    def _find(self, statement: Statement, **values: Any) -> tuple[RefundRow, ...]:
        with self._database.read() as tx:
            return tuple(as_refund(row) for row in tx.all(statement, **values))


def _settle_unknown(
    tx: Transaction,
    row: RefundRow,
    decision: Settlement,
    *,
    memo_id: int | None,
    actor: str,
    text: str,
    now: datetime,
    sends: int | None,
    look_again_at: Sequence[datetime],
) -> RefundRow:
    if row.state is not RefundState.UNKNOWN:
        raise Conflict(
            f"{format_id('refund', row.id)} is {row.state}; only one of unknown outcome can be settled",
            refund_id=row.id,
        )
    _check_calls_known(row, sends)
    if decision is Settlement.NOT_PAID:
        _check_call_is_over(row, now)
    paid = decision is not Settlement.NOT_PAID
    values = {**_NO_FLAG, "fence": NO_FENCE, "settle_at": None, "memo_id": memo_id}
    if paid:
        values["stock_proven"] = False
    settled = move_refund(
        tx,
        row,
        RefundState.DONE if paid else RefundState.PLANNED,
        now=now,
        text=text,
        values=values,
        actor=actor,
        data={"decision": decision, "memo_id": memo_id},
        what="refund.settled",
    )
    if paid:
        plan_checks(tx, row.id, look_again_at)
    if memo_id is not None:
        # Asked once: a memo that somebody made by hand has no marker to be recognised by.
        keep_memo_answer(tx, row.return_id, memo_id, is_this_return=True, actor=actor, now=now)
    wake_if_kept(tx, row.delivery_id, now=now, actor=actor)
    return settled


def _name_memo(
    tx: Transaction, row: RefundRow, memo_id: int, *, actor: str, text: str, now: datetime, booked: ReadBack | None
) -> RefundRow:
    """The memo of a refund that is done already: an alarm about it stays, for whoever has not seen it."""
    data = {"decision": Settlement.MEMO, "memo_id": memo_id}
    note_refund(tx, row, now=now, what="refund.settled", text=text, actor=actor, data=data)
    keep_memo_answer(tx, row.return_id, memo_id, is_this_return=True, actor=actor, now=now)
    named = change_refund(tx, row.id, memo_id=memo_id, updated_at=now)
    if booked is None:
        return named
    # In the same step: a worker that read it back by itself would miss the gateway's transaction in a mere booking.
    named = _keep_receipt(tx, row, booked.memo, booked.differences, now)
    if not booked.differences:
        return named
    note_refund(tx, row, now=now, what="refund.flagged", text=booked.reason)
    flag = {"needs_person": True, "reason_code": "receipt-differs", "reason": booked.reason}
    return change_refund(tx, row.id, **flag, updated_at=now)


def _keep_receipt(
    tx: Transaction, row: RefundRow, memo: object | None, differences: Sequence[object], now: datetime
) -> RefundRow:
    said = [plain(each) for each in differences]
    text = f"{len(said)} differences" if said else "as it was asked"
    note_refund(tx, row, now=now, what="refund.read-back", text=text, data={"differences": said})
    return change_refund(tx, row.id, memo=plain(memo), differences=said, updated_at=now)


def _check_calls_known(row: RefundRow, sends: int | None) -> None:
    """An answer about the first call says nothing of a second, which may have gone out while it was looked up."""
    if row.sends == (1 if sends is None else sends):
        return
    name = format_id("refund", row.id)
    raise Conflict(
        f"{name} was sent {row.sends} times, the last time at {row.sent_at:%Y-%m-%d %H:%M:%S} UTC: look at every one"
        f" of these calls, then settle it with --sends {row.sends}",
        refund_id=name,
        sends=row.sends,
    )


def _check_memo_is_free(tx: Transaction, row: RefundRow, memo_id: int) -> None:
    """One memo is one refund: units of two refunds with the same memo would be counted as given back once."""
    of_order = {"instance": row.instance, "entity_id": row.order_entity_id}
    other = _first(tx, _OTHER_WITH_MEMO, **of_order, memo=memo_id, besides=row.id)
    if other is not None:
        raise Conflict(
            f"credit memo {memo_id} is {format_id('refund', other.id)}'s already; name the one of"
            f" {format_id('refund', row.id)}, or settle it with --paid-no-memo",
            memo_id=memo_id,
        )


def _check_call_is_over(row: RefundRow, now: datetime) -> None:
    """That the gateway shows nothing yet proves nothing: the call may still be carried out."""
    if row.settle_at is None or now >= row.settle_at:
        return
    name = format_id("refund", row.id)
    raise Conflict(
        f"{name} may still be paid: Magento may be working on its call until {told_moment(row.settle_at, now)}; look"
        " again then",
        refund_id=name,
        settle_at=row.settle_at.isoformat(),
    )


@cache
def _listing(filters: tuple[str, ...]) -> Statement:
    conditions = [
        refunds.c.id < given("before") if name == "before" else refunds.c[name] == given(name) for name in filters
    ]
    return Statement(select(refunds).where(*conditions).order_by(refunds.c.id.desc()).limit(given("limit")))


@cache
def _sent_totals(owners: tuple[str, ...]) -> Statement:
    return Statement(
        select(refunds.c.predicted_base_total)
        .join(returns, returns.c.id == refunds.c.return_id)
        .where(
            refunds.c.sent_at >= given("since"),
            among(refunds.c.state, _MAY_HAVE_PAID),
            *(returns.c[name] == given(name) for name in owners),
        )
    )


def _take(tx: Transaction, claim: Claim, case: ReturnCase, order: OrderReference, now: datetime) -> RefundRow:
    mine = {"delivery_id": claim.delivery.id, "fence": claim.fence, "updated_at": now}
    if (row := _first(tx, _RETURNS_SLOT, return_id=case.id)) is not None:
        if row.delivery_id != claim.delivery.id:
            raise _held_by(row)
        taken = change_refund(tx, row.id, **mine)
        if row.fence != claim.fence:
            note_refund(tx, row, now=now, what="refund.taken-over", text=f"found {row.state}")
        return taken
    text = "has the order's slot"
    if (row := _first(tx, _RETURNS_NEXT, return_id=case.id)) is not None:
        return move_refund(tx, row, RefundState.CHECKING, now=now, text=text, values=mine)
    return insert_refund(
        tx,
        return_id=case.id,
        instance=case.instance,
        state=RefundState.CHECKING,
        now=now,
        text=text,
        values={**mine, "order_entity_id": order.entity_id, "order_increment_id": order.increment_id},
    )


def _first(tx: Transaction, statement: Statement, **values: Any) -> RefundRow | None:
    found = tx.first(statement, **values)
    return None if found is None else as_refund(found)


def _busy(
    tx: Transaction, instance: str, entity_id: int | None, increment_id: str | None, *, besides: int = 0
) -> OrderBusy:
    holder = _first(
        tx, _SLOT_HOLDER, instance=instance, entity_id=entity_id, increment_id=increment_id, besides=besides
    )
    if holder is None:
        return OrderBusy("another refund of this order had the slot a moment ago; it comes again by itself")
    return _held_by(holder)


def _held_by(holder: RefundRow) -> OrderBusy:
    refund, of_return = format_id("refund", holder.id), format_id("return", holder.return_id)
    return OrderBusy(
        f"{refund} of {of_return} has the slot of this order: it is {holder.state}",
        refund_id=refund,
        return_id=of_return,
        delivery_id=format_id("delivery", holder.delivery_id),
        state=holder.state,
    )
