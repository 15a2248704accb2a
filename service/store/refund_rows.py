"""Rows of the table `refunds` as every other part reads and moves them; the lifecycle's table is enforced here.

A move names the state it starts from, the delivery and the fence in its WHERE, and counts the rows: whoever was
overtaken changes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, select, update

from service.core.drift import OrderBefore
from service.core.lifecycle import REFUND_MOVES, SLOT_STATES, RefundState
from service.core.plan import RefundRequest
from service.errors import Conflict, LeaseLost, NotFound
from service.store.clashes import IllegalMove
from service.store.content import rebuild
from service.store.ids import format_id
from service.store.journal import WORKER, note
from service.store.rows import Claim, RefundRow, row_as
from service.store.settling import LONGEST_SETTLING, UNKNOWN_LEFT, settle_command, told_moment
from service.store.statements import Row, Statement, Transaction, among, given
from service.store.tables import attempts, refunds

#: A fence that no claim has: what a worker still means to write about this row is void.
NO_FENCE = 0

was_tried: ColumnElement[bool] = exists().where(attempts.c.refund_id == refunds.c.id)

_READ = Statement(select(refunds).where(refunds.c.id == given("refund")))
_LOCK = Statement(select(refunds).where(refunds.c.id == given("refund")).with_for_update())
_DELETE = Statement(delete(refunds).where(refunds.c.id == given("refund")))
# All slot states and no order: so the slots' own index serves, which holds little; SQLite would walk through all rows.
_IN_FLIGHT = Statement(
    select(refunds).where(refunds.c.delivery_id == given("delivery"), among(refunds.c.state, SLOT_STATES))
)


def as_refund(columns: Row) -> RefundRow:
    request, differences, before = columns["request"], columns["differences"], columns["order_before"]
    return row_as(
        RefundRow,
        {
            **columns,
            "request": None if request is None else rebuild(RefundRequest, request),
            "differences": None if differences is None else tuple(differences),
            "order_before": None if before is None else rebuild(OrderBefore, before),
        },
    )


def read_refund(tx: Transaction, refund_id: int, *, lock: bool = False) -> RefundRow:
    row = tx.first(_LOCK if lock else _READ, refund=refund_id)
    if row is None:
        raise NotFound(f"there is no refund {format_id('refund', refund_id)}", refund_id=refund_id)
    return as_refund(row)


def held_refund(tx: Transaction, claim: Claim, refund_id: int) -> RefundRow:
    """The row as this claim holds it, locked until the transaction ends; LeaseLost when it does not."""
    row = read_refund(tx, refund_id, lock=True)
    if (row.delivery_id, row.fence) != (claim.delivery.id, claim.fence):
        raise LeaseLost(
            f"{format_id('refund', refund_id)} is not held by {format_id('delivery', claim.delivery.id)} with"
            f" fence {claim.fence} any more; this write is void",
            refund_id=refund_id,
        )
    return row


def check_refund_move(row: RefundRow, new: RefundState) -> None:
    if new not in REFUND_MOVES[row.state]:
        raise IllegalMove(
            f"{format_id('refund', row.id)} is {row.state} and cannot become {new}; see docs/lifecycle.md",
            refund_id=row.id,
        )


def check_refund_is(row: RefundRow, state: RefundState) -> None:
    """The start of a step that the lifecycle's table allows from other states too, for other reasons."""
    if row.state is not state:
        raise IllegalMove(
            f"{format_id('refund', row.id)} is {row.state}; this step starts from {state}", refund_id=row.id
        )


def move_refund(
    tx: Transaction,
    row: RefundRow,
    new: RefundState,
    *,
    now: datetime,
    text: str,
    values: Mapping[str, Any] | None = None,
    actor: str = WORKER,
    data: Mapping[str, Any] | None = None,
    what: str | None = None,
) -> RefundRow:
    """Bring `row`, as it was read, to its next state and tell the journal; LeaseLost if it changed meanwhile."""
    check_refund_move(row, new)
    changes = {"state": new, "updated_at": now, **(values or {})}
    was = {"refund": row.id, "was_held_by": row.delivery_id, "was_fence": row.fence, "was_state": row.state}
    moved = tx.first(_move(tuple(changes)), **was, **changes)
    if moved is None:
        raise LeaseLost(f"{format_id('refund', row.id)} changed hands meanwhile; this write is void")
    note_refund(tx, row, now=now, what=what or f"refund.{new}", text=text, actor=actor, data=data)
    return as_refund(moved)


@cache
def _move(columns: tuple[str, ...]) -> Statement:
    change = update(refunds).where(
        refunds.c.id == given("refund"),
        refunds.c.delivery_id == given("was_held_by"),
        refunds.c.fence == given("was_fence"),
        refunds.c.state == given("was_state"),
    )
    return Statement(change.returning(*refunds.c), sets=columns)


