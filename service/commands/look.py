"""Commands that look and change nothing: plan, show, list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import click

from service.commands.captured import as_file
from service.commands.invocation import Invocation, json_option
from service.commands.pages import ROUTE_WORDS, plan_lines, read_page
from service.commands.shown import say, say_json, table
from service.core.lifecycle import DeliveryState, RefundState
from service.core.policy import SourcePolicy
from service.core.returns import Ignored
from service.core.wording import money
from service.errors import BadRequest
from service.flow.answers import DryRun, dry_run
from service.flow.reread import quarantined
from service.flow.turns import in_force, pause_text, told_with_pause
from service.runtime import Runtime, build_runtime
from service.settings import Caps, Settings, SourceSettings, StandardWebhooksAuth
from service.sources import Limits, parse
from service.store import (
    DeliverySummary,
    RefundRow,
    ReturnCase,
    SchemaMismatch,
    Store,
    format_id,
    kind_of,
    migrate,
    parse_id,
)
from service.store.content import plain_plan
from service.web.api.shapes import DeliveryShape, RefundShape, RefusalShape, ReturnShape, dump, dump_all

_EMPTY = {"quarantine": "nothing is in quarantine"}

THINGS = ("deliveries", "returns", "refunds", "quarantine", "refusals")

#: States of a delivery that do not pass by themselves.
_FOR_A_PERSON = (DeliveryState.NEEDS_PERSON, DeliveryState.UNREADABLE)


@click.command(name="plan")
@click.option("--store", "store_name", required=True, metavar="STORE", help="The store whose orders are read.")
@click.option("--event", "event_file", required=True, type=click.File("rb"), help="The event's body; - reads it here.")
@click.option(
    "--source", "source_name", metavar="NAME", help="Whose words and policy; default: the store's own source."
)
@json_option
@click.pass_obj
def plan_command(
    invocation: Invocation, *, store_name: str, event_file: BinaryIO, source_name: str | None, as_json: bool
) -> None:
    """Say what an event would do, and send nothing.

    Reads the order from the real store and shows the plan, each decision with its reason, and the exact JSON.
    """
    settings = invocation.read_settings()
    source = choose_source(settings, store_name, source_name)
    events = parse(source, event_file.read(), (), Limits(json_depth=settings.service.max_json_depth))
    if isinstance(events, Ignored):
        if as_json:
            say_json({"verdict": "ignored", "reason": events.reason})
        else:
            say(f"Ignored: {events.reason}")
        return
    with open_for_dry_run(invocation, settings) as runtime:
        dry_runs = [dry_run(runtime, source, event) for event in events]
    contents = [_with_urls(dry) for dry in dry_runs]
    if as_json:
        say_json(contents[0] if len(contents) == 1 else {"plans": contents})
        return
    for dry, content in zip(dry_runs, contents, strict=True):
        say(*plan_lines(content, dry.urls), "")
    say("Nothing was stored or sent.")


def _with_urls(dry: DryRun) -> dict[str, Any]:
    content = plain_plan(dry.plan, dry.bodies)
    for refund, url in zip(content["refunds"], dry.urls, strict=True):
        refund["url"] = url
    return content


def choose_source(settings: Settings, store_name: str, source_name: str | None) -> SourceSettings:
    """The source whose policy reads the event: the one named, else the store's first canonical one, else defaults."""
    if store_name not in settings.stores:
        known = ", ".join(settings.stores) or "none"
        raise BadRequest(f"there is no store called '{store_name}'; config/stores/ has: {known}", store=store_name)
    if source_name is None:
        of_store = (s for s in settings.sources.values() if s.store == store_name and s.kind == "canonical")
        return next(of_store, None) or _default_source(store_name)
    source = settings.sources.get(source_name)
    if source is None or source.store != store_name:
        known = ", ".join(s.name for s in settings.sources.values() if s.store == store_name) or "none"
        raise BadRequest(f"store '{store_name}' has no source called '{source_name}'; it has: {known}")
    return source


def _default_source(store_name: str) -> SourceSettings:
    return SourceSettings(
        name="default",
        kind="canonical",
        store=store_name,
        namespace="default",
        secrets=(),
        auth=StandardWebhooksAuth(),
        policy=SourcePolicy(),
        caps=Caps(),
    )


@contextmanager
def open_for_dry_run(invocation: Invocation, settings: Settings) -> Iterator[Runtime]:
    """The runtime; where no database was made yet, one with an empty database, because nothing was sent yet either."""
    with TemporaryDirectory(prefix="refundry-plan-") as folder:
        try:
            runtime = build_runtime(settings, clock=invocation.clock)
        except SchemaMismatch as error:
            click.echo(f"note: {error.message}. Planned as if nothing had been sent before.", err=True)
            url = f"sqlite:///{Path(folder) / 'empty.db'}"
            migrate(url)
            service = replace(settings.service, database_url=url)
            runtime = build_runtime(replace(settings, service=service), clock=invocation.clock)
        try:
            yield runtime
        finally:
            runtime.store.close()


