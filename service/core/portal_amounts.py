"""The sender's own figure for a return against what Magento computes: what is deducted or added, and when to ask.

Everything here is cumulative for the return and in the order's currency, like the rest: the figure says what the
customer gets for all that was approved so far, the memos say what has been given, an adjustment is the difference.
Magento taxes no adjustment, so a figure without tax is compared with the computed amounts without tax.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from service.core.orders import MemoAmounts
from service.core.plan import Note, Question
from service.core.policy import Amounts, SourcePolicy
from service.core.returns import PortalAmount, ReturnEvent
from service.core.rounding import CENT
from service.core.wording import money

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class AmountRule:
    """`name` is in the plan's notes, as "amounts.cap"; `policies` are those under which it can hold."""

    name: str
    policies: tuple[Amounts, ...]
    when: str
    then: str


_WITH_FIGURES = (Amounts.CAP, Amounts.EXACT)

#: The first that holds decides; docs/semantics.md is printed from here.
AMOUNT_RULES = (
    AmountRule(
        name="none", policies=_WITH_FIGURES, when="the sender gave no figure for this order", then="Magento computes"
    ),
    AmountRule(
        name="exact",
        policies=(Amounts.EXACT,),
        when="the sender gave a figure",
        then="it is met to the cent: what differs is deducted, or added as far as the order has something left",
    ),
    AmountRule(
        name="cap",
        policies=(Amounts.CAP,),
        when="it is less than Magento computes by more than a cent a line",
        then="what differs is deducted",
    ),
    AmountRule(
        name="above",
        policies=(Amounts.CAP,),
        when="it is more than Magento computes by more than a cent a line",
        then="what Magento computes, and never more, once a person approves it",
    ),
    AmountRule(
        name="agrees", policies=(Amounts.CAP,), when="otherwise", then="what Magento computes; fees are deducted"
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """What memos come to, made or planned, before their adjustments."""

    goods: Decimal = ZERO
    goods_tax: Decimal = ZERO
    shipping: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    #: What the memos really gave, adjustments included.
    paid: Decimal = ZERO

    @property
    def computed(self) -> Decimal:
        return self.goods + self.goods_tax + self.shipping + self.shipping_tax

    @staticmethod
    def of(memos: Iterable[MemoAmounts]) -> Sums:
        total = Sums()
        for memo in memos:
            before_adjustments = memo.grand_total - memo.adjustment_positive + memo.adjustment_negative
            # Tax compensation is no tax: it takes the tax out of a discount that was given on prices with tax.
            goods_tax = memo.tax - memo.shipping_tax
            total = Sums(
                goods=total.goods + before_adjustments - goods_tax - memo.shipping - memo.shipping_tax,
                goods_tax=total.goods_tax + goods_tax,
                shipping=total.shipping + memo.shipping,
                shipping_tax=total.shipping_tax + memo.shipping_tax,
                paid=total.paid + memo.grand_total,
            )
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """What the sender says the goods (`of_lines`), or the whole refund with shipping and less fees, come to."""

    amount: Decimal
    includes_tax: bool | None
    of_lines: bool

    def target(self, computed: Sums, fees: Decimal) -> Decimal:
        """What the customer gets in all so far by this figure."""
        tax = ZERO if self.includes_tax is not False else computed.goods_tax
        if self.of_lines:
            return self.amount + tax + computed.shipping + computed.shipping_tax - fees
        return self.amount + tax + (ZERO if self.includes_tax is not False else computed.shipping_tax)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What the calls of now must come to, and why. `asks` is for a yes to the calls, `questions` hold them."""

    #: Added to (positive) or taken off (negative) what Magento computes for them, in the order's currency.
    adjustment: Decimal
    note: Note
    asks: tuple[Question, ...] = ()
    questions: tuple[Question, ...] = ()


def figure_of(event: ReturnEvent, policy: SourcePolicy) -> tuple[Figure | None, tuple[Note, ...], tuple[Question, ...]]:
    """The figure to go by, if one is to be gone by; `event` holds the lines to be refunded only."""
    if policy.amounts is Amounts.COMPUTE:
        return None, (), ()
    told = [line.refund_amount for line in event.lines if line.refund_amount is not None]
    if event.refund_total is None and not told:
        shared = "the sender's total is of several orders" if event.total_is_shared else "the sender gave no figure"
        return None, (Note(rule="amounts.none", subject="amounts", text=f"{shared}: Magento computes"),), ()
    if event.currency is None:
        return None, (), (_question("amounts-without-currency", "the sender gives amounts and no currency"),)
    if event.refund_total is not None:
        return _figure((event.refund_total,), policy, of_lines=False), (), ()
    if len(told) < len(event.lines):
        text = f"the sender gives a figure for {len(told)} of {len(event.lines)} lines; have it give all or none"
        return None, (), (_question("amounts-incomplete", text),)
    if len({_includes_tax(each, policy) for each in told}) > 1:
        return None, (), (_question("amounts-mixed-tax", "some of the sender's figures include tax, some do not"),)
    return _figure(told, policy, of_lines=True), (), ()


def settle(
    figure: Figure,
    *,
    fees: Decimal,
    before: Sums,
    now: Sums,
    policy: SourcePolicy,
    currency: str,
    tolerance: Decimal,
) -> Settlement:
    """What to add to or take off what Magento computes now (`now`), given what this return has had (`before`).

    `tolerance` is what roundings alone may differ by.
    """
    everything = Sums(
        goods=before.goods + now.goods,
        goods_tax=before.goods_tax + now.goods_tax,
        shipping=before.shipping + now.shipping,
        shipping_tax=before.shipping_tax + now.shipping_tax,
    )
    computed = everything.computed - fees
    wanted = figure.target(everything, fees)
    difference = wanted - computed
    said = f"the sender's figure comes to {money(wanted, currency)} so far, Magento's computation to {money(computed)}"
    asks: tuple[Question, ...] = ()
    questions: list[Question] = []
    if figure.includes_tax is None and everything.goods_tax + everything.shipping_tax != 0:
        text = "the sender does not say whether its figures include tax; set amounts_include_tax for this source"
        questions.append(_question("amounts-tax-unknown", text))
    if policy.amounts is Amounts.EXACT:
        total, rule = wanted, "exact"
    elif difference < -tolerance:
        total, rule = wanted, "cap"
    else:
        total, rule = computed, "agrees"
        if difference > tolerance:
            rule = "above"
            text = f"{said}; never more than that is given back: approve it, or settle the rest by hand"
            asks = (_question("portal-says-more", text),)
    pays = total - before.paid
    adjustment = pays - now.computed
    if not now.computed:
        questions += _question_late(pays, tolerance, said)
    elif pays <= 0:
        questions.append(_question("portal-leaves-nothing", f"{said}, and {money(before.paid)} were given before"))
    elif adjustment > 0 and policy.amounts is not Amounts.EXACT:
        text = f"{said}; {money(adjustment, currency)} that were deducted before are owed again. Give them back by hand"
        questions.append(_question("portal-raised", text))
    text = said + (f", of which {money(before.paid)} were given before" if before.paid else "")
    if adjustment:
        text += f"; {money(abs(adjustment), currency)} {'deducted' if adjustment < 0 else 'added'}"
        text += f", fees of {money(fees)} among them" if fees and adjustment < 0 else ""
    note = Note(rule=f"amounts.{rule}", subject="amounts", text=text)
    return Settlement(adjustment=adjustment, note=note, asks=asks, questions=tuple(questions))


def rounding_play(lines: int, *, is_converted: bool) -> Decimal:
    """What roundings alone may make two right figures differ by: a cent a line, and one of the currencies' rate."""
    return CENT * (max(lines, 1) + (1 if is_converted else 0))


def _question_late(pays: Decimal, tolerance: Decimal, said: str) -> Iterable[Question]:
    if pays < -tolerance:
        yield _question("over-refunded", f"{said}; more than that was given back. Settle it with the customer")
    elif pays > tolerance:
        yield _question("portal-raised", f"{said}, and all its units have been given back: give the rest by hand")


def _figure(told: Iterable[PortalAmount], policy: SourcePolicy, *, of_lines: bool) -> Figure:
    amounts = tuple(told)
    return Figure(
        amount=sum((each.amount for each in amounts), ZERO),
        includes_tax=_includes_tax(amounts[0], policy),
        of_lines=of_lines,
    )


def _includes_tax(amount: PortalAmount, policy: SourcePolicy) -> bool | None:
    return amount.includes_tax if amount.includes_tax is not None else policy.amounts_include_tax


def _question(code: str, text: str) -> Question:
    return Question(code=code, subject="amounts", text=text)
