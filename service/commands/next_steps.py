"""What a person can do now about a delivery, a return or a refund: from where it stands to whole commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.core.lifecycle import DeliveryState, RefundState
from service.core.plan import Route, Verdict
from service.store import DATABASE_BEHIND, DeliverySummary, RefundRow, ReturnCase, format_id, settle_command


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A command with its id, ready to be copied, and what it does."""

    command: str
    effect: str


#: State of a delivery → the command that may help, and when.
_DELIVERY_STEPS: dict[DeliveryState, tuple[str, str] | None] = {
    DeliveryState.RECEIVED: None,
    DeliveryState.WAITING: ("retry", "look again now, without waiting"),
    DeliveryState.NEEDS_PERSON: ("retry", "look again, after what stands above was mended"),
    DeliveryState.SHADOWED: ("replay", 'refund it, once mode = "live"'),
    DeliveryState.DONE: ("replay", "read it again; what was given back stays given back"),
    DeliveryState.IGNORED: ("replay", "read it again, after the configuration was changed"),
    DeliveryState.UNREADABLE: ("replay", "read it again, after the source's configuration was changed"),
}


def for_delivery(delivery: DeliverySummary) -> tuple[Step, ...]:
    steps = []
    if delivery.return_id is not None:
        steps.append(_show_return(delivery.return_id))
    if (step := _DELIVERY_STEPS[delivery.state]) is not None:
        word, effect = step
        steps.append(Step(command=f"refundry {word} {format_id('delivery', delivery.id)}", effect=effect))
    if delivery.state in (DeliveryState.NEEDS_PERSON, DeliveryState.UNREADABLE):
        steps.append(_dismiss(format_id("delivery", delivery.id)))
    return tuple(steps)


def for_return(case: ReturnCase, refunds: Iterable[RefundRow], delivery: DeliverySummary) -> tuple[Step, ...]:
    """Answers first: a retry without them gives the same question."""
    name = format_id("return", case.id)
    rows = tuple(refunds)
    unknown = [step for row in rows if row.state is RefundState.UNKNOWN for step in for_refund(row)]
    steps = [*unknown, *_answers(case, name, rows)]
    if delivery.state in (DeliveryState.WAITING, DeliveryState.NEEDS_PERSON):
        steps.append(Step(command=f"refundry retry {name}", effect="read the order and plan again"))
    if delivery.state is DeliveryState.NEEDS_PERSON and not unknown:
        steps.append(_dismiss(name))
    return tuple(steps)


def for_refund(row: RefundRow) -> tuple[Step, ...]:
    if row.state is not RefundState.UNKNOWN:
        shown = _show_return(row.return_id)
        seen = f'refundry acknowledge {format_id("refund", row.id)} --alarm {row.alarm} --reason "…"'
        return (
            (shown, Step(command=seen, effect="you have looked at it: it needs nobody any more"))
            if (row.needs_person and row.state is RefundState.DONE)
            else (shown,)
        )
    steps = [
        Step(command="refundry reconcile", effect="look for its credit memo now"),
        Step(command=_settle(row, "--memo ID"), effect="it is this memo"),
        Step(command=_settle(row, "--not-paid"), effect="nothing was paid: it may be sent again"),
    ]
    if row.route is Route.INVOICE:
        paid = Step(command=_settle(row, "--paid-no-memo"), effect="the gateway paid, Magento has no memo")
        steps.insert(2, paid)
    return tuple(steps)


def _answers(case: ReturnCase, name: str, refunds: Iterable[RefundRow]) -> Iterator[Step]:
    if case.plan is None:
        return
    held_back = case.reason_code == DATABASE_BEHIND
    if held_back:
        yield Step(command="refundry reconcile", effect="show what Magento knows and this database does not")
        yield Step(
            command="refundry reconcile --accept", effect="you have compared it with the gateway: let refunds go on"
        )
    if case.plan_fingerprint and (held_back or (case.plan_verdict is Verdict.APPROVAL and not case.is_approved)):
        command = f"refundry approve {name} --fingerprint {case.plan_fingerprint}"
        yield Step(command=command, effect="say yes to exactly this plan")
    for question in case.plan["questions"]:
        if question["code"] == "foreign-memo":
            for row in refunds:
                if row.is_paid_without_memo:
                    refund = format_id("refund", row.id)
                    books = _settle(row, f"--memo {question['subject']}")
                    yield Step(command=books, effect=f"it books what {refund} paid without a memo")
            answer = f"refundry answer {name} --memo {question['subject']}"
            yield Step(command=f"{answer} --this-return", effect="it gave back this return")
            yield Step(command=f"{answer} --something-else", effect="it has nothing to do with it")


def _settle(row: RefundRow, decision: str) -> str:
    return settle_command(row, decision, reason='"…"')


def _dismiss(name: str) -> Step:
    return Step(command=f'refundry dismiss {name} --reason "…"', effect="nothing is to be done")


def _show_return(return_id: int) -> Step:
    return Step(command=f"refundry show {format_id('return', return_id)}", effect="its return, plan and refunds")
