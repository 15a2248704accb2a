"""What has to be true: after each kill of the database, and in the end of the money.

Doubled: Magento holds more units, or the gateway paid more, than the returns ask for. Lost: less, or an acknowledged
delivery that is gone. Stuck: something still under way or held that nobody will ever go on with.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from service.core.lifecycle import SLOT_STATES, DeliveryState, RefundState
from service.core.marker import markers_of, stem_of
from service.core.orders import CreditMemo, Order
from service.magento import MagentoClient
from service.runtime import Runtime
from service.settings import SourceSettings, StoreSettings
from service.store import format_id
from tests.store.beside import scalar_of
from tests.torture.load import PRICES, Load, Return, Units

_FINAL = (DeliveryState.DONE, DeliveryState.IGNORED)
_MOST = 1_000_000


class Unsafe(AssertionError):
    """The database does not promise what the service rests on."""


@dataclass(kw_only=True, slots=True)
class Verdict:
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    #: Of the database, after a kill.
    damaged: list[str] = field(default_factory=list)
    memos: int = 0
    gateway_refunds: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.doubled or self.lost or self.stuck or self.damaged)


# --- the database -----------------------------------------------------------------------------------------------------


def check_pragmas(runtime: Runtime) -> str:
    """The settings that decide about power cuts, as the service's own connections have them; killing tests none."""
    with runtime.store.database.read() as tx:
        synchronous = scalar_of(tx, "PRAGMA synchronous")
        journal_mode = scalar_of(tx, "PRAGMA journal_mode")
    if (synchronous, journal_mode) != (2, "wal"):
        raise Unsafe(f"synchronous={synchronous}, journal_mode={journal_mode}: FULL (2) and wal are promised")
    return "synchronous=FULL journal_mode=wal"


def check_database(file: Path, acknowledged: Mapping[int, str], verdict: Verdict) -> None:
    """The file as a process finds it that opens it after a kill: sound, and with every acknowledged delivery."""
    try:
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
            stored = dict(connection.execute("SELECT id, body_sha256 FROM deliveries").fetchall())
    except sqlite3.DatabaseError as error:
        verdict.damaged.append(str(error))
        return
    if said != "ok":
        verdict.damaged.append(f"integrity_check: {said}")
    for delivery_id, sha256 in acknowledged.items():
        text = f"{format_id('delivery', delivery_id)} was acknowledged and is not in the database"
        if stored.get(delivery_id) != sha256 and text not in verdict.lost:
            verdict.lost.append(text)


def count_landed(file: Path) -> Counter[str]:
    """What refunds were doing when their worker died, by the journal of those that took over; waiting ones left out."""
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        found = connection.execute(
            "SELECT text, count(*) FROM journal WHERE what = 'refund.taken-over' GROUP BY text"
        ).fetchall()
    return Counter({text: times for text, times in found if text != "found unknown"})


def count_under_way(runtime: Runtime) -> int:
    counts = runtime.store.inbox.counts()
    return sum(counts[state] for state in DeliveryState if state not in _FINAL)


# --- the money --------------------------------------------------------------------------------------------------------


