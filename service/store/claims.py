"""What holds between deliveries and the rest: a claim that is still good, and waking a delivery up.

A worker may be paused for minutes and wake up believing that it still works on a delivery. Every write that carries a
claim therefore checks, in its own transaction, that nobody has claimed since.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import or_, select

from service.core.lifecycle import DELIVERY_MOVES, DeliveryState
from service.errors import Conflict, LeaseLost, NotFound
from service.store.clashes import IllegalMove
from service.store.ids import format_id
from service.store.journal import note
from service.store.rows import Claim
from service.store.statements import Row, Statement, Transaction, among, given, update_where
from service.store.tables import CLAIMABLE_STATES, deliveries, events, returns

#: What is held for longer from now on was claimed by a clock that ran ahead, so that nobody would come for it for as
#: long. The longest lease is that of a refund's call, 3720 seconds as settings allow (flow/execute.py); the rest is for
#: hosts whose clocks differ.
LONGEST_LEASE = timedelta(hours=2)

# Everything but the body and its headers, which are large and of no use here.
_LOCK = Statement(
    select(*(column for column in deliveries.c if column.name not in {"body", "headers"}))
    .where(deliveries.c.id == given("delivery"))
    .with_for_update()
)

_TO_WAKE = Statement(
    select(deliveries.c.id)
    .where(
        or_(
            deliveries.c.id.in_(
                select(events.c.delivery_id)
                .join(returns, returns.c.current_event_id == events.c.id)
                .where(returns.c.id == given("return"))
            ),
            (deliveries.c.return_id == given("return"))
            & among(deliveries.c.state, (*CLAIMABLE_STATES, DeliveryState.NEEDS_PERSON, DeliveryState.SHADOWED)),
        )
    )
    .order_by(deliveries.c.id)
)


def hold(tx: Transaction, claim: Claim) -> Row:
    """The claim's delivery, locked until the transaction ends; LeaseLost when it is no longer this claim's."""
    row = lock_delivery(tx, claim.delivery.id)
    if row["fence"] != claim.fence or row["lease_until"] is None:
        raise LeaseLost(
            f"{format_id('delivery', claim.delivery.id)} was claimed with fence {claim.fence} and is now at"
            f" {row['fence']}: another worker has it, or it was finished; this one's write is void",
            delivery_id=claim.delivery.id,
            fence=claim.fence,
        )
    return row


def lock_delivery(tx: Transaction, delivery_id: int) -> Row:
    row = tx.first(_LOCK, delivery=delivery_id)
    if row is None:
        raise NotFound(f"there is no delivery {format_id('delivery', delivery_id)}", delivery_id=delivery_id)
    return row


def change_delivery(tx: Transaction, delivery_id: int, **values: Any) -> None:
    """Set columns of a delivery whose row the transaction holds."""
    tx.change(_change(tuple(values)), delivery=delivery_id, **values)


@cache
def _change(columns: tuple[str, ...]) -> Statement:
    return update_where(deliveries, deliveries.c.id == given("delivery"), sets=columns)


def check_delivery_move(delivery_id: int, old: DeliveryState, new: DeliveryState) -> None:
    if new not in DELIVERY_MOVES[old]:
        raise IllegalMove(
            f"{format_id('delivery', delivery_id)} is {old} and cannot become {new}; see docs/lifecycle.md",
            delivery_id=delivery_id,
        )


def to_wake_of_return(tx: Transaction, return_id: int) -> tuple[int, ...]:
    """The delivery of a return's current event, and all of it that wait or need a person; in the order of locking."""
    return tuple(tx.scalars(_TO_WAKE, **{"return": return_id}))


def wake_delivery(tx: Transaction, delivery_id: int, *, now: datetime, actor: str) -> None:
    """Due now, whatever it waited for; when a worker holds it, as soon as that worker is done with it."""
    row = lock_delivery(tx, delivery_id)
    if row["purged_at"] is not None:
        raise Conflict(
            f"the body of {format_id('delivery', delivery_id)} was purged on {row['purged_at']:%Y-%m-%d}: have its"
            " sender send it again under a new id",
            delivery_id=delivery_id,
        )
    # A new start: what wears out a delivery's patience is counted from here.
    values: dict[str, Any] = {"due_at": now, "attempts": 0}
    if row["lease_until"] is not None and now < row["lease_until"] <= now + LONGEST_LEASE:
        values = {"wake_asked": True}
    elif row["state"] not in CLAIMABLE_STATES:
        check_delivery_move(delivery_id, row["state"], DeliveryState.RECEIVED)
        values |= {"state": DeliveryState.RECEIVED, "reason_code": "", "reason": ""}
    change_delivery(tx, delivery_id, **values)
    note(
        tx,
        now=now,
        actor=actor,
        what="delivery.woken",
        text=f"to be looked at again; it was {row['state']}" + (f": {row['reason']}" if row["reason"] else ""),
        delivery_id=delivery_id,
        return_id=row["return_id"],
    )


def wake_if_kept(tx: Transaction, delivery_id: int, *, now: datetime, actor: str) -> bool:
    """As `wake_delivery`, but for one whose body was purged: there is nothing to read, and what was said holds."""
    is_kept = lock_delivery(tx, delivery_id)["purged_at"] is None
    if is_kept:
        wake_delivery(tx, delivery_id, now=now, actor=actor)
    return is_kept
