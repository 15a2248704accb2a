"""What became of a refund after we saw it done: an order that is read again must still say what it said.

Providers' webhooks book a second memo, plugins overwrite one, staff refund by hand in the same minute, and two refunds
at once both succeed while the order counts one of them. None of it shows when the memo is read back; all of it shows a
few minutes later. Each rule gives both sides; anything it finds is an alarm for a person, because nothing of it can be
taken back by a machine.
Source: recordings/concurrent-identical-online.json, concurrent-two-items-offline.json, online-flag-variants.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from service.core.marker import markers_of
from service.core.orders import CreditMemo, Order, Reading
from service.core.plan import RefundRequest, Route
from service.core.wording import money, units

#: Magento rounds the order's counter with every memo, and keeps four places in the memo: decimal-qty.json.
_ROUNDING_PER_MEMO = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderBefore:
    """What the reading said that a refund was planned from; amounts are counters in the base currency."""

    read_at: datetime
    memo_ids: tuple[int, ...]
    refunded: Decimal
    offline_refunded: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundFacts:
    """One refund as we know it to be done."""

    request: RefundRequest
    memo_id: int
    #: The memo as it was read back; None where it never was.
    memo_then: CreditMemo | None = None
    #: None for a refund whose reading was not kept: then memos older than ours count as known.
    before: OrderBefore | None = None
    #: Memos of this order that refunds of ours made, this refund's included. A marker of ours is not enough: its call
    #: may have been taken for lost, and another sent in its place.
    our_memos: frozenset[int]
    #: Markers of refunds of ours whose memo is not known yet.
    awaited: frozenset[str] = frozenset()
    #: Memos that a person has said what they are.
    explained: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """One thing that is not as it was. `code` is stable."""

    code: str
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, Magento has {self.found}"


class _Sides(NamedTuple):
    subject: str
    expected: str
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftRule:
    code: str
    meaning: str
    find: Callable[[RefundFacts, Reading], Iterator[_Sides]]


def find_drift(facts: RefundFacts, reading: Reading) -> tuple[Drift, ...]:
    """Everything that a later reading of the order (its memos included) has against a refund that was done."""
    return tuple(
        Drift(code=rule.code, subject=sides.subject, expected=sides.expected, found=sides.found)
        for rule in DRIFT_RULES
        for sides in rule.find(facts, reading)
    )


# --- our memo ---------------------------------------------------------------------------------------------------------


def _missing(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    if _ours(facts, reading) is None:
        others = ", ".join(str(memo.entity_id) for memo in reading.memos) or "none"
        yield _Sides("the order's memos", f"{facts.memo_id} among them", others)


def _marker_twice(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    marker = facts.request.marker
    carrying = [memo for memo in reading.memos if marker in map(str, markers_of(memo))]
    if len(carrying) > 1:
        yield _Sides(f"memos that carry {marker}", "one", _listed(carrying, reading))


def _changed(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    then, now = facts.memo_then, _ours(facts, reading)
    if then is None or now is None:
        return
    if then.base.grand_total != now.base.grand_total:
        yield _Sides(f"memo {facts.memo_id}, base total", money(then.base.grand_total), money(now.base.grand_total))
    for item_id in sorted({line.order_item_id for line in (*then.lines, *now.lines)}):
        if then.qty_of(item_id) != now.qty_of(item_id):
            said = f"memo {facts.memo_id}, quantity of item {item_id}"
            yield _Sides(said, units(then.qty_of(item_id)), units(now.qty_of(item_id)))


# --- memos of others --------------------------------------------------------------------------------------------------


def _at_once(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    foreign = [memo for memo in _unexplained(facts, reading) if memo.entity_id < facts.memo_id]
    if foreign:
        yield _Sides("memos between our reading and our call", "none", _listed(foreign, reading))


def _second_memo(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    foreign = [memo for memo in _unexplained(facts, reading) if memo.entity_id > facts.memo_id]
    if foreign:
        yield _Sides(f"memos on the same lines since {facts.memo_id}", "none", _listed(foreign, reading))


def _unexplained(facts: RefundFacts, reading: Reading) -> Iterator[CreditMemo]:
    """Memos that are new since the reading, touch the refund's lines or have none, and that nobody answered for."""
    # A second memo with this refund's own marker is told by itself.
    not_asked = facts.awaited | {facts.request.marker}
    touched = _meant(facts.request, reading.order)
    for memo in reading.memos:
        is_old = memo.entity_id in facts.before.memo_ids if facts.before else memo.entity_id < facts.memo_id
        is_ours = memo.entity_id in facts.our_memos or any(str(each) in not_asked for each in markers_of(memo))
        if memo.entity_id == facts.memo_id or memo.entity_id in facts.explained or is_old or is_ours:
            continue
        if not memo.lines or any(line.order_item_id in touched and line.qty > 0 for line in memo.lines):
            yield memo


