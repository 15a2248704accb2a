"""What becomes of a returned line: money back, nothing by us, or a person's decision. First rule that holds decides.

A portal says two words of a line, what the customer gets (`resolution`) and by which way (`refund_destination`). Only
money back by the way it was paid is done here: a store credit exists in some editions of Magento only and its amount is
no refund, and an exchange sends other goods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.core.plan import Note, Question
from service.core.policy import SourcePolicy, StoreCredit
from service.core.returns import ReturnEvent, ReturnLine


class Outcome(StrEnum):
    REFUND = "refund"
    NOTHING = "nothing"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolutionRule:
    """`words` of the line's resolution or destination that it is about; empty: any word."""

    name: str
    words: tuple[str, ...]
    outcome: Outcome
    because: str


_CREDIT = ("store_credit", "gift_card")

RESOLUTION_RULES = (
    ResolutionRule(
        name="credit",
        words=_CREDIT,
        outcome=Outcome.PERSON,
        because="the customer gets store credit or a gift card, which no refund call gives; issue it by hand, "
        'or set store_credit = "ignore" if the sender does',
    ),
    ResolutionRule(
        name="exchange",
        words=("exchange", "replacement"),
        outcome=Outcome.NOTHING,
        because="the customer gets other goods instead: no money goes back",
    ),
    ResolutionRule(
        name="repair", words=("repair",), outcome=Outcome.NOTHING, because="the goods go back to the customer repaired"
    ),
    ResolutionRule(
        name="none", words=("none",), outcome=Outcome.NOTHING, because="the sender says that the customer gets nothing"
    ),
    ResolutionRule(
        name="refund",
        words=("", "refund", "original_payment"),
        outcome=Outcome.REFUND,
        because="money back, by the way it was paid",
    ),
    ResolutionRule(
        name="unknown",
        words=(),
        outcome=Outcome.PERSON,
        because="this service does not know the word; map it at the source, or refund by hand",
    ),
)

#: store_credit = "ignore".
CREDIT_IGNORED = ResolutionRule(
    name="credit_ignored",
    words=_CREDIT,
    outcome=Outcome.NOTHING,
    because="the sender gives store credit or a gift card itself: no money goes back",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """The lines that money goes back for; the others are in the notes or the questions."""

    lines: tuple[ReturnLine, ...]
    notes: tuple[Note, ...]
    questions: tuple[Question, ...]


def choose_outcome(resolution: str, destination: str, policy: SourcePolicy) -> tuple[ResolutionRule, str]:
    """The rule and the word it is about. Both words are looked up, and the one that is not a plain refund decides."""
    rules = [(_rule_of(word, policy), word) for word in (resolution, destination)]
    return next((found for found in rules if found[0].outcome is not Outcome.REFUND), rules[0])


def resolve_lines(event: ReturnEvent, policy: SourcePolicy) -> Resolved:
    """Which lines of an event are refunded, each other line with its reason."""
    lines: list[ReturnLine] = []
    notes: list[Note] = []
    questions: list[Question] = []
    for line in event.lines:
        if line.quantity <= 0:
            continue
        rule, word = choose_outcome(line.resolution, line.refund_destination, policy)
        if rule.outcome is Outcome.REFUND:
            lines.append(line)
            continue
        text = f"'{word}': {rule.because}"
        if rule.outcome is Outcome.NOTHING:
            notes.append(Note(rule=f"resolution.{rule.name}", subject=line.named, text=text))
        else:
            questions.append(Question(code=f"resolution-{rule.name}", subject=line.named, text=f"{line.named}: {text}"))
    questions += _question_credits(event, policy, refunded=lines)
    return Resolved(lines=tuple(lines), notes=tuple(notes), questions=tuple(dict.fromkeys(questions)))


def _question_credits(event: ReturnEvent, policy: SourcePolicy, *, refunded: Sequence[ReturnLine]) -> list[Question]:
    """Credits in the event's totals that its lines do not account for."""
    if not refunded:
        return []
    said = {"store_credit": event.store_credit, "exchange_credit": event.exchange_credit}
    if policy.store_credit is StoreCredit.IGNORE:
        said["store_credit"] = event.store_credit * 0
    text = (
        "the sender speaks of a {name} of {amount} beside lines to be refunded: say which line gets which, or by hand"
    )
    return [
        Question(code=name.replace("_", "-"), subject="totals", text=text.format(name=name, amount=amount))
        for name, amount in said.items()
        if amount
    ]


def _rule_of(word: str, policy: SourcePolicy) -> ResolutionRule:
    rule = next(rule for rule in RESOLUTION_RULES if word in rule.words or not rule.words)
    return CREDIT_IGNORED if rule.words == _CREDIT and policy.store_credit is StoreCredit.IGNORE else rule
