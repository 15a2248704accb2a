"""One order from its first partial return to its last, planned by the service and counted by the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil
from random import Random

from service.core.orders import CreditMemo, Reading
from service.core.plan import Plan, PlannedRefund, Verdict
from service.core.planning import plan_refunds
from service.core.policy import Amounts, PaymentRules, Policy, ShippingRule, ShippingRuleKind, SourcePolicy, StorePolicy
from service.core.returns import ApprovedReturn, OrderReference, PortalAmount, ReturnedPart, ReturnEvent, ReturnLine
from tests.core.builders import made
from tests.oracle.model import BASE, CURRENCIES, SHOWN, Asked
from tests.oracle.orders import Sold, cents, draw_order
from tests.oracle.sandbox import SandboxOpinion

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
#: A memo is the exact share of what was left, but for the half cent that its last rounding could not hand on.
OFF_BY_CENTS = Fraction(1, 2)


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What playing some orders came to. `differences` is what must stay empty."""

    orders: int = 0
    memos: int = 0
    #: Orders of which every unit came back, and whose sum was compared with what was paid.
    complete: int = 0
    #: Question codes of plans that went to a person, after which the order is left alone.
    asked: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.orders += other.orders
        self.memos += other.memos
        self.complete += other.complete
        self.asked += other.asked
        self.differences += other.differences


def play_orders(seed: int, first: int, count: int, *, with_sandbox: bool = False) -> Outcome:
    """Orders `first` to `first + count` of a seed; each can be played again alone, and in the sandbox as well."""
    outcome = Outcome()
    for number in range(first, first + count):
        play = _Play(Random(f"{seed}:{number}"), f"--seed {seed} --first {number} --orders 1", outcome)
        play.run(with_sandbox=with_sandbox)
    return outcome


