"""Taking back that a person is needed for a return, in a transaction of the caller's."""

from __future__ import annotations

from datetime import datetime

from service.store.journal import note
from service.store.statements import Transaction, given, update_where
from service.store.tables import returns

_UNFLAG = update_where(
    returns, returns.c.id == given("of_return"), sets=("needs_person", "reason_code", "reason", "updated_at")
)


def unflag_return(tx: Transaction, return_id: int, *, now: datetime, actor: str, reason: str) -> None:
    tx.change(_UNFLAG, of_return=return_id, needs_person=False, reason_code="dismissed", reason=reason, updated_at=now)
    data = {"needs_person": False, "reason_code": "dismissed"}
    note(tx, now=now, actor=actor, what="return.flagged", text=reason, data=data, return_id=return_id)