def _meant(request: RefundRequest, order: Order) -> frozenset[int]:
    """The refund's lines, and those that may have been meant instead: whoever refunds by hand picks either of them.

    As in planning: lines of one SKU, and lines of one product whose options extend its SKU.
    """
    asked = {item.order_item_id for item in request.items}
    lines = [line for line in order.lines if line.item_id in asked]
    skus = {line.sku for line in lines}
    with_options = {line.name for line in lines if line.has_custom_options}
    alike = {
        line.item_id
        for line in order.lines
        if line.sku in skus or (line.has_custom_options and line.name in with_options)
    }
    return frozenset(asked | alike)


# --- the order's counters ---------------------------------------------------------------------------------------------


def _totals_back(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    """Less than all memos together means that two of them were made at once; less than before, that one was undone."""
    expected = sum((memo.base.grand_total for memo in reading.memos), Decimal(0))
    if facts.before is not None and facts.memo_then is not None:
        expected = max(expected, facts.before.refunded + facts.memo_then.base.grand_total)
    found = reading.order.base.refunded
    if found + _rounding(reading) < expected:
        currency = reading.order.base_currency
        yield _Sides("the order's refunded total", f"at least {money(expected, currency)}", money(found, currency))


def _booked_offline(facts: RefundFacts, reading: Reading) -> Iterator[_Sides]:
    """An online order's money that was only booked: somebody thinks that it was paid back, and no gateway was asked."""
    if facts.request.route is not Route.INVOICE:
        return
    ours = _ours(facts, reading)
    # One that a person named is the booking of a payment that is known, made by hand and without the gateway.
    if ours is not None and not ours.transaction_id and facts.memo_id not in facts.explained:
        yield _Sides(f"memo {facts.memo_id}, gateway transaction", "one", "none: no money may have moved")
    if facts.before is None:
        return
    new = [memo for memo in reading.memos if memo.entity_id not in facts.before.memo_ids and not memo.transaction_id]
    known = sum((memo.base.grand_total for memo in new if memo.entity_id in facts.explained), Decimal(0))
    expected, found = facts.before.offline_refunded + known, reading.order.base.offline_refunded
    if found > expected + _rounding(reading):
        currency = reading.order.base_currency
        yield _Sides("booked as refunded offline", money(expected, currency), money(found, currency))


def _rounding(reading: Reading) -> Decimal:
    return _ROUNDING_PER_MEMO * len(reading.memos)


def _ours(facts: RefundFacts, reading: Reading) -> CreditMemo | None:
    return next((memo for memo in reading.memos if memo.entity_id == facts.memo_id), None)


def _listed(memos: list[CreditMemo], reading: Reading) -> str:
    currency = reading.order.base_currency
    return ", ".join(f"{memo.entity_id} of {money(memo.base.grand_total, currency)}" for memo in memos)


#: The first that finds something names the alarm, so the ones that cost money stand first.
DRIFT_RULES: tuple[DriftRule, ...] = (
    DriftRule(
        code="drift-marker-twice",
        meaning="two memos carry the marker of one refund: one call was carried out twice",
        find=_marker_twice,
    ),
    DriftRule(
        code="drift-at-once",
        meaning="somebody else refunded the same lines between our reading and our call",
        find=_at_once,
    ),
    DriftRule(
        code="drift-second-memo",
        meaning="a later memo that nobody has explained is on the same lines, or on none",
        find=_second_memo,
    ),
    DriftRule(
        code="drift-memo-missing",
        meaning="our memo is not on the order any more",
        find=_missing,
    ),
    DriftRule(
        code="drift-memo-changed",
        meaning="our memo says another amount or other units than when it was read back",
        find=_changed,
    ),
    DriftRule(
        code="drift-booked-offline",
        meaning="on an order paid online, money is booked as refunded that no gateway paid",
        find=_booked_offline,
    ),
    DriftRule(
        code="drift-totals-back",
        meaning="the order counts less as refunded than its memos, or than before: one was undone, or two were at once",
        find=_totals_back,
    ),
)
