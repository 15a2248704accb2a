"""Rows of the table `refunds` as every other part reads and moves them; the lifecycle's table is enforced here.

A move names the state it starts from, the delivery and the fence in its WHERE, and counts the rows: whoever was
overtaken changes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from service.core.drift import OrderBefore
from service.core.lifecycle import REFUND_MOVES, RefundState
from service.core.plan import RefundRequest
from service.errors import LeaseLost, NotFound
from service.store.clashes import IllegalMove
from service.store.content import rebuild
from service.store.ids import format_id
from service.store.journal import WORKER, note
from service.store.rows import Claim, RefundRow, row_as
from service.store.tables import attempts, refunds

#: A fence that no claim has: what a worker still means to write about this row is void.
NO_FENCE = 0

was_tried: ColumnElement[bool] = exists().where(attempts.c.refund_id == refunds.c.id)


def as_refund(columns: Mapping[Any, Any]) -> RefundRow:
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


def read_refund(connection: Connection, refund_id: int, *, lock: bool = False) -> RefundRow:
    query = select(refunds).where(refunds.c.id == refund_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no refund {format_id('refund', refund_id)}", refund_id=refund_id)
    return as_refund(row)


def held_refund(connection: Connection, claim: Claim, refund_id: int) -> RefundRow:
    """The row as this claim holds it, locked until the transaction ends; LeaseLost when it does not."""
    row = read_refund(connection, refund_id, lock=True)
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
    connection: Connection,
    row: RefundRow,
    new: RefundState,
    *,
    now: datetime,
    text: str,
    values: Mapping[str, Any] | None = None,
    actor: str = WORKER,
    data: Mapping[str, Any] | None = None,
    what: str | None = None,
) -> None:
    """Bring `row`, as it was read, to its next state and tell the journal; nothing happens if it changed meanwhile."""
    check_refund_move(row, new)
    change = (
        update(refunds)
        .where(
            refunds.c.id == row.id,
            refunds.c.delivery_id == row.delivery_id,
            refunds.c.fence == row.fence,
            refunds.c.state == row.state,
        )
        .values({"state": new, "updated_at": now, **(values or {})})
    )
    if connection.execute(change).rowcount != 1:
        raise LeaseLost(f"{format_id('refund', row.id)} changed hands meanwhile; this write is void")
    note_refund(connection, row, now=now, what=what or f"refund.{new}", text=text, actor=actor, data=data)


def insert_refund(
    connection: Connection,
    *,
    return_id: int,
    instance: str,
    state: RefundState,
    now: datetime,
    text: str,
    values: Mapping[str, Any],
) -> int:
    """A new row, by its id; `values` name its delivery, fence and order, and the rest of what is known."""
    given = {
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
    }
    refund_id: int = connection.execute(
        insert(refunds).values(given | dict(values)).returning(refunds.c.id)
    ).scalar_one()
    note_refund(connection, read_refund(connection, refund_id), now=now, what=f"refund.{state}", text=text)
    return refund_id


def note_refund(
    connection: Connection,
    row: RefundRow,
    *,
    now: datetime,
    what: str,
    text: str,
    actor: str = WORKER,
    data: Mapping[str, Any] | None = None,
) -> None:
    note(
        connection,
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
    connection: Connection, row: RefundRow, *, now: datetime, text: str, values: Mapping[str, Any] | None = None
) -> None:
    """Give the order's slot back: `checking` → `planned`, or no row at all where nothing was ever planned."""
    check_refund_is(row, RefundState.CHECKING)
    if row.request is None:
        connection.execute(delete(refunds).where(refunds.c.id == row.id))
        note_refund(connection, row, now=now, what="refund.released", text=text)
        return
    move_refund(connection, row, RefundState.PLANNED, now=now, text=text, values=values, what="refund.released")


def leave_no_slot_behind(connection: Connection, claim: Claim, now: datetime, *, comes_again: bool) -> None:
    """Release what a claim still holds in `checking`.

    IllegalMove where a call's outcome was never said, unless the delivery comes again and can find it out.
    """
    held = connection.execute(
        select(refunds).where(
            refunds.c.delivery_id == claim.delivery.id,
            refunds.c.state.in_((RefundState.CHECKING, RefundState.SENDING)),
        )
    ).mappings()
    for row in [as_refund(each) for each in held]:
        if row.state is RefundState.CHECKING:
            release_slot(connection, row, now=now, text="its delivery was finished")
        elif not comes_again:
            raise IllegalMove(
                f"{format_id('delivery', claim.delivery.id)} cannot be finished while"
                f" {format_id('refund', row.id)} is sending: say its outcome first, `unknown` if there is none",
                refund_id=row.id,
            )
