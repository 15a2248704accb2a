"""Refunds: the order's slot, the one call, its outcome, and what a person settles.

Each step of "at most once" is one transaction here. The slot is a partial unique index over the states that hold it,
so two workers, two sources or two store views of one Magento cannot both be in flight for one order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from service.core.drift import OrderBefore
from service.core.lifecycle import SLOT_STATES, RefundState
from service.core.returns import OrderReference
from service.errors import BadRequest, Conflict, LeaseLost, NotFound, OrderBusy
from service.store.checks import plan_checks
from service.store.claims import hold, lock_delivery, wake_delivery
from service.store.content import plain
from service.store.engine import Database
from service.store.guards import accepted_markers
from service.store.ids import format_id
from service.store.journal import WORKER
from service.store.refund_rows import (
    NO_FENCE,
    as_refund,
    check_refund_is,
    held_refund,
    insert_refund,
    move_refund,
    note_refund,
    read_refund,
    release_slot,
)
from service.store.returns import keep_memo_answer
from service.store.rows import Attempt, Claim, RefundRow, ReturnCase, SentTotals, Settlement, row_as
from service.store.tables import attempts, refunds, returns

#: What may have moved money.
_MAY_HAVE_PAID = (RefundState.SENDING, RefundState.UNKNOWN, RefundState.DONE)

_NO_FLAG: Mapping[str, Any] = {"needs_person": False, "reason_code": "", "reason": ""}


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
            with self._database.write() as connection:
                hold(connection, claim)
                refund_id = _take(connection, claim, case, order, now)
                return read_refund(connection, refund_id)
        except IntegrityError as error:
            entity_id = order.entity_id or case.order_entity_id
            with self._database.read() as connection:
                raise _busy(connection, case.instance, entity_id, order.increment_id) from error

    def bind_order(self, claim: Claim, refund_id: int, entity_id: int, increment_id: str, now: datetime) -> RefundRow:
        """Hold the slot by both names of the order, now that both are known; OrderBusy, and released, if taken."""
        try:
            with self._database.write() as connection:
                row = self._held(connection, claim, refund_id)
                connection.execute(
                    update(refunds)
                    .where(refunds.c.id == row.id)
                    .values(order_entity_id=entity_id, order_increment_id=increment_id, updated_at=now)
                )
                return read_refund(connection, refund_id)
        except IntegrityError as error:
            with self._database.read() as connection:
                row = read_refund(connection, refund_id)
                busy = _busy(connection, row.instance, entity_id, increment_id, besides=refund_id)
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
        with self._database.write() as connection:
            row = self._held(connection, claim, refund_id)
            release_slot(connection, row, now=now, text=reason or "not sent", values=flag)

    # --- the call -----------------------------------------------------------------------------------------------------

    def mark_sending(
        self, claim: Claim, refund_id: int, now: datetime, path: str, *, before: OrderBefore | None = None
    ) -> int:
        """Commit that a call is about to be made, and return its attempt's id. Not with a lease that has ended.

        `before` is what the order said in the reading that decided it.
        """
        with self._database.write() as connection:
            lease_until = hold(connection, claim).lease_until
            if lease_until <= now:
                raise LeaseLost(
                    f"the lease on {format_id('delivery', claim.delivery.id)} ended at {lease_until}, it is {now}:"
                    " nothing is sent on a lease that another worker may take"
                )
            row = held_refund(connection, claim, refund_id)
            if row.request is None or row.order_entity_id is None:
                raise Conflict(f"{format_id('refund', refund_id)} has no plan or no order; nothing can be sent")
            values = {**_NO_FLAG, "sends": row.sends + 1, "sent_at": now, "settle_at": None}
            values["order_before"] = None if before is None else plain(before)
            move_refund(connection, row, RefundState.SENDING, now=now, text=f"POST {path}", values=values)
            attempt = insert(attempts).values(
                refund_id=refund_id, fence=claim.fence, started_at=now, path=path, outcome="", detail=""
            )
            attempt_id: int = connection.execute(attempt.returning(attempts.c.id)).scalar_one()
            return attempt_id

    def record_answer(self, attempt_id: int, ended_at: datetime, outcome: str, status: int | None, detail: str) -> None:
        """Evidence of what came back, from whoever saw it: not fenced, and written once."""
        with self._database.write() as connection:
            answer = {"ended_at": ended_at, "outcome": outcome, "status": status, "detail": detail}
            change = update(attempts).where(attempts.c.id == attempt_id, attempts.c.ended_at.is_(None))
            refund_id = connection.execute(change.values(answer).returning(attempts.c.refund_id)).scalar_one_or_none()
            if refund_id is None:
                raise NotFound(f"attempt {attempt_id} is not there, or has its answer already")
            row = read_refund(connection, refund_id)
            data = {"attempt_id": attempt_id, "status": status, "outcome": outcome}
            note_refund(connection, row, now=ended_at, what="refund.answered", text=detail, data=data)

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
        with self._database.write() as connection:
            row = self._held(connection, claim, refund_id)
            move_refund(connection, row, RefundState.DONE, now=now, text=text, values=values)
            plan_checks(connection, refund_id, look_again_at)
            return read_refund(connection, refund_id)

    def mark_refused(self, claim: Claim, refund_id: int, now: datetime, reason: str) -> RefundRow:
        values = {"needs_person": True, "reason_code": "refused", "reason": reason}
        return self._move(
            claim, refund_id, RefundState.REFUSED, now=now, text=reason, values=values, start=RefundState.SENDING
        )

    def mark_not_sent(self, claim: Claim, refund_id: int, now: datetime, reason: str) -> RefundRow:
        """The call provably did not arrive, so it does not count as a send."""
        values = {"sends": refunds.c.sends - 1, "reason_code": "not-sent", "reason": reason}
        return self._move(
            claim, refund_id, RefundState.PLANNED, now=now, text=reason, values=values, start=RefundState.SENDING
        )

    def mark_unknown(self, claim: Claim, refund_id: int, now: datetime, settle_at: datetime, reason: str) -> RefundRow:
        """Whether the call paid is not known, and cannot be before `settle_at`."""
        values = {"settle_at": settle_at, "reason_code": "unknown", "reason": reason}
        return self._move(claim, refund_id, RefundState.UNKNOWN, now=now, text=reason, values=values)

    def mark_resend(self, claim: Claim, refund_id: int, now: datetime, reason: str) -> RefundRow:
        """Settled without a marker, and nothing can have been paid: it may be sent again."""
        values = {**_NO_FLAG, "settle_at": None, "reason_code": "resend", "reason": reason}
        return self._move(
            claim, refund_id, RefundState.PLANNED, now=now, text=reason, values=values, start=RefundState.UNKNOWN
        )

    # --- after the call -----------------------------------------------------------------------------------------------

    def save_receipt(self, refund_id: int, memo: object | None, differences: Sequence[object], now: datetime) -> None:
        """The memo as it was read back, and where it differs from what was asked."""
        said = [plain(each) for each in differences]
        text = f"{len(said)} differences" if said else "as it was asked"
        values = {"memo": plain(memo), "differences": said}
        self._change(refund_id, now=now, values=values, what="refund.read-back", text=text, data={"differences": said})

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

    def settle(
        self, refund_id: int, decision: Settlement, *, memo_id: int | None, actor: str, text: str, now: datetime
    ) -> RefundRow:
        """A person says what became of an unknown call; its delivery is due again. Conflict when it is not unknown."""
        if (decision is Settlement.MEMO) != (memo_id is not None):
            raise BadRequest(f"settling as {decision} with memo {memo_id}: --memo names the memo, the others name none")
        with self._database.write() as connection:
            # The delivery first, as everywhere: two that lock in opposite order would wait for each other.
            lock_delivery(connection, read_refund(connection, refund_id).delivery_id)
            row = read_refund(connection, refund_id, lock=True)
            if row.state is not RefundState.UNKNOWN:
                raise Conflict(
                    f"{format_id('refund', refund_id)} is {row.state}; only one of unknown outcome can be settled",
                    refund_id=refund_id,
                )
            paid = decision is not Settlement.NOT_PAID
            values = {**_NO_FLAG, "fence": NO_FENCE, "settle_at": None, "memo_id": memo_id}
            if paid:
                values["stock_proven"] = False
            move_refund(
                connection,
                row,
                RefundState.DONE if paid else RefundState.PLANNED,
                now=now,
                text=text,
                values=values,
                actor=actor,
                data={"decision": decision, "memo_id": memo_id},
                what="refund.settled",
            )
            if memo_id is not None:
                # Asked once: a memo that somebody made by hand has no marker to be recognised by.
                keep_memo_answer(connection, row.return_id, memo_id, is_this_return=True, actor=actor, now=now)
            wake_delivery(connection, row.delivery_id, now=now, actor=actor)
            return read_refund(connection, refund_id)

    # --- reading ------------------------------------------------------------------------------------------------------

    def unsettled(self, instance: str, entity_id: int) -> tuple[RefundRow, ...]:
        """Refunds of an order that may have paid without a memo that we know: their units count as given back."""
        return self._find(
            refunds.c.instance == instance,
            refunds.c.order_entity_id == entity_id,
            or_(
                refunds.c.state.in_((RefundState.SENDING, RefundState.UNKNOWN)),
                and_(refunds.c.state == RefundState.DONE, refunds.c.memo_id.is_(None)),
            ),
        )

    def of_return(self, return_id: int) -> tuple[RefundRow, ...]:
        return self._find(refunds.c.return_id == return_id)

    def row(self, refund_id: int) -> RefundRow:
        with self._database.read() as connection:
            return read_refund(connection, refund_id)

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
        query = select(refunds).order_by(refunds.c.id.desc()).limit(limit)
        for column, wanted in (
            (refunds.c.state, state),
            (refunds.c.needs_person, needs_person),
            (refunds.c.return_id, return_id),
            (refunds.c.instance, instance),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        if before is not None:
            query = query.where(refunds.c.id < before)
        with self._database.read() as connection:
            return tuple(as_refund(row) for row in connection.execute(query).mappings())

    def attempts(self, refund_id: int) -> tuple[Attempt, ...]:
        query = select(attempts).where(attempts.c.refund_id == refund_id).order_by(attempts.c.id)
        with self._database.read() as connection:
            return tuple(row_as(Attempt, row) for row in connection.execute(query).mappings())

    def known_markers(self, instance: str, entity_id: int | None = None) -> frozenset[str]:
        """Markers of an order, or of all orders, that we know to have gone out, or that a person has accepted as ours.

        One in Magento that is not among them tells that this database is older than what was done with it.
        """
        sent = select(refunds.c.marker).where(
            refunds.c.instance == instance,
            true() if entity_id is None else refunds.c.order_entity_id == entity_id,
            refunds.c.marker.is_not(None),
            or_(refunds.c.sends > 0, refunds.c.state == RefundState.DONE),
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(sent).scalars()) | accepted_markers(connection, instance, entity_id)

    def done_since(self, instance: str, since: datetime | None) -> tuple[RefundRow, ...]:
        """Refunds of an installation with a memo that we know, sent since a time or ever."""
        return self._find(
            refunds.c.instance == instance,
            refunds.c.state == RefundState.DONE,
            refunds.c.memo_id.is_not(None),
            true() if since is None else refunds.c.sent_at >= since,
        )

    def sent_since(self, since: datetime, *, store: str | None = None, source: str | None = None) -> SentTotals:
        """What went out, or may have, since a time: for a store's returns, or a source's; in the base currency."""
        query = (
            select(refunds.c.predicted_base_total)
            .join(returns, returns.c.id == refunds.c.return_id)
            .where(refunds.c.sent_at >= since, refunds.c.state.in_(_MAY_HAVE_PAID))
        )
        if store is not None:
            query = query.where(returns.c.store == store)
        if source is not None:
            query = query.where(returns.c.source == source)
        with self._database.read() as connection:
            totals = connection.execute(query).scalars().all()
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
        with self._database.write() as connection:
            row = self._held(connection, claim, refund_id)
            if start is not None:
                check_refund_is(row, start)
            move_refund(connection, row, new, now=now, text=text, values=values)
            return read_refund(connection, refund_id)

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
        with self._database.write() as connection:
            row = self._held(connection, claim, refund_id) if claim else read_refund(connection, refund_id, lock=True)
            connection.execute(update(refunds).where(refunds.c.id == row.id).values({**values, "updated_at": now}))
            note_refund(connection, row, now=now, what=what, text=text, actor=actor, data=data)

    @staticmethod
    def _held(connection: Connection, claim: Claim, refund_id: int) -> RefundRow:
        hold(connection, claim)
        return held_refund(connection, claim, refund_id)

    def _find(self, *conditions: ColumnElement[bool]) -> tuple[RefundRow, ...]:
        with self._database.read() as connection:
            found = connection.execute(select(refunds).where(*conditions).order_by(refunds.c.id)).mappings()
            return tuple(as_refund(row) for row in found)


def _take(connection: Connection, claim: Claim, case: ReturnCase, order: OrderReference, now: datetime) -> int:
    mine = {"delivery_id": claim.delivery.id, "fence": claim.fence, "updated_at": now}
    row = _first(connection, refunds.c.return_id == case.id, refunds.c.state.in_(SLOT_STATES), lock=True)
    if row is not None:
        if row.delivery_id != claim.delivery.id:
            raise _held_by(row)
        connection.execute(update(refunds).where(refunds.c.id == row.id).values(mine))
        if row.fence != claim.fence:
            note_refund(connection, row, now=now, what="refund.taken-over", text=f"found {row.state}")
        return row.id
    row = _first(
        connection,
        refunds.c.return_id == case.id,
        refunds.c.state == RefundState.PLANNED,
        refunds.c.superseded.is_(False),
        lock=True,
    )
    if row is not None:
        move_refund(connection, row, RefundState.CHECKING, now=now, text="has the order's slot", values=mine)
        return row.id
    return insert_refund(
        connection,
        return_id=case.id,
        instance=case.instance,
        state=RefundState.CHECKING,
        now=now,
        text="has the order's slot",
        values={**mine, "order_entity_id": order.entity_id, "order_increment_id": order.increment_id},
    )


def _first(connection: Connection, *conditions: ColumnElement[bool], lock: bool = False) -> RefundRow | None:
    query = select(refunds).where(*conditions).order_by(refunds.c.id).limit(1)
    found = connection.execute(query.with_for_update() if lock else query).mappings().first()
    return None if found is None else as_refund(found)


def _busy(
    connection: Connection, instance: str, entity_id: int | None, increment_id: str | None, *, besides: int = 0
) -> OrderBusy:
    holder = _first(
        connection,
        refunds.c.instance == instance,
        refunds.c.state.in_(SLOT_STATES),
        or_(refunds.c.order_entity_id == entity_id, refunds.c.order_increment_id == increment_id),
        refunds.c.id != besides,
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