@click.command(name="show")
@click.argument("public_id", metavar="ID")
@click.option("--raw", is_flag=True, help="A delivery as a file: an HTTP request with the very bytes that came.")
@json_option
@click.pass_obj
def show_command(invocation: Invocation, *, public_id: str, raw: bool, as_json: bool) -> None:
    """Show a delivery, return or refund with all there is.

    ID is del_…, ret_… or ref_…. Ends with what you can do now. What --raw writes, `refundry sources test` reads.
    """
    kind = kind_of(public_id)
    number = parse_id(kind, public_id)
    if raw and (as_json or kind != "delivery"):
        raise click.UsageError("--raw writes a delivery (del_…) as a file; for the rest, and for scripts: --json")
    with invocation.open_runtime() as runtime:
        if raw:
            click.echo(as_file(runtime.store.inbox.delivery(number)), nl=False)
            return
        page = read_page(runtime.store, kind, number)
        pauses = in_force(runtime.store.pauses.all(), runtime.clock())
    if as_json:
        say_json(page.content)
    else:
        say(*page.lines, *(f"note: {pause_text(pause)}" for pause in pauses.values()))


@click.command(name="list")
@click.argument("thing", type=click.Choice(THINGS), required=False)
@click.option("--needs-person", is_flag=True, help="Only those that somebody has to look at.")
@click.option("--state", metavar="STATE", help="Only those in this state; of a return, its newest delivery's.")
@click.option("--source", metavar="NAME", help="Only this source's; for deliveries, returns and quarantine.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@click.pass_obj
def list_command(
    invocation: Invocation,
    *,
    thing: str | None,
    needs_person: bool,
    state: str | None,
    source: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List deliveries, returns, refunds, the quarantine or refusals, newest first.

    Without a word, returns; with --needs-person, deliveries, because not all of them can be read as a return. In
    quarantine is what could not be read, one id with two contents, and what is of a source that is gone; `refundry
    replay --unreadable` reads it again. Refusals are requests that were not stored: a wrong signature, a body too
    large, a source that is not there.
    """
    thing = thing or ("deliveries" if needs_person else "returns")
    asked = _Asked(needs_person=needs_person, state=state, source=source, limit=limit)
    with invocation.open_runtime() as runtime:
        heads, rows, content = _LISTS[thing](runtime, asked)
        alarms = _alarms(runtime.store) if needs_person and thing == "deliveries" else 0
    if as_json:
        say_json({thing: content})
    elif rows:
        say(*table(heads, rows))
    else:
        say(
            _EMPTY.get(thing, f"no {thing}")
            + (" that need a person" if needs_person else "")
            + (f" in state {state}" if state else "")
        )
    if alarms and not as_json:
        say(f"{alarms} finished refunds need one too: refundry list refunds --needs-person")


def _alarms(store: Store) -> int:
    """Refunds that were done and changed afterwards: no delivery waits for them."""
    return len(store.refunds.list(state=RefundState.DONE, needs_person=True, limit=1000))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    needs_person: bool
    state: str | None
    source: str | None
    limit: int


_Listing = tuple[tuple[str, ...], list[tuple[object, ...]], list[Any]]


def _list_deliveries(runtime: Runtime, asked: _Asked) -> _Listing:
    inbox = runtime.store.inbox
    wanted = _FOR_A_PERSON if asked.needs_person else (_state(DeliveryState, asked.state),)
    listed = [each for one in wanted for each in inbox.list(source=asked.source, state=one, limit=asked.limit)]
    told = _telling(runtime)
    found = [told(each) for each in sorted(listed, key=lambda each: -each.id)[: asked.limit]]
    heads = ("delivery", "received", "source", "state", "return", "why")
    return heads, [_delivery_row(each) for each in found], dump_all(DeliveryShape(), found)


def _list_quarantine(runtime: Runtime, asked: _Asked) -> _Listing:
    if asked.needs_person or asked.state:
        raise BadRequest("all that is in quarantine waits for a person: refundry list quarantine")
    found = list(islice(quarantined(runtime, asked.source), asked.limit))
    heads = ("delivery", "received", "source", "because", "why")
    rows: list[tuple[object, ...]] = [
        (format_id("delivery", each.id), each.received_at, each.source, trouble, each.reason) for trouble, each in found
    ]
    return heads, rows, [{**dump(DeliveryShape(), each), "because": trouble} for trouble, each in found]


def _list_returns(runtime: Runtime, asked: _Asked) -> _Listing:
    store = runtime.store
    told = _telling(runtime)
    chosen = [(case, told(delivery)) for case, delivery in islice(_returns(store, asked), asked.limit)]
    heads = ("return", "number", "source", "order", "state", "amount", "why")
    rows = [_return_row(case, delivery, store.refunds.of_return(case.id)) for case, delivery in chosen]
    return heads, rows, [{**dump(ReturnShape(), case), "state": delivery.state} for case, delivery in chosen]


def _returns(store: Store, asked: _Asked) -> Iterator[tuple[ReturnCase, DeliverySummary]]:
    """Page by page: the store cannot look for a return by its delivery's state, and what needs a person may be old."""
    before, state = None, _state(DeliveryState, asked.state)
    while cases := store.returns.list(needs_person=asked.needs_person or None, source=asked.source, before=before):
        for case in cases:
            delivery = store.inbox.delivery(case.event_delivery_id)
            if state in (None, delivery.state):
                yield case, delivery
        before = cases[-1].id


def _list_refunds(runtime: Runtime, asked: _Asked) -> _Listing:
    if asked.source:
        raise BadRequest("refunds are listed of all sources; of one: refundry list returns --source NAME")
    wanted = _state(RefundState, asked.state)
    needs_person = True if asked.needs_person else None
    found = runtime.store.refunds.list(state=wanted, needs_person=needs_person, limit=asked.limit)
    heads = ("refund", "return", "order", "state", "route", "memo", "amount", "why")
    return heads, [_refund_row(each) for each in found], dump_all(RefundShape(), found)


def _list_refusals(runtime: Runtime, asked: _Asked) -> _Listing:
    if asked.needs_person or asked.state or asked.source:
        raise BadRequest("refusals have no state and wait for nobody: refundry list refusals")
    refusals = runtime.store.refusals
    in_all = {(each.source, each.status): each.count for each in refusals.counts()}
    found = refusals.recent(asked.limit)
    heads = ("refused at", "source", "status", "in all", "bytes", "why")
    rows: list[tuple[object, ...]] = [
        (each.at, each.source, each.status, in_all[each.source, each.status], each.size_bytes, each.reason)
        for each in found
    ]
    return heads, rows, dump_all(RefusalShape(), found)


def _telling(runtime: Runtime) -> Callable[[DeliverySummary], DeliverySummary]:
    """Puts into a delivery's reason that its store is left alone, where it is."""
    pauses = in_force(runtime.store.pauses.all(), runtime.clock())

    def told(each: DeliverySummary) -> DeliverySummary:
        return replace(each, reason=told_with_pause(runtime, each, pauses)) if pauses else each

    return told


_LISTS = {
    "deliveries": _list_deliveries,
    "returns": _list_returns,
    "refunds": _list_refunds,
    "quarantine": _list_quarantine,
    "refusals": _list_refusals,
}


def _delivery_row(each: DeliverySummary) -> tuple[object, ...]:
    of_return = each.return_id and format_id("return", each.return_id)
    return format_id("delivery", each.id), each.received_at, each.source, each.state, of_return, each.reason


def _return_row(case: ReturnCase, delivery: DeliverySummary, refunds: Sequence[RefundRow]) -> tuple[object, ...]:
    """The amount is of all its refunds, those still planned included."""
    asked = [row for row in refunds if row.predicted_base_total is not None and not row.superseded]
    total = sum((row.predicted_base_total or Decimal(0) for row in asked), Decimal(0))
    amount = money(total, asked[0].base_currency or "") if asked else ""
    name = format_id("return", case.id)
    return name, case.return_key, case.source, case.order_key, delivery.state, amount, delivery.reason


def _refund_row(row: RefundRow) -> tuple[object, ...]:
    amount = row.predicted_base_total is not None and money(row.predicted_base_total, row.base_currency or "")
    return (
        format_id("refund", row.id),
        format_id("return", row.return_id),
        row.order_increment_id and f"#{row.order_increment_id}",
        f"{row.state}{', needs a person' if row.needs_person else ''}",
        row.route and ROUTE_WORDS[row.route],
        row.memo_id,
        amount or "",
        row.reason,
    )


def _state(states: type[DeliveryState | RefundState], text: str | None) -> Any:
    if text is None:
        return None
    try:
        return states(text.lower().replace("-", "_"))
    except ValueError:
        raise BadRequest(f"there is no state '{text}'; one of: {', '.join(_words(list(states)))}") from None


def _words(states: Sequence[object]) -> list[str]:
    return [str(state) for state in states]
