"""What Magento knows of our refunds and this database does not, after a restore or an empty start.

Every refund of ours says so in its memo's comment, so one search over all memos tells what was forgotten. It does not
tell of payments without a memo: that is why a person compares with the gateway before the guard is lifted.
Source: recordings/comment-marker.json, gateway-slow-client-timeout.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from service.core.marker import MARKER_START, markers_of, stem_of
from service.core.orders import CreditMemo
from service.errors import Conflict, MagentoError
from service.magento import MagentoClient
from service.runtime import Runtime
from service.settings import StoreSettings
from service.store import FoundMarker, Guard, RefundRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What one Magento knows, beside what we know. `problem` instead, where it could not be read."""

    store: str
    instance: str
    since: datetime | None
    guard: Guard | None
    #: Memos with a marker of ours, and what they come to in the base currency.
    memos: int = 0
    base_total: Decimal = Decimal(0)
    #: Those that this database never sent, and that nobody has accepted yet.
    forgotten: tuple[FoundMarker, ...] = ()
    #: The other way round: refunds that are done here and whose memo Magento does not show.
    missing: tuple[RefundRow, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    instance: str
    #: Deliveries that waited for this and are due now.
    woken: int


def search_forgotten(
    runtime: Runtime, actor: str, *, store: str | None = None, since: datetime | None = None
) -> tuple[Search, ...]:
    """Search every Magento (or one store's) for memos of ours, and keep what this database did not know.

    `since` bounds the search; without it, it begins where the database is certain to be complete.
    """
    return tuple(_search(runtime, settings, actor, since) for settings in _one_store_each(runtime, store))


def accept_forgotten(runtime: Runtime, actor: str, *, store: str | None = None) -> tuple[Accepted, ...]:
    """A person has compared what was found with the gateway: refunds that move money go on.

    Conflict where nothing is held back, or nobody has searched yet; then nothing at all is accepted.
    """
    held = [each.instance for each in _one_store_each(runtime, store) if runtime.store.guards.of(each.instance)]
    if not held:
        raise Conflict("no online refunds are held back; there is nothing to accept")
    now = runtime.clock()
    return tuple(
        Accepted(instance=instance, woken=runtime.store.guards.accept(instance, actor, now)) for instance in held
    )


def _one_store_each(runtime: Runtime, store: str | None) -> Sequence[StoreSettings]:
    """One store of each installation: store views of one Magento see the same memos."""
    chosen = [each for name, each in runtime.settings.stores.items() if store in (None, name)]
    return list({each.instance: each for each in reversed(chosen)}.values())


def _search(runtime: Runtime, settings: StoreSettings, actor: str, since: datetime | None) -> Search:
    store, instance, now = runtime.store, settings.instance, runtime.clock()
    guard = store.guards.of(instance)
    begin = since or (guard.known_until if guard is not None else None)
    try:
        memos = _read_our_memos(runtime.magento[settings.name], begin)
    except MagentoError as error:
        return Search(store=settings.name, instance=instance, since=begin, guard=guard, problem=error.message)
    known = store.refunds.known_markers(instance)
    new = [
        _found(runtime, instance, memo, str(marker), now)
        for memo in memos
        for marker in markers_of(memo)
        if str(marker) not in known
    ]
    if new:
        store.guards.set(instance, f"Magento holds {len(new)} refunds of ours that this database does not know", now)
    store.guards.keep_found(instance, new, actor, now)
    return Search(
        store=settings.name,
        instance=instance,
        since=begin,
        guard=store.guards.of(instance),
        memos=len(memos),
        base_total=sum((memo.base.grand_total for memo in memos), Decimal(0)),
        forgotten=store.guards.found(instance, accepted=False),
        missing=_missing(runtime, instance, memos, begin),
    )


def _read_our_memos(magento: MagentoClient, since: datetime | None) -> tuple[CreditMemo, ...]:
    return tuple(memo for memo in magento.find_memos(MARKER_START, since=since) if markers_of(memo))


def _found(runtime: Runtime, instance: str, memo: CreditMemo, marker: str, now: datetime) -> FoundMarker:
    return FoundMarker(
        instance=instance,
        marker=marker,
        order_entity_id=memo.order_id,
        memo_id=memo.entity_id,
        memo_created_at=memo.created_at,
        base_total=memo.base.grand_total,
        return_id=_return_of(runtime, instance, memo.order_id, marker),
        found_at=now,
        accepted_at=None,
        accepted_by="",
    )


def _return_of(runtime: Runtime, instance: str, order_id: int, marker: str) -> int | None:
    """The known return that a marker was made from. Its plan needs no telling: it reads the memo with the order."""
    for case in runtime.store.returns.that_may_be_of(instance, order_id):
        stem = stem_of(namespace=case.namespace, instance=instance, order_id=order_id, return_id=case.event.return_id)
        if marker.startswith(f"{stem}-"):
            return case.id
    return None


def _missing(
    runtime: Runtime, instance: str, memos: Sequence[CreditMemo], since: datetime | None
) -> tuple[RefundRow, ...]:
    there = {memo.entity_id for memo in memos}
    return tuple(
        row
        for row in runtime.store.refunds.done_since(instance, since)
        if row.memo_id not in there and _carried_its_marker(row)
    )


def _carried_its_marker(row: RefundRow) -> bool:
    """False for a memo that a person named for it: the search cannot find that."""
    return any(row.marker and row.marker in comment for comment in (row.memo or {}).get("comments", ()))