def judge(
    runtime: Runtime,
    client: MagentoClient,
    source: SourceSettings,
    *,
    load: Load,
    paid_back: Mapping[str, Sequence[Decimal]],
    verdict: Verdict,
) -> None:
    """Compare Magento's memos, the gateway's ledger and our own rows with what the returns ask for."""
    store = runtime.store_of(source)
    returns_of: dict[str, list[Return]] = defaultdict(list)
    for each in load.returns:
        returns_of[each.order].append(each)
    ours: set[int] = set()
    for increment_id, returns in returns_of.items():
        order = client.read_order_by_increment(increment_id)[0]
        memos = client.read_memos(order.entity_id)
        ours |= {memo.entity_id for memo in memos}
        verdict.memos += len(memos)
        verdict.gateway_refunds += len(paid_back.get(increment_id, ()))
        markers = _Markers(source=source, store=store, order_id=order.entity_id)
        _judge_order(order, memos, returns, markers, verdict)
        is_online = increment_id in load.online_orders
        _judge_ledger(increment_id, memos if is_online else (), paid_back.get(increment_id, ()), verdict)
    _judge_rows(runtime, ours, verdict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Markers:
    source: SourceSettings
    store: StoreSettings
    order_id: int

    def are_on(self, memo: CreditMemo, return_id: str) -> bool:
        stem = stem_of(
            namespace=self.source.namespace,
            instance=self.store.instance,
            order_id=self.order_id,
            return_id=return_id,
        )
        return any(marker.stem == stem for marker in markers_of(memo))


def _judge_order(
    order: Order, memos: Sequence[CreditMemo], returns: Iterable[Return], markers: _Markers, verdict: Verdict
) -> None:
    skus = {line.item_id: line.sku for line in order.lines}
    unexplained = {memo.entity_id for memo in memos}
    for each in returns:
        mine = [memo for memo in memos if markers.are_on(memo, each.return_id)]
        unexplained -= {memo.entity_id for memo in mine}
        _judge_units(each, _units_of(mine, skus), verdict)
        total = sum((memo.base.grand_total for memo in mine), Decimal(0))
        if total != each.amount:
            (verdict.doubled if total > each.amount else verdict.lost).append(
                f"{each.return_id} of order {each.order}: memos of {total}, {each.amount} were approved"
            )
    for memo_id in sorted(unexplained):
        verdict.doubled.append(f"order {order.increment_id}: memo {memo_id} belongs to no return")


def _units_of(memos: Iterable[CreditMemo], skus: Mapping[int, str]) -> Units:
    units: Units = Counter()
    for memo in memos:
        restocks = any(marker.restocks for marker in markers_of(memo))
        for line in memo.lines:
            if line.qty:
                units[skus[line.order_item_id], restocks] += int(line.qty)
    return units


def _judge_units(each: Return, given: Units, verdict: Verdict) -> None:
    assert all(sku in PRICES for sku, _ in given)
    for (sku, restocks), quantity in ((given - each.units) + Counter()).items():
        verdict.doubled.append(f"{each.return_id}: {quantity} of {sku} too many (restocked: {restocks})")
    for (sku, restocks), quantity in ((each.units - given) + Counter()).items():
        verdict.lost.append(f"{each.return_id}: {quantity} of {sku} not given back (restocked: {restocks})")


def _judge_ledger(increment_id: str, memos: Sequence[CreditMemo], paid: Sequence[Decimal], verdict: Verdict) -> None:
    booked = Counter(memo.base.grand_total for memo in memos)
    for amount, times in (Counter(paid) - booked).items():
        verdict.doubled.append(f"order {increment_id}: the gateway paid {amount} {times} times more than memos say")
    for amount, times in (booked - Counter(paid)).items():
        verdict.lost.append(f"order {increment_id}: memos say {amount} {times} times more than the gateway paid")


def _judge_rows(runtime: Runtime, in_magento: set[int], verdict: Verdict) -> None:
    verdict.stuck += _stuck(runtime)
    known = {row.memo_id for row in runtime.store.refunds.list(state=RefundState.DONE, limit=_MOST)}
    verdict.lost += [f"memo {memo_id} is in Magento and not in our rows" for memo_id in sorted(in_magento - known)]
    unheard = sorted(memo_id for memo_id in known - in_magento if memo_id is not None)
    verdict.lost += [f"memo {memo_id} is in our rows and not in Magento" for memo_id in unheard]


def _stuck(runtime: Runtime) -> Iterator[str]:
    for delivery in runtime.store.inbox.list(limit=_MOST):
        if delivery.state not in _FINAL:
            name = format_id("delivery", delivery.id)
            yield f"{name} is {delivery.state} ({delivery.reason_code}: {delivery.reason}), tried {delivery.attempts}×"
    for refund in runtime.store.refunds.list(limit=_MOST):
        if refund.state in SLOT_STATES:
            yield f"{format_id('refund', refund.id)} is {refund.state} ({refund.reason_code}: {refund.reason})"
    for case in runtime.store.returns.list(needs_person=True, limit=_MOST):
        yield f"{format_id('return', case.id)} needs a person: {case.reason_code}: {case.reason}"
