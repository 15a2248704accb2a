"""Refunds of unknown outcome, looked for in Magento at once instead of at their time.

Looking never decides that nothing happened: only `settle_seconds` proves that (reconcile.py). What is found is woken
up, and the worker writes it down under its claim as always.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from service.core.lifecycle import RefundState
from service.core.marker import memo_with
from service.errors import MagentoError
from service.runtime import Runtime
from service.store import RefundRow, told_moment

#: More refunds than this are never of unknown outcome while anybody looks after the service.
_MOST = 1000


class Sight(StrEnum):
    FOUND = "found"
    NOT_FOUND = "not found"
    NOT_READ = "not read"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """What a look in Magento gave for one refund; `text` says what happens next."""

    refund: RefundRow
    sight: Sight
    memo_id: int | None = None
    text: str


def look_for_unknown(runtime: Runtime, actor: str, *, store: str | None = None) -> tuple[Sighting, ...]:
    """Look for the memo of every refund of unknown outcome, of one store or of all."""
    rows = runtime.store.refunds.list(state=RefundState.UNKNOWN, limit=_MOST)
    stores = {row.id: runtime.store.returns.case(row.return_id).store for row in rows}
    return tuple(_look(runtime, row, stores[row.id], actor) for row in rows if store in (None, stores[row.id]))


def _look(runtime: Runtime, row: RefundRow, store: str, actor: str) -> Sighting:
    magento = runtime.magento.get(store)
    if magento is None:
        return Sighting(refund=row, sight=Sight.NOT_READ, text=f"store '{store}' is not configured any more")
    assert row.order_entity_id is not None, "a refund is sent for a known order"
    assert row.marker is not None, "a refund is sent with a marker"
    try:
        memo = memo_with(row.marker, magento.read_memos(row.order_entity_id))
    except MagentoError as error:
        return Sighting(refund=row, sight=Sight.NOT_READ, text=error.message)
    if memo is None:
        return Sighting(refund=row, sight=Sight.NOT_FOUND, text=_what_next(runtime, row))
    runtime.store.inbox.wake(delivery_id=row.delivery_id, now=runtime.clock(), actor=actor)
    text = f"credit memo {memo.increment_id} carries its marker; the worker finishes it"
    return Sighting(refund=row, sight=Sight.FOUND, memo_id=memo.entity_id, text=text)


def _what_next(runtime: Runtime, row: RefundRow) -> str:
    if row.needs_person:
        return row.reason
    now = runtime.clock()
    if row.settle_at is not None and now < row.settle_at:
        return f"Magento may still be working; decided at {told_moment(row.settle_at, now)}"
    return "the worker decides at its next look"