def change_refund(tx: Transaction, refund_id: int, **values: Any) -> RefundRow:
    """Set columns of a row that the transaction holds; its state is `move_refund`'s affair."""
    row = tx.first(_change(tuple(values)), refund=refund_id, **values)
    assert row is not None, "the transaction holds the row"
    return as_refund(row)


@cache
def _change(columns: tuple[str, ...]) -> Statement:
    change = update(refunds).where(refunds.c.id == given("refund"))
    return Statement(change.returning(*refunds.c), sets=columns)


def delete_refund(tx: Transaction, refund_id: int) -> None:
    tx.change(_DELETE, refund=refund_id)


def insert_refund(
    tx: Transaction,
    *,
    return_id: int,
    instance: str,
    state: RefundState,
    now: datetime,
    text: str,
    values: Mapping[str, Any],
) -> RefundRow:
    """A new row; `values` name its delivery, fence and order, and the rest of what is known."""
    columns = {
        "return_id": return_id,
        "instance": instance,
        "state": state,
        "superseded": False,
        "needs_person": False,
        "reason_code": "",
        "reason": "",
        "sends": 0,
        "email_state": "",
        "created_at": now,
        "updated_at": now,
        **values,
    }
    row = as_refund(tx.one(_insert(tuple(columns)), **columns))
    note_refund(tx, row, now=now, what=f"refund.{state}", text=text)
    return row


@cache
def _insert(columns: tuple[str, ...]) -> Statement:
    return Statement(insert(refunds).returning(*refunds.c), sets=columns)


def note_refund(
    tx: Transaction,
    row: RefundRow,
    *,
    now: datetime,
    what: str,
    text: str,
    actor: str = WORKER,
    data: Mapping[str, Any] | None = None,
) -> None:
    note(
        tx,
        now=now,
        actor=actor,
        what=what,
        text=text,
        data=data,
        delivery_id=row.delivery_id,
        return_id=row.return_id,
        refund_id=row.id,
    )


def release_slot(
    tx: Transaction, row: RefundRow, *, now: datetime, text: str, values: Mapping[str, Any] | None = None
) -> None:
    """Give the order's slot back: `checking` → `planned`, or no row at all where nothing was ever planned."""
    check_refund_is(row, RefundState.CHECKING)
    if row.request is None:
        delete_refund(tx, row.id)
        note_refund(tx, row, now=now, what="refund.released", text=text)
        return
    move_refund(tx, row, RefundState.PLANNED, now=now, text=text, values=values, what="refund.released")


def refuse_in_flight(tx: Transaction, delivery_id: int) -> None:
    """Conflict while a refund of this delivery may have paid."""
    for row in map(as_refund, tx.all(_IN_FLIGHT, delivery=delivery_id)):
        name = format_id("refund", row.id)
        raise Conflict(f"{name} is {row.state}: say first what became of it ({settle_command(row)})", refund_id=name)


def leave_no_slot_behind(
    tx: Transaction, claim: Claim, now: datetime, *, comes_again: bool, why: str
) -> tuple[RefundRow, ...]:
    """Release what a claim still holds in `checking`, and give the refunds that nobody finds out about any more.

    Those are the ones that may have paid, of a delivery that does not come again, for `why`. Each has an outcome that
    a person can settle, and is flagged for one: it would hold its order's slot for ever.
    """
    left = []
    for row in map(as_refund, tx.all(_IN_FLIGHT, delivery=claim.delivery.id)):
        if row.state is RefundState.CHECKING:
            release_slot(tx, row, now=now, text="its delivery was finished")
        elif not comes_again:
            left.append(row if row.needs_person else _left_to_a_person(tx, row, now, why))
    return tuple(left)


def _left_to_a_person(tx: Transaction, row: RefundRow, now: datetime, why: str) -> RefundRow:
    # Which store's settle_seconds it is settled by cannot be told where its source is gone; and what lies further
    # ahead was written by a clock that ran ahead.
    latest = now + LONGEST_SETTLING
    settle_at = latest if row.settle_at is None else min(row.settle_at, latest)
    if row.state is RefundState.SENDING:
        text = "its delivery ended without a word of what came back"
        values = {"reason": text}
        row = move_refund(tx, row, RefundState.UNKNOWN, now=now, text=text, values=values)
    name, delivery = format_id("refund", row.id), format_id("delivery", row.delivery_id)
    not_paid = "--not-paid"
    if now < settle_at:
        not_paid += f" from {told_moment(settle_at)} on"
    text = (
        f"{name}: whether it paid is not known ({row.reason}), and nobody looks any more: {delivery} ended because"
        f" {why}. Its order takes no other refund meanwhile. Look for {row.marker} in Magento and for the money, then"
        f" say: {settle_command(row)}, with --memo N, --paid-no-memo or {not_paid}; or mend why it ended, then:"
        f" refundry replay {delivery}"
    )
    flag = {"needs_person": True, "reason_code": UNKNOWN_LEFT, "reason": text, "settle_at": settle_at}
    flagged = change_refund(tx, row.id, **flag, updated_at=now)
    note_refund(tx, row, now=now, what="refund.flagged", text=text)
    return flagged
