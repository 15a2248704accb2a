"""What has to be true: after each kill of the database and of what was given back so far, and of everything in the end.

Doubled: Magento holds more units, or the gateway paid more, than the returns ask for. Lost: less, or an acknowledged
delivery that is gone. Stuck: something still under way or held that nobody will ever go on with. Needless: a question
that the service had to answer by itself.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from service.core.lifecycle import SLOT_STATES, DeliveryState, RefundState
from service.core.marker import stem_of
from service.magento import MagentoClient
from service.runtime import Runtime
from service.settings import SourceSettings, StoreSettings
from service.store import RefundRow, Settlement, format_id
from tests.store.beside import scalar_of
from tests.torture.books import Given, given_by_memo, given_without_memo
from tests.torture.load import PRICES, Load, Return, Units
from tests.torture.person import Question

_FINAL = (DeliveryState.DONE, DeliveryState.IGNORED)
_MOST = 1_000_000


class Unsafe(AssertionError):
    """The database does not promise what the service rests on."""


@dataclass(kw_only=True, slots=True)
class Verdict:
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    #: Of the database, after a kill.
    damaged: list[str] = field(default_factory=list)
    memos: int = 0
    gateway_refunds: int = 0
    #: Payments that a person found without a memo.
    settled_without_memo: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.doubled or self.lost or self.stuck or self.needless or self.damaged)

    def add_doubled(self, found: Iterable[str]) -> None:
        """Once each: what is wrong after one kill is wrong after the next."""
        self.doubled += [text for text in found if text not in self.doubled]


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


# --- the questions ----------------------------------------------------------------------------------------------------


def count_calls_in_flight(runtime: Runtime, pids: Collection[int]) -> int:
    """Refund calls that workers with these process ids have begun and not said the outcome of."""
    return sum(
        any(f":{pid}/" in runtime.store.inbox.delivery(row.delivery_id).worker for pid in pids)
        for row in runtime.store.refunds.list(state=RefundState.SENDING, limit=_MOST)
    )


def judge_questions(asked: Counter[Question], *, lost_calls: int, verdict: Verdict) -> None:
    """A person may be asked where the answer to an online refund was lost and Magento has no memo of it.

    `lost_calls` is of how many refund calls a kill or a fault can have taken the answer away.
    """
    for question, times in asked.items():
        if question.code == "unknown-offline":
            verdict.needless.append(f"{times}× {question}: offline nothing can have been paid, it is sent again")
        elif question.settlement is Settlement.MEMO:
            verdict.needless.append(f"{times}× {question}: the memo carries its marker, to be found without a person")
    if asked.total() > lost_calls:
        verdict.needless.append(f"{asked.total()} questions, and {lost_calls} calls can have lost their answer")


# --- the money --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Approved:
    """What the returns may be given, by order, and by the stem that marks what was given for them."""

    returns: Mapping[str, Mapping[str, Return]]
    online_orders: frozenset[str]


def approved_by(load: Load, source: SourceSettings, store: StoreSettings, order_ids: Mapping[str, int]) -> Approved:
    """`order_ids`: increment id → entity id."""
    returns: dict[str, dict[str, Return]] = defaultdict(dict)
    for each in load.returns:
        stem = stem_of(
            namespace=source.namespace,
            instance=store.instance,
            order_id=order_ids[each.order],
            return_id=each.return_id,
        )
        returns[each.order][stem] = each
    return Approved(returns=returns, online_orders=load.online_orders)


def judge_so_far(
    approved: Approved,
    orders: Iterable[str],
    *,
    given: Mapping[str, Sequence[Given]],
    paid_back: Mapping[str, Sequence[Decimal]],
    verdict: Verdict,
) -> None:
    """That nothing is too much for these orders, in the middle of it all and before any person has answered.

    `paid_back` was read before `given`: a payment whose memo is still being made is then alone, because an order has
    one refund under way at a time.
    """
    for order in orders:
        returns = approved.returns.get(order, {})
        memos, paid = given.get(order, ()), paid_back.get(order, ())
        verdict.add_doubled(_too_much(order, memos, returns))
        verdict.add_doubled(_paid_too_much(order, memos, paid, returns, is_online=order in approved.online_orders))


def _paid_too_much(
    order: str, memos: Sequence[Given], paid: Sequence[Decimal], returns: Mapping[str, Return], *, is_online: bool
) -> Iterator[str]:
    asked = sum((each.amount for each in returns.values()), Decimal(0)) if is_online else Decimal(0)
    if sum(paid) > asked:
        yield f"order {order}: the gateway paid {sum(paid)}, {asked} were approved"
    alone = sorted((Counter(paid) - Counter(memo.amount for memo in memos)).elements())
    if len(alone) > 1:
        yield f"order {order}: the gateway paid {', '.join(map(str, alone))} without memos, one refund at a time may"
    owed = max((each.amount - _total(_of(memos, stem)) for stem, each in returns.items()), default=Decimal(0))
    if alone and alone[-1] > owed:
        yield f"order {order}: the gateway paid {alone[-1]} without a memo, and {owed} is the most a return is owed"


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
    increment_ids = {each.order: None for each in load.returns}
    orders = {each: client.read_order_by_increment(each)[0] for each in increment_ids}
    order_ids = {each: order.entity_id for each, order in orders.items()}
    approved = approved_by(load, source, runtime.store_of(source), order_ids)
    settled = _settled_without_memo(runtime)
    ours: set[int] = set()
    for increment_id, order in orders.items():
        skus = {line.item_id: line.sku for line in order.lines}
        memos = client.read_memos(order.entity_id)
        paid = paid_back.get(increment_id, ())
        ours |= {memo.entity_id for memo in memos}
        verdict.memos += len(memos)
        verdict.gateway_refunds += len(paid)
        by_memo = [given_by_memo(memo, skus) for memo in memos]
        by_person = [given_without_memo(row, skus) for row in settled[order.entity_id]]
        verdict.settled_without_memo += len(by_person)
        returns = approved.returns[increment_id]
        verdict.add_doubled(_too_much(increment_id, [*by_memo, *by_person], returns))
        verdict.lost += _too_little([*by_memo, *by_person], returns)
        is_online = increment_id in approved.online_orders
        _judge_ledger(increment_id, [*(by_memo if is_online else ()), *by_person], paid, verdict)
    _judge_rows(runtime, ours, verdict)


def _settled_without_memo(runtime: Runtime) -> Mapping[int | None, list[RefundRow]]:
    """By order, what a person said the gateway has paid without a memo."""
    settled: dict[int | None, list[RefundRow]] = defaultdict(list)
    for row in runtime.store.refunds.list(state=RefundState.DONE, limit=_MOST):
        if row.memo_id is None:
            settled[row.order_entity_id].append(row)
    return settled


def _too_much(order: str, given: Sequence[Given], returns: Mapping[str, Return]) -> Iterator[str]:
    for stem, each in returns.items():
        mine = _of(given, stem)
        for (sku, restocks), quantity in (_units(mine) - each.units).items():
            yield f"{each.return_id}: {quantity} of {sku} too many (restocked: {restocks})"
        if _total(mine) > each.amount:
            yield _amounts(each, mine)
    for one in given:
        if not one.stems & returns.keys():
            yield f"order {order}: {one.name} belongs to no return"


def _too_little(given: Sequence[Given], returns: Mapping[str, Return]) -> Iterator[str]:
    for stem, each in returns.items():
        mine = _of(given, stem)
        for (sku, restocks), quantity in (each.units - _units(mine)).items():
            yield f"{each.return_id}: {quantity} of {sku} not given back (restocked: {restocks})"
        if _total(mine) < each.amount:
            yield _amounts(each, mine)


def _amounts(each: Return, mine: Sequence[Given]) -> str:
    return f"{each.return_id} of order {each.order}: {_total(mine)} given back, {each.amount} were approved"


def _of(given: Iterable[Given], stem: str) -> list[Given]:
    return [one for one in given if stem in one.stems]


def _total(given: Iterable[Given]) -> Decimal:
    return sum((one.amount for one in given), Decimal(0))


def _units(given: Iterable[Given]) -> Units:
    units: Units = Counter()
    for one in given:
        units.update(one.units)
    assert all(sku in PRICES for sku, _ in units)
    return units


def _judge_ledger(increment_id: str, given: Sequence[Given], paid: Sequence[Decimal], verdict: Verdict) -> None:
    booked = Counter(one.amount for one in given)
    for amount, times in (Counter(paid) - booked).items():
        verdict.doubled.append(
            f"order {increment_id}: the gateway paid {amount} {times} times more than memos and people say"
        )
    for amount, times in (booked - Counter(paid)).items():
        verdict.lost.append(
            f"order {increment_id}: memos and people say {amount} {times} times more than the gateway paid"
        )


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
        name = format_id("refund", refund.id)
        if refund.state in SLOT_STATES:
            yield f"{name} is {refund.state} ({refund.reason_code}: {refund.reason})"
        elif refund.needs_person:
            # Nobody refunds by hand here, so a later look that raises an alarm about a refund is mistaken.
            yield f"{name} is {refund.state} and needs a person ({refund.reason_code}: {refund.reason})"
    for case in runtime.store.returns.list(needs_person=True, limit=_MOST):
        yield f"{format_id('return', case.id)} needs a person: {case.reason_code}: {case.reason}"
