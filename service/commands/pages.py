"""One delivery, return or refund as a readable page and as JSON; both are made from the same values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.commands.event_words import line_words
from service.commands.next_steps import Step, for_delivery, for_refund, for_return
from service.commands.shown import body_text, fields, moment, table, wrapped
from service.core.plan import RefundRequest, Route
from service.core.wording import money
from service.magento import refund_path
from service.store import (
    Attempt,
    Delivery,
    DriftCheck,
    JournalEntry,
    Kind,
    RefundRow,
    ReturnCase,
    Store,
    StoredEvent,
    format_id,
)
from service.store.content import plain, rebuild
from service.web.api.in_full import delivery_in_full, refund_in_full, return_in_full

#: Of a delivery's body: more would push what matters out of the window.
_BODY_SHOWN = 4000

ROUTE_WORDS = {Route.ORDER: "order (offline)", Route.INVOICE: "invoice (online)"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    lines: tuple[str, ...]
    content: Mapping[str, Any]


def read_page(store: Store, kind: Kind, number: int) -> Page:
    """The page of a public id."""
    if kind == "delivery":
        return _delivery_page(store, store.inbox.delivery(number))
    if kind == "return":
        return _return_page(store, store.returns.case(number))
    return _refund_page(store, store.refunds.row(number))


# --- a plan -----------------------------------------------------------------------------------------------------------


def plan_lines(plan: Mapping[str, Any], urls: Sequence[str] = ()) -> Iterator[str]:
    """A plan as `plain_plan` gives it: every decision with its reason, then each call with the exact JSON."""
    yield f"Plan  {plan_headline(plan)}"
    yield ""
    yield from _indented(
        table(("decided", "about", "because"), [(n["rule"], n["subject"], n["text"]) for n in plan["notes"]])
    )
    if plan["questions"]:
        yield from ("", "Only a person can say")
        for question in plan["questions"]:
            yield from wrapped(f"{question['code']}: ", question["text"], indent=2)
            if question["candidates"]:
                yield from wrapped("one of: ", "; ".join(question["candidates"]), indent=4)
    for number, refund in enumerate(plan["refunds"], start=1):
        address = urls[number - 1] if urls else refund_path(rebuild(RefundRequest, refund["request"]))
        total = money(Decimal(refund["predicted"]["base_grand_total"]), plan["base_currency"])
        yield from ("", f"Call {number} of {len(plan['refunds'])}  a credit memo of {total}", f"  POST {address}")
        yield from (f"  {line}" for line in body_text(refund["body"]).splitlines())
    if plan["refunds"]:
        yield from ("", f"Fingerprint  {plan['fingerprint']}")


def plan_headline(plan: Mapping[str, Any]) -> str:
    total = money(Decimal(plan["base_total"]), plan["base_currency"])
    calls = len(plan["refunds"])
    said = {
        "refund": f"refund {total} in {calls} call{'s' if calls > 1 else ''}",
        "nothing": "nothing is left to give back",
        "approval": f"{total} in {calls} call{'s' if calls > 1 else ''}, once somebody approves",
        "person": "a person has to decide; nothing would be sent",
        "wait": "Magento is not ready; planned again later",
    }
    return f"{said[plan['verdict']]} (return {plan['return_id']}, order #{plan['increment_id']})"


# --- the three pages --------------------------------------------------------------------------------------------------


def _delivery_page(store: Store, delivery: Delivery) -> Page:
    journal = store.journal.of(delivery_id=delivery.id)
    steps = for_delivery(delivery)
    name = format_id("delivery", delivery.id)
    body = delivery.body.decode("utf-8", "replace")
    more = f"… {len(body)} characters in all; with --json: every one" if len(body) > _BODY_SHOWN else ""
    lines = [
        f"Delivery {name}  {delivery.state}",
        "",
        *fields(
            [
                ("source", delivery.source),
                ("received", delivery.received_at),
                ("body purged", delivery.purged_at),
                ("key", delivery.delivery_key),
                ("event", delivery.event_id),
                ("return", delivery.return_id and format_id("return", delivery.return_id)),
                ("why", _why(delivery.reason_code, delivery.reason)),
                ("due", delivery.due_at),
                ("tries", delivery.attempts),
                ("delivered again", delivery.redeliveries and f"{delivery.redeliveries} times"),
            ],
            indent=2,
        ),
        *_section("What was said", [*body[:_BODY_SHOWN].splitlines(), *([more] if more else [])]),
        *_journal(journal),
        *_steps(steps),
    ]
    content = {**delivery_in_full(store, delivery, with_body=True), "next_steps": plain(steps)}
    return Page(lines=tuple(lines), content=content)


def _return_page(store: Store, case: ReturnCase) -> Page:
    events = store.returns.events(case.id)
    refunds = store.refunds.of_return(case.id)
    attempts = {row.id: store.refunds.attempts(row.id) for row in refunds}
    journal = store.journal.of(return_id=case.id)
    delivery = store.inbox.delivery(case.event_delivery_id)
    steps = for_return(case, refunds, delivery)
    why, for_a_person = (_why(each.reason_code, each.reason) for each in (delivery, case))
    lines = [
        f"Return {format_id('return', case.id)}  {case.return_key} of {case.source}, order {case.order_key}",
        "",
        *fields(
            [
                ("state", delivery.state),
                ("why", why),
                ("needs a person", case.needs_person and ("yes" if for_a_person == why else for_a_person)),
                ("store", case.store),
                ("order", case.order_entity_id and f"#{case.order_increment_id} (entity {case.order_entity_id})"),
                ("first known", case.first_occurred_at),
                ("approved", case.approved_by and f"{case.approved_fingerprint} by {case.approved_by}"),
            ],
            indent=2,
        ),
        *_section("What was said", table(("when", "delivery", "event", "lines"), map(_event_row, events))),
        *(() if case.plan is None else _section(f"Newest plan, {moment(case.planned_at)}", plan_lines(case.plan))),
        *_refund_table(refunds),
        *_attempts(attempts),
        *_journal(journal),
        *_steps(steps),
    ]
    content = {**return_in_full(store, case), "state": delivery.state, "next_steps": plain(steps)}
    return Page(lines=tuple(lines), content=content)


def _refund_page(store: Store, row: RefundRow) -> Page:
    attempts = store.refunds.attempts(row.id)
    journal = store.journal.of(refund_id=row.id)
    steps = for_refund(row)
    lines = [
        f"Refund {format_id('refund', row.id)}  {row.state}",
        "",
        *fields(
            [
                ("why", _why(row.reason_code, row.reason)),
                ("needs a person", "yes" if row.needs_person else ""),
                ("return", format_id("return", row.return_id)),
                ("superseded", "yes: the newest plan does not ask for it" if row.superseded else ""),
                ("order", row.order_increment_id and f"#{row.order_increment_id} (entity {row.order_entity_id})"),
                ("route", row.route and ROUTE_WORDS[row.route]),
                ("invoice", row.invoice_id),
                ("amount", _amount(row)),
                ("marker", row.marker),
                ("restocks", row.request and ("yes" if row.request.restocks else "no")),
                ("sent", row.sent_at),
                ("decided at", row.settle_at),
                ("credit memo", _memo(row)),
                ("stock", _stock(row)),
                ("e-mail", row.email_state),
            ],
            indent=2,
        ),
        *_section(
            "Where the memo differs from what was asked", [f"  {_difference(each)}" for each in row.differences or ()]
        ),
        *_looks(store.checks.of(row.id)),
        *_section("What is sent", () if row.body is None else body_text(row.body).splitlines()),
        *_attempts({row.id: attempts}),
        *_journal(journal),
        *_steps(steps),
    ]
    content = {**refund_in_full(store, row), "next_steps": plain(steps)}
    return Page(lines=tuple(lines), content=content)


# --- their parts ------------------------------------------------------------------------------------------------------


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    said = tuple(lines)
    return ("", title, *_indented(said)) if said else ()


def _indented(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in lines)


def _event_row(stored: StoredEvent) -> tuple[object, ...]:
    event = stored.event
    return stored.occurred_at, format_id("delivery", stored.delivery_id), event.event_id, line_words(event)


def _refund_table(rows: Sequence[RefundRow]) -> tuple[str, ...]:
    if not rows:
        return ()
    return _section(
        "Refunds", table(("refund", "state", "route", "memo", "amount", "restocks", "why"), map(_refund_row, rows))
    )


def _refund_row(row: RefundRow) -> tuple[object, ...]:
    restocks = "" if row.request is None else "yes" if row.request.restocks else "no"
    why = "; ".join(filter(None, (_why(row.reason_code, row.reason), *map(_difference, row.differences or ()))))
    route = row.route and ROUTE_WORDS[row.route]
    return format_id("refund", row.id), row.state, route, _memo(row), _amount(row), restocks, why


def _attempts(attempts: Mapping[int, Sequence[Attempt]]) -> tuple[str, ...]:
    rows = [
        (
            format_id("refund", attempt.refund_id),
            attempt.started_at,
            f"{(attempt.ended_at - attempt.started_at).total_seconds():.1f} s" if attempt.ended_at else "no answer",
            attempt.status,
            attempt.outcome,
            f"POST {attempt.path}" + (f"  {attempt.detail}" if attempt.detail else ""),
        )
        for each in attempts.values()
        for attempt in each
    ]
    return _section("Calls made", table(("refund", "sent", "took", "status", "outcome", "what"), rows)) if rows else ()


def _looks(checks: Sequence[DriftCheck]) -> tuple[str, ...]:
    rows = [
        (check.looked_at or f"due {moment(check.due_at)}", check.tries, "; ".join(map(str, check.drifts)) or check.said)
        for check in checks
    ]
    return _section("Looked at again", table(("when", "tries", "found"), rows)) if rows else ()


def _journal(entries: Sequence[JournalEntry]) -> tuple[str, ...]:
    rows = [(entry.at, entry.actor, entry.what, entry.text) for entry in entries]
    return _section("Journal", table(("when", "who", "what", "said"), rows)) if rows else ()


def _steps(steps: Sequence[Step]) -> tuple[str, ...]:
    width = max((len(step.command) for step in steps), default=0)
    lines = [f"{step.command.ljust(width)}   {step.effect}" for step in steps]
    return _section("What you can do now", lines or ("nothing: it is finished",))


def _why(code: str, reason: str) -> str:
    return f"{reason} ({code})" if reason and code else reason or code


def _amount(row: RefundRow) -> str:
    return "" if row.predicted_base_total is None else money(row.predicted_base_total, row.base_currency or "")


def _memo(row: RefundRow) -> str:
    if row.memo_id is None:
        return ""
    increment_id = (row.memo or {}).get("increment_id")
    return f"{row.memo_id}" + (f" (#{increment_id})" if increment_id else "")


def _stock(row: RefundRow) -> str:
    if row.stock_proven is False:
        return "not proven: no answer was seen; look at the stock if it restocks"
    return ""


def _difference(difference: Any) -> str:
    if isinstance(difference, Mapping):
        return f"{difference.get('what')}: asked {difference.get('asked')}, the memo says {difference.get('got')}"
    return str(difference)
