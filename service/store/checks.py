"""Later looks at refunds that are done: due at a time, claimed with a lease, and what they found.

Nothing waits for a look, so that it needs no delivery; the refund's own row carries the alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from service.core.drift import Drift
from service.errors import LeaseLost
from service.store.content import plain
from service.store.engine import Database
from service.store.refund_rows import note_refund, read_refund
from service.store.rows import DriftCheck, row_as
from service.store.tables import drift_checks, refunds


class Checks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime, lease_seconds: float) -> DriftCheck | None:
        """The look that has been due longest, held until the lease ends; None when none is due."""
        is_due = (
            drift_checks.c.due_at <= now,
            or_(drift_checks.c.lease_until.is_(None), drift_checks.c.lease_until <= now),
        )
        # Idle workers ask all the time: a look without a write leaves SQLite's one writer alone.
        with self._database.read() as connection:
            if connection.execute(select(drift_checks.c.id).where(*is_due).limit(1)).first() is None:
                return None
        due = (
            select(drift_checks.c.id)
            .where(*is_due)
            .order_by(drift_checks.c.due_at, drift_checks.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(drift_checks)
            .where(drift_checks.c.id == due)
            .values(
                lease_until=now + timedelta(seconds=lease_seconds),
                fence=drift_checks.c.fence + 1,
                tries=drift_checks.c.tries + 1,
            )
            .returning(*drift_checks.c)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _as_check(row)

    def postpone(self, check: DriftCheck, due_at: datetime, reason: str) -> None:
        """Due again: nothing could be read. LeaseLost when another worker has it."""
        with self._database.write() as connection:
            _change(connection, check, {"due_at": due_at, "said": reason})

    def finish(self, check: DriftCheck, drifts: Sequence[Drift], now: datetime, *, said: str = "") -> None:
        """The look was made; what it found stands on the check."""
        with self._database.write() as connection:
            _finish(connection, check, drifts, now, said)

    def alarm(self, check: DriftCheck, drifts: Sequence[Drift], now: datetime, *, code: str, text: str) -> None:
        """The look was made, and the refund needs a person: one transaction, so that no alarm is lost or told twice."""
        with self._database.write() as connection:
            _finish(connection, check, drifts, now, text)
            row = read_refund(connection, check.refund_id, lock=True)
            flag = {"needs_person": True, "reason_code": code, "reason": text, "updated_at": now}
            connection.execute(update(refunds).where(refunds.c.id == row.id).values(flag))
            note_refund(connection, row, now=now, what="refund.drifted", text=text, data={"drifts": plain(drifts)})

    def of(self, refund_id: int) -> tuple[DriftCheck, ...]:
        """The looks at one refund, those still to come included, first one first."""
        query = select(drift_checks).where(drift_checks.c.refund_id == refund_id).order_by(drift_checks.c.id)
        with self._database.read() as connection:
            return tuple(_as_check(row) for row in connection.execute(query).mappings())

    def next_due(self) -> datetime | None:
        """When the next look is due; None when none is to come."""
        with self._database.read() as connection:
            due: datetime | None = connection.execute(select(func.min(drift_checks.c.due_at))).scalar_one()
        return due


def plan_checks(connection: Connection, refund_id: int, due_at: Sequence[datetime]) -> None:
    """Looks at a refund that is done now, in the transaction that says so."""
    for moment in due_at:
        values = {"refund_id": refund_id, "planned_for": moment, "due_at": moment, "fence": 0, "tries": 0, "said": ""}
        connection.execute(insert(drift_checks).values(values))


def _finish(connection: Connection, check: DriftCheck, drifts: Sequence[Drift], now: datetime, said: str) -> None:
    _change(connection, check, {"due_at": None, "looked_at": now, "drifts": plain(drifts), "said": said})


def _change(connection: Connection, check: DriftCheck, values: dict[str, Any]) -> None:
    change = (
        update(drift_checks)
        .where(drift_checks.c.id == check.id, drift_checks.c.fence == check.fence)
        .values({**values, "lease_until": None})
    )
    if connection.execute(change).rowcount != 1:
        raise LeaseLost(f"look {check.id} was claimed with fence {check.fence} and another worker has it by now")


def _as_check(row: Any) -> DriftCheck:
    drifts = tuple(Drift(**drift) for drift in row["drifts"] or ())
    return row_as(DriftCheck, {**row, "drifts": drifts})