class _Play:
    def __init__(self, random: Random, replay: str, outcome: Outcome) -> None:
        self._random, self._replay, self._outcome = random, replay, outcome
        self._sold: Sold = draw_order(random)
        self._reading: Reading = self._sold.reading
        self._paid = cents(self._reading.order.base.paid)
        self._kept = Fraction(0)
        # Apart, so that an order is the same with and without figures.
        self._figures = _Figures(Random(f"{replay}:figures"))
        self._sandbox: SandboxOpinion | None = None

    def run(self, *, with_sandbox: bool) -> None:
        self._outcome.orders += 1
        if with_sandbox:
            self._sandbox = SandboxOpinion(self._reading)
        policy = self._draw_policy()
        returns = self._draw_returns()
        for without_figure in returns:
            approved = self._figures.told(without_figure, self._reading, policy)
            plan = plan_refunds(approved, self._reading, policy)
            if plan.verdict is Verdict.PERSON:
                self._outcome.asked[plan.questions[0].code] += 1
                return
            self._check(plan.verdict is Verdict.REFUND, f"a plan to refund expected, not {plan.verdict}")
            if plan.verdict is not Verdict.REFUND:
                return
            self._make(plan)
            for broken in self._figures.broken_promises(approved, self._reading):
                self._differ(broken)
            again = plan_refunds(approved, self._reading, policy)
            self._check(again.verdict is Verdict.NOTHING, f"planned again, the difference is {again.verdict}")
        if self._figures.amounts is Amounts.COMPUTE:
            self._check_fees(returns)
        kept = (memo.base.adjustment_negative - memo.base.adjustment_positive for memo in self._reading.memos)
        self._kept = cents(sum(kept, Decimal(0)))
        self._check_all_came_back()

    # --- what comes back --------------------------------------------------------------------------------------------

    def _draw_policy(self) -> Policy:
        kind = self._random.choice(list(ShippingRuleKind))
        amount = Decimal(self._random.randint(1, 400)) / 100 if kind is ShippingRuleKind.PER_UNIT else Decimal(0)
        return Policy(
            store=StorePolicy(
                payments=PaymentRules(offline=("banktransfer",), online=("sandbox*",)),
                shipping={"default": ShippingRule(kind=kind, amount=amount)},
            ),
            source=SourcePolicy(amounts=self._figures.amounts, amounts_include_tax=True),
        )

    def _draw_returns(self) -> list[ApprovedReturn]:
        """One or two returns, each said in up to three events that state all that was approved so far."""
        random, left = self._random, dict(self._sold.returnable)
        events: list[ApprovedReturn] = []
        approved: dict[str, dict[tuple[int, str], Decimal]] = {}
        fees: dict[str, Decimal] = {}
        for _ in range(random.randint(1, 5)):
            return_id = random.choice(["RMA-1", "RMA-2"])
            said = approved.setdefault(return_id, {})
            comes_back = self._draw_units(left, everything=random.random() < 0.3)
            if not comes_back:
                continue
            for item_id, units in comes_back.items():
                key = (item_id, random.choice(["sellable", "damaged"]))
                said[key] = said.get(key, Decimal(0)) + units
                left[item_id] -= units
            if random.random() < 0.2:
                fees[return_id] = fees.get(return_id, Decimal(0)) + Decimal(random.randint(1, 60)) / 100
            events.append(self._event(return_id, said, fees.get(return_id, Decimal(0)), len(events)))
        return events

    def _draw_units(self, left: dict[int, Decimal], *, everything: bool) -> dict[int, Decimal]:
        lines = {line.item_id: line for line in self._reading.order.lines}
        drawn: dict[int, Decimal] = {}
        for item_id, units in left.items():
            if everything:
                drawn[item_id] = units
            elif lines[item_id].is_qty_decimal:
                drawn[item_id] = Decimal(self._random.randint(0, int(units * 100))) / 100
            else:
                drawn[item_id] = Decimal(self._random.randint(0, int(units)))
        return {item_id: units for item_id, units in drawn.items() if units}

    def _event(
        self, return_id: str, said: dict[tuple[int, str], Decimal], fees: Decimal, number: int
    ) -> ApprovedReturn:
        lines = tuple(
            ReturnLine(order_item_id=item_id, parts=(ReturnedPart(quantity=units, disposition=disposition),))
            for (item_id, disposition), units in said.items()
        )
        event = ReturnEvent(
            event_id=f"evt_{number}",
            type="return.approved",
            return_id=return_id,
            order=OrderReference(increment_id="000000264"),
            lines=lines,
            fees=fees,
            occurred_at=NOW,
        )
        return ApprovedReturn(
            namespace="warehouse",
            instance="https://shop.example",
            source="warehouse",
            event=event,
            known_since=NOW,
        )

    # --- what goes back ---------------------------------------------------------------------------------------------

    def _make(self, plan: Plan) -> None:
        for refund in plan.refunds:
            self._outcome.memos += 1
            totals = self._sold.sale.give_back(_asked(refund))
            self._compare(refund, totals)
            self._ask_sandbox(refund)
            self._reading = made(self._reading, refund)
            for broken in self._broken_promises():
                self._differ(broken)

    def _compare(self, refund: PlannedRefund, totals: dict[str, Fraction]) -> None:
        predicted = {BASE: refund.predicted.base_grand_total, SHOWN: refund.predicted.grand_total}
        sale, invoice_id = self._sold.sale, refund.request.invoice_id
        # An invoice's tax was rounded apart from the order's: what it holds limits what goes back, by a cent per memo.
        limit = 0 if invoice_id is None else len(self._reading.memos) + 1
        for currency in CURRENCIES:
            planned = cents(predicted[currency])
            self._check(
                planned == totals[currency],
                f"{refund.request.marker}: {currency} total {float(planned)} planned, {float(totals[currency])} exact",
            )
            off, limited = sale.off[currency], sale.limited[currency]
            self._check(
                abs(off) <= OFF_BY_CENTS and abs(limited) <= limit,
                f"{refund.request.marker}: {currency} {float(off)} cents off its share, {float(limited)} by its limit",
            )

    def _ask_sandbox(self, refund: PlannedRefund) -> None:
        if self._sandbox is None:
            return
        planned = {BASE: refund.predicted.base_grand_total, SHOWN: refund.predicted.grand_total}
        said = self._sandbox.give_back(refund.request)
        self._check(said == planned, f"{refund.request.marker}: {planned} planned, the sandbox says {said}")

    def _broken_promises(self) -> Iterator[str]:
        sale = self._sold.sale
        yield from sale.broken_promises()
        if sale.back > ceil(self._paid):
            yield f"order: {sale.back} of {self._paid} cents"
        for line in self._reading.order.lines:
            counted = sale.lines.get(line.item_id)
            if counted is None:
                continue
            if Fraction(line.qty_refunded) != counted.units.back:
                yield f"line {line.item_id}: {line.qty_refunded} units gone back, {counted.units.back} counted"
            row = counted.row[BASE]
            if cents(line.base.row_refunded) != row.back:
                yield f"line {line.item_id}: {line.base.row_refunded} of its row gone back, {row.back} counted"

    def _check_fees(self, returns: list[ApprovedReturn]) -> None:
        """Each return's fee has been deducted once, whatever the number of its events and memos."""
        said = {approved.event.return_id: approved.event.fees for approved in returns}
        deducted = sum((memo.base.adjustment_negative for memo in self._reading.memos), Decimal(0))
        wanted = sum(said.values(), Decimal(0)) / self._reading.order.base_to_order_rate
        play = Decimal("0.01") * len(self._reading.memos) if self._reading.order.base_to_order_rate != 1 else Decimal(0)
        self._check(abs(deducted - wanted) <= play, f"{deducted} of fees deducted, not {wanted}")

    def _check_all_came_back(self) -> None:
        """Then what was paid has gone back to the cent, but for fees and shipping that stays."""
        sale = self._sold.sale
        if any(line.units.left for line in sale.lines.values()):
            return
        self._outcome.complete += 1
        stays = sale.shipping[BASE].left + sale.shipping_tax[BASE].left + self._kept
        # An invoice's own rounding of tax may keep a cent, or give one of the shipping's tax that stays.
        limit = len(self._reading.memos) if self._sold.is_online else 0
        # Magento forgets a cent of discount where the customer's currency showed none, and gives it back as well.
        forgotten = sum((line.discount[BASE].left for line in sale.lines.values()), Fraction(0))
        missing = self._paid + forgotten - sale.back - stays
        self._check(
            abs(missing) <= limit, f"all units came back, and {float(missing)} cents of {float(self._paid)} stayed"
        )

    def _check(self, holds: bool, text: str) -> None:  # noqa: FBT001  reads as assert
        if not holds:
            self._differ(text)

    def _differ(self, text: str) -> None:
        self._outcome.differences.append(f"{self._replay}: {text}")


