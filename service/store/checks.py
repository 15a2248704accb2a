"""Later looks at refunds that are done: due at a time, claimed with a lease, and what they found.

Nothing waits for a look, so that it needs no delivery; the refund's own row carries the alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select, update

from service.core.drift import Drift
from service.core.lifecycle import RefundState
from service.errors import LeaseLost
from service.store.claims import LONGEST_LEASE
from service.store.content import plain
from service.store.engine import Database
from service.store.refund_rows import change_refund, note_refund, read_refund
from service.store.rows import DriftCheck, row_as
from service.store.statements import Row, Statement, Transaction, given, insert_into, update_where
from service.store.tables import drift_checks, found_markers, refunds

_DUE = (
    select(drift_checks.c.id)
    .where(
        drift_checks.c.due_at <= given("now"),
        or_(
            drift_checks.c.lease_until.is_(None),
            drift_checks.c.lease_until <= given("now"),
            drift_checks.c.lease_until > given("longest"),
        ),
    )
    .order_by(drift_checks.c.due_at, drift_checks.c.id)
    .limit(1)
)
_IS_ANY_DUE = Statement(_DUE)
_CLAIM = Statement(
    update(drift_checks)
    .where(drift_checks.c.id == _DUE.with_for_update(skip_locked=True).scalar_subquery())
    .values(fence=drift_checks.c.fence + 1, tries=drift_checks.c.tries + 1)
    .returning(*drift_checks.c),
    sets=("lease_until",),
)
_OF = Statement(select(drift_checks).where(drift_checks.c.refund_id == given("refund")).order_by(drift_checks.c.id))
_OF_ORDER = (refunds.c.instance == given("instance"), refunds.c.order_entity_id == given("order"))
_MEMOS = Statement(
    select(refunds.c.memo_id)
    .where(*_OF_ORDER, refunds.c.state == RefundState.DONE, refunds.c.memo_id.is_not(None))
    .union(
        select(found_markers.c.memo_id).where(
            found_markers.c.instance == given("instance"),
            found_markers.c.order_entity_id == given("order"),
            found_markers.c.accepted_at.is_not(None),
        )
    )
)
_AWAITED = Statement(
    select(refunds.c.marker).where(
        *_OF_ORDER,
        refunds.c.marker.is_not(None),
        refunds.c.memo_id.is_(None),
        refunds.c.superseded.is_(False),
        or_(refunds.c.state == RefundState.DONE, refunds.c.sends > 0),
        refunds.c.state != RefundState.REFUSED,
    )
)
_NEXT_DUE = Statement(select(func.min(drift_checks.c.due_at)))
_INSERT = insert_into(drift_checks, "refund_id", "planned_for", "due_at", "fence", "tries", "said")


class Ours(NamedTuple):
    """What of an order's memos is of this service's making."""

    #: Memos of refunds that are done, and those that a person accepted as forgotten.
    memos: frozenset[int]
    #: Markers whose memo may still be found: in flight, unknown, to be sent again, paid without one.
    awaited: frozenset[str]


class Checks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime, lease_seconds: float) -> DriftCheck | None:
        """The look that has been due longest, held until the lease ends; None when none is due."""
        # Idle workers ask all the time: a look without a write leaves SQLite's one writer alone.
        with self._database.read() as tx:
            if tx.first(_IS_ANY_DUE, now=now, longest=now + LONGEST_LEASE) is None:
                return None
        lease_until = now + timedelta(seconds=lease_seconds)
        with self._database.write() as tx:
            row = tx.first(_CLAIM, now=now, longest=now + LONGEST_LEASE, lease_until=lease_until)
        return None if row is None else _as_check(row)

    def postpone(self, check: DriftCheck, due_at: datetime, reason: str) -> None:
        """Due again: nothing could be read. LeaseLost when another worker has it."""
        with self._database.write() as tx:
            _change(tx, check, due_at=due_at, said=reason)

    def finish(self, check: DriftCheck, drifts: Sequence[Drift], now: datetime, *, said: str = "") -> None:
        """The look was made; what it found stands on the check."""
        with self._database.write() as tx:
            _finish(tx, check, drifts, now, said)

    def alarm(self, check: DriftCheck, drifts: Sequence[Drift], now: datetime, *, code: str, text: str) -> None:
        """The look was made, and the refund needs a person: one transaction, so that no alarm is lost or told twice."""
        with self._database.write() as tx:
            _finish(tx, check, drifts, now, text)
            row = read_refund(tx, check.refund_id, lock=True)
            # Beside what nobody has seen to yet: whoever looks next sees all of it.
            reason = f"{row.reason}. Then: {text}" if row.needs_person and row.reason else text
            change_refund(tx, row.id, needs_person=True, reason_code=code, reason=reason, updated_at=now)
            note_refund(tx, row, now=now, what="refund.drifted", text=text, data={"drifts": plain(drifts)})

    def of(self, refund_id: int) -> tuple[DriftCheck, ...]:
        """The looks at one refund, those still to come included, first one first."""
        with self._database.read() as tx:
            return tuple(_as_check(row) for row in tx.all(_OF, refund=refund_id))

    def ours(self, instance: str, order_entity_id: int) -> Ours:
        with self._database.read() as tx:
            return Ours(
                memos=frozenset(tx.scalars(_MEMOS, instance=instance, order=order_entity_id)),
                awaited=frozenset(tx.scalars(_AWAITED, instance=instance, order=order_entity_id)),
            )

    def next_due(self) -> datetime | None:
        """When the next look is due; None when none is to come."""
        with self._database.read() as tx:
            due: datetime | None = tx.scalar(_NEXT_DUE)
        return due


def plan_checks(tx: Transaction, refund_id: int, due_at: Sequence[datetime]) -> None:
    """Looks at a refund that is done now, in the transaction that says so."""
    for moment in due_at:
        tx.change(_INSERT, refund_id=refund_id, planned_for=moment, due_at=moment, fence=0, tries=0, said="")


def _finish(tx: Transaction, check: DriftCheck, drifts: Sequence[Drift], now: datetime, said: str) -> None:
    _change(tx, check, due_at=None, looked_at=now, drifts=plain(drifts), said=said)


def _change(tx: Transaction, check: DriftCheck, **values: Any) -> None:
    changed = tx.change(
        _change_statement(tuple(values)), look=check.id, claimed_fence=check.fence, lease_until=None, **values
    )
    if changed != 1:
        raise LeaseLost(f"look {check.id} was claimed with fence {check.fence} and another worker has it by now")


@cache
def _change_statement(columns: tuple[str, ...]) -> Statement:
    return update_where(
        drift_checks,
        drift_checks.c.id == given("look"),
        drift_checks.c.fence == given("claimed_fence"),
        sets=("lease_until", *columns),
    )


def _as_check(row: Row) -> DriftCheck:
    drifts = tuple(Drift(**drift) for drift in row["drifts"] or ())
    return row_as(DriftCheck, {**row, "drifts": drifts})
