"""Compares what came of each scenario with what had to: memos read back from the store, its ledger, calls and stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from service.commands.demo.play import Posted
from service.commands.demo.scenarios import SCENARIOS, Memo, Scenario
from service.commands.demo.stage import Stage
from service.core.marker import markers_of
from service.core.orders import CreditMemo
from service.core.plan import Route
from service.core.wording import money
from service.magento import MagentoClient
from service.sandbox.gateway import LedgerLine
from service.store import Delivery, Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one scenario. `differences` is empty when all was as expected."""

    scenario: Scenario
    memos: tuple[CreditMemo, ...]
    reason: str
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was compared over all scenarios."""

    what: str
    differences: tuple[str, ...]


def read_outcomes(stage: Stage, store: Store, posted: Sequence[Posted]) -> tuple[Outcome, ...]:
    """Each scenario as the sandbox store and our database have it now."""
    client = MagentoClient(stage.settings.stores["sandbox"])
    try:
        return tuple(_read_outcome(stage, store, client, scenario, posted) for scenario in SCENARIOS)
    finally:
        client.close()


def check_everything(stage: Stage, units_before: Mapping[str, Decimal], posted: Sequence[Posted]) -> tuple[Check, ...]:
    """What no scenario shows by itself: that nothing else happened."""
    return (
        Check(what="every event was accepted, every redelivery recognised", differences=tuple(_bad_answers(posted))),
        Check(what="refund calls that reached Magento", differences=tuple(_call_differences(stage))),
        Check(what="units back on the shelf", differences=tuple(_stock_differences(stage, units_before))),
    )


def memo_route(memo: CreditMemo) -> Route:
    return Route.ORDER if memo.invoice_id is None else Route.INVOICE


def is_restocked(memo: CreditMemo) -> bool:
    """As our marker says it: the memo itself does not."""
    return any(marker.restocks for marker in markers_of(memo))


def units_on_hand(stage: Stage) -> dict[str, Decimal]:
    return dict(stage.sandbox.store.shop.stock.read())


# --- one scenario -----------------------------------------------------------------------------------------------------


def _read_outcome(
    stage: Stage, store: Store, client: MagentoClient, scenario: Scenario, posted: Sequence[Posted]
) -> Outcome:
    order_id = next(order.entity_id for order in stage.sandbox.orders if order.increment_id == scenario.order)
    memos = client.read_memos(order_id)
    ids = [number for each in posted if each.scenario is scenario for number in each.delivery_ids]
    last = store.inbox.delivery(ids[-1]) if ids else None
    return Outcome(
        scenario=scenario,
        memos=memos,
        reason=last.reason if last else "nothing was accepted",
        differences=tuple(_differences(stage, scenario, memos, last)),
    )


def _differences(
    stage: Stage, scenario: Scenario, memos: Sequence[CreditMemo], delivery: Delivery | None
) -> Iterator[str]:
    if delivery is None:
        yield "no delivery was accepted"
        return
    if delivery.state is not scenario.state:
        yield f"the delivery is {delivery.state} ({delivery.reason}), expected {scenario.state}"
    if scenario.code and delivery.reason_code != scenario.code:
        yield f"a person is asked about {delivery.reason_code}, expected {scenario.code}"
    wanted, got = Counter(map(_said, scenario.memos)), Counter(map(_read, memos))
    if wanted != got:
        yield f"memos: {_listed(got)}; expected {_listed(wanted)}"
    if any(not tuple(markers_of(memo)) for memo in memos):
        yield "a memo carries no marker of ours"
    paid = sum((line.amount for line in _ledger(stage, scenario.order)), Decimal(0))
    online = sum((memo.total for memo in scenario.memos if memo.route is Route.INVOICE), Decimal(0))
    if paid != online:
        yield f"the gateway paid back {money(paid)}, expected {money(online)}"


def _said(memo: Memo) -> str:
    return _memo_text(memo.total, memo.route, is_restocked=bool(memo.to_stock))


def _read(memo: CreditMemo) -> str:
    return _memo_text(memo.base.grand_total, memo_route(memo), is_restocked=is_restocked(memo))


def _memo_text(total: Decimal, route: Route, *, is_restocked: bool) -> str:
    return f"{money(total)} by the {route} route{', restocked' if is_restocked else ''}"


def _listed(memos: Counter[str]) -> str:
    return "; ".join(sorted(memos.elements())) or "none"


def _ledger(stage: Stage, order: str) -> Iterator[LedgerLine]:
    return (line for line in stage.sandbox.store.gateway.ledger if line.what == "refund" and line.order == order)


# --- all of them ------------------------------------------------------------------------------------------------------


def _bad_answers(posted: Sequence[Posted]) -> Iterator[str]:
    for each in posted:
        statuses = [answer.status for answer in each.answers]
        wanted = [202] + [200] * (len(statuses) - 1)
        if statuses != wanted:
            yield f"{each.scenario.return_id} was answered {statuses}, expected {wanted}: {each.answers[0].body[:200]}"
        elif len(set(each.delivery_ids)) != 1:
            yield f"{each.scenario.return_id} was stored as several deliveries"


def _call_differences(stage: Stage) -> Iterator[str]:
    wanted = sum(len(scenario.memos) for scenario in SCENARIOS)
    if len(stage.refund_calls) != wanted:
        yield f"{len(stage.refund_calls)} calls, expected {wanted}: one for each credit memo"


def _stock_differences(stage: Stage, before: Mapping[str, Decimal]) -> Iterator[str]:
    wanted: Counter[str] = Counter()
    for scenario in SCENARIOS:
        for memo in scenario.memos:
            wanted.update(memo.to_stock)
    after = units_on_hand(stage)
    for sku in sorted({*before, *after}):
        moved = after.get(sku, Decimal(0)) - before.get(sku, Decimal(0))
        if moved != wanted[sku]:
            yield f"{sku}: {moved} units came back, expected {wanted[sku]}"