class _Figures:
    """What a sender says that a return comes to: in all, fees taken off, for all that was approved so far.

    Drawn as a part of what Magento would compute, or a little more, because a figure out of nowhere is asked about.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.amounts = random.choice([Amounts.COMPUTE, Amounts.COMPUTE, Amounts.CAP, Amounts.EXACT])
        self._parts: dict[str, Decimal] = {}

    def told(self, approved: ApprovedReturn, reading: Reading, policy: Policy) -> ApprovedReturn:
        if self.amounts is Amounts.COMPUTE:
            return approved
        event = approved.event
        # Little above what is computed, and seldom: on an order's last units there is nothing left to add from.
        parts = ["0.8", "0.9", "0.95", "1", "1", "1"] * 2 + (["1.002"] if self.amounts is Amounts.EXACT else [])
        part = self._parts.setdefault(event.return_id, Decimal(self._random.choice(parts)))
        bare = replace(policy, source=replace(policy.source, amounts=Amounts.COMPUTE))
        # What was deducted before passes for fees, so that no fee is left to deduct and none seems lowered.
        deducted = sum((memo.shown.adjustment_negative for memo in _memos_of(approved, reading)), Decimal(0))
        plan = plan_refunds(replace(approved, event=replace(event, fees=deducted)), reading, bare)
        planned = sum((refund.predicted.grand_total for refund in plan.refunds), Decimal(0))
        figure = ((_without_adjustments(approved, reading) + planned) * part).quantize(Decimal("0.01")) - event.fees
        return replace(approved, event=replace(event, currency=reading.order.currency, refund_total=_inclusive(figure)))

    def broken_promises(self, approved: ApprovedReturn, reading: Reading) -> Iterator[str]:
        """After the refunds of an event: the figure is met, or under a cap is not gone beyond."""
        figure = approved.event.refund_total
        if figure is None:
            return
        memos = _memos_of(approved, reading)
        given = sum((memo.shown.grand_total for memo in memos), Decimal(0))
        is_converted = reading.order.base_to_order_rate != 1
        rounding = Decimal("0.01") * (len(memos) if is_converted else 0)
        if self.amounts is Amounts.EXACT:
            # Amounts of four places are met to the cent.
            if abs(given - figure.amount) > max(rounding, Decimal("0.005")):
                yield f"{given} given, {figure.amount} said exactly"
            return
        play = Decimal("0.01") * (len(approved.event.lines) + 1) + rounding
        computed = _without_adjustments(approved, reading) - approved.event.fees
        if given > min(figure.amount + play, computed + rounding + Decimal("0.005")):
            yield f"{given} given, the cap is {figure.amount}, computed {computed}"
        if given < min(figure.amount, computed) - play:
            yield f"{given} given, less than the cap of {figure.amount} and the {computed} computed"


def _inclusive(amount: Decimal) -> PortalAmount:
    return PortalAmount(amount=amount, includes_tax=True)


def _memos_of(approved: ApprovedReturn, reading: Reading) -> list[CreditMemo]:
    said = f"Return {approved.event.return_id} "
    return [memo for memo in reading.memos if any(comment.startswith(said) for comment in memo.comments)]


def _without_adjustments(approved: ApprovedReturn, reading: Reading) -> Decimal:
    shown = [memo.shown for memo in _memos_of(approved, reading)]
    return sum((m.grand_total - m.adjustment_positive + m.adjustment_negative for m in shown), Decimal(0))


def _asked(refund: PlannedRefund) -> Asked:
    request = refund.request
    return Asked(
        units={item.order_item_id: Fraction(item.qty) for item in request.items},
        shipping=cents(request.shipping_amount),
        fee=cents(request.adjustment_negative),
        extra=cents(request.adjustment_positive),
        bill=request.invoice_id,
    )
