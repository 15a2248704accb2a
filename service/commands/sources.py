"""The commands about sources: which there are, and what a changed configuration would read differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from service.commands.captured import read_captured, read_headers, with_its_body
from service.commands.event_words import said_words
from service.commands.invocation import Invocation, header_option, json_option
from service.commands.look import open_for_dry_run
from service.commands.pages import plan_headline
from service.commands.shown import say, say_json, table, wrapped
from service.core.lifecycle import DeliveryState
from service.core.returns import ReturnEvent
from service.errors import BadRequest, NotFound, RefundryError
from service.flow.answers import dry_run
from service.flow.reread import Change, Reading, Reread, changes, reread
from service.runtime import Runtime
from service.settings import Settings
from service.sources import Headers
from service.store import SourceCount, format_id, parse_id
from service.store.content import plain, plain_plan

#: So many of an event's values are shown that differ; --json has all.
_MOST_CHANGES = 12


@click.group(name="sources", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, for scripts.")
@click.pass_context
def sources_group(context: click.Context, *, as_json: bool) -> None:
    """List the sources, with how they sign and what came of their deliveries."""
    if context.invoked_subcommand is not None:
        return
    invocation: Invocation = context.obj
    with invocation.open_runtime() as runtime:
        rows = list(_source_rows(runtime.settings, runtime.store.inbox.by_source()))
    if as_json:
        say_json({"sources": rows})
    elif rows:
        heads = ("source", "kind", "signs by", "store", "mode", "last delivery", "deliveries")
        say(*table(heads, [row.cells() for row in rows]))
    else:
        say("no sources yet; write config/sources/NAME.toml, or: refundry init")


@dataclass(frozen=True, kw_only=True, slots=True)
class _SourceRow:
    name: str
    is_configured: bool
    kind: str
    scheme: str
    store: str
    mode: str
    last_received_at: datetime | None
    deliveries: Mapping[DeliveryState, int]

    def cells(self) -> tuple[object, ...]:
        counted = ", ".join(f"{count} {str(state).replace('_', ' ')}" for state, count in self.deliveries.items())
        kind = self.kind if self.is_configured else "(not configured)"
        return self.name, kind, self.scheme, self.store, self.mode, self.last_received_at or "never", counted or "none"


def _source_rows(settings: Settings, counts: Sequence[SourceCount]) -> Iterator[_SourceRow]:
    """Those of the configuration, and those that only old deliveries name."""
    for name in sorted({*settings.sources, *(each.source for each in counts)}):
        source = settings.sources.get(name)
        of_source = [each for each in counts if each.source == name]
        yield _SourceRow(
            name=name,
            is_configured=source is not None,
            kind=source.kind if source else "",
            scheme=source.auth.scheme if source else "",
            store=source.store if source else "",
            mode=source.mode if source else "",
            last_received_at=max((each.last_received_at for each in of_source), default=None),
            deliveries={each.state: each.count for each in of_source},
        )


# --- sources test -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """A delivery to try: a stored one or a file."""

    name: str
    source: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tried:
    sample: _Sample
    #: None: there is nothing to compare with.
    before: Reread | None
    after: Reread
    changes: tuple[Change, ...] = ()
    #: One line each; "" where no plan was asked for.
    plan_before: str = ""
    plan_after: str = ""

    @property
    def differs(self) -> bool:
        return bool(self.changes) or self.plan_before != self.plan_after

    @property
    def becomes_unreadable(self) -> bool:
        return not self.after.is_understood and (self.before is None or self.before.is_understood)


@sources_group.command(name="test")
@click.argument("things", metavar="[NAME] [FILE|DELIVERY]…", nargs=-1, required=True)
@click.option(
    "--with",
    "candidate",
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True),
    help="The changed configuration: a whole directory, or one source's TOML file. Without it: the one in force.",
)
@click.option(
    "--last", default=100, show_default=True, type=click.IntRange(1), help="Of a source: its newest deliveries."
)
@click.option("--plan", "with_plan", is_flag=True, help="Also plan each one; reads orders from the store.")
@header_option
@json_option
@click.pass_obj
def test_command(
    invocation: Invocation,
    *,
    things: tuple[str, ...],
    candidate: Path | None,
    last: int,
    with_plan: bool,
    header_texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what deliveries would be read as, before a configuration is live.

    Takes files (a body, or a whole request as `refundry show del_17 --raw` writes it), stored deliveries by id, or a
    source's newest. With --with, shows what the changed configuration reads differently; nothing is stored or sent.
    Exit code 1 if something becomes unreadable.
    """
    name, things = _source_first(things)
    now = invocation.read_settings()
    changed = now if candidate is None else _changed_settings(invocation, candidate, name)
    if name is not None and not {name} & {*now.sources, *changed.sources}:
        known = ", ".join(sorted({*now.sources, *changed.sources})) or "none"
        raise NotFound(f"'{name}' is neither a file nor a source; sources: {known}", source=name)
    samples = _samples(invocation, name, things, last, read_headers(header_texts))
    tried = [_try(sample, None if candidate is None else now, changed) for sample in samples]
    if with_plan:
        tried = _planned(invocation, None if candidate is None else now, changed, tried)
    if as_json:
        say_json({"deliveries": [_content(each) for each in tried]})
    elif candidate is None:
        say(*_reading_lines(tried))
    else:
        say(*_difference_lines(tried))
    if any(each.becomes_unreadable for each in tried):
        raise SystemExit(1)


def _source_first(things: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The source's name where the first thing is one: neither a file nor the id of a delivery."""
    first, *others = things
    is_name = not Path(first).exists() and not first.startswith("del_") and "/" not in first and "." not in first
    return (first, tuple(others)) if is_name else (None, tuple(things))


def _changed_settings(invocation: Invocation, candidate: Path, name: str | None) -> Settings:
    if candidate.is_dir():
        return invocation.read_settings(directory=candidate)
    return invocation.read_settings(instead={name or candidate.stem: candidate})


def _samples(
    invocation: Invocation, name: str | None, things: Sequence[str], last: int, headers: Headers
) -> list[_Sample]:
    files = [thing for thing in things if not thing.startswith("del_") or Path(thing).exists()]
    samples = {thing: _from_file(thing, name, headers) for thing in files}
    if len(samples) < len(things) or not things:
        with invocation.open_runtime() as runtime:
            numbers = {thing: parse_id("delivery", thing) for thing in things if thing not in samples}
            if not things:
                newest = runtime.store.inbox.list(source=name, limit=last)
                numbers = {format_id("delivery", each.id): each.id for each in newest if each.purged_at is None}
            samples |= {thing: _stored(runtime, number) for thing, number in numbers.items()}
    if not samples:
        raise NotFound(f"source '{name}' has no deliveries yet; name files: refundry sources test {name} FILE…")
    return [samples[thing] for thing in (things or samples)]


def _from_file(file: str, name: str | None, headers: Headers) -> _Sample:
    try:
        captured = read_captured(Path(file).read_bytes(), file)
    except OSError as error:
        raise BadRequest(f"{file} cannot be read ({error.strerror})") from error
    source = name or captured.source
    if source is None:
        raise BadRequest(
            f"{file} does not say which source it is of; name it: refundry sources test NAME {file}", file=file
        )
    return _Sample(name=file, source=source, headers=(*headers, *captured.headers), body=captured.body)


def _stored(runtime: Runtime, number: int) -> _Sample:
    delivery = with_its_body(runtime.store.inbox.delivery(number))
    return _Sample(
        name=format_id("delivery", number),
        source=delivery.source,
        headers=tuple(delivery.headers.items()),
        body=delivery.body,
    )


def _try(sample: _Sample, now: Settings | None, changed: Settings) -> _Tried:
    after = reread(changed, sample.source, sample.body, sample.headers)
    if now is None:
        return _Tried(sample=sample, before=None, after=after)
    before = reread(now, sample.source, sample.body, sample.headers)
    return _Tried(sample=sample, before=before, after=after, changes=changes(before, after))


# --- with --plan ------------------------------------------------------------------------------------------------------


def _planned(invocation: Invocation, now: Settings | None, changed: Settings, tried: Sequence[_Tried]) -> list[_Tried]:
    before = [""] * len(tried)
    if now is not None:
        before = _plans(invocation, now, [each.before or each.after for each in tried], tried)
    after = _plans(invocation, changed, [each.after for each in tried], tried)
    return [replace(each, plan_before=old, plan_after=new) for each, old, new in zip(tried, before, after, strict=True)]


def _plans(invocation: Invocation, settings: Settings, said: Sequence[Reread], tried: Sequence[_Tried]) -> list[str]:
    with open_for_dry_run(invocation, settings) as runtime:
        return [
            "; ".join(_plan(runtime, each.sample.source, event) for event in one.events)
            for one, each in zip(said, tried, strict=True)
        ]


def _plan(runtime: Runtime, source: str, event: ReturnEvent) -> str:
    try:
        dry = dry_run(runtime, runtime.source(source), event)
    except RefundryError as error:
        return f"cannot be planned now: {error.message}"
    restocks = "restocks" if any(refund.request.restocks for refund in dry.plan.refunds) else "restocks nothing"
    headline = plan_headline(plain_plan(dry.plan, dry.bodies))
    return f"{headline}, {restocks}, fingerprint {dry.plan.fingerprint()}" if dry.plan.refunds else headline


# --- as it is shown ---------------------------------------------------------------------------------------------------


def _reading_lines(tried: Sequence[_Tried]) -> Iterator[str]:
    for each in tried:
        yield _title(each)
        yield from wrapped("", said_words(each.after), indent=2)
        if each.plan_after:
            yield from wrapped("plan: ", each.plan_after, indent=2)


def _difference_lines(tried: Sequence[_Tried]) -> Iterator[str]:
    differing = [each for each in tried if each.differs]
    for each in differing:
        yield from _one_difference(each)
        yield ""
    unreadable = sum(each.becomes_unreadable for each in tried)
    yield f"{len(differing)} of {len(tried)} would be read differently" + (
        f", {unreadable} not at all any more" if unreadable else ""
    )


def _one_difference(each: _Tried) -> Iterator[str]:
    assert each.before is not None
    yield _title(each)
    if each.before.reading is Reading.EVENT and each.after.reading is Reading.EVENT:
        rows = [
            (change.path, f"{change.before or '(nothing)'} → {change.after or '(nothing)'}") for change in each.changes
        ]
        yield from (f"  {line}" for line in list(table(("value", "before → after"), rows[:_MOST_CHANGES]))[1:])
        if len(rows) > _MOST_CHANGES:
            yield f"  … and {len(rows) - _MOST_CHANGES} more values; --json has all"
    elif each.changes:
        yield from wrapped("before  ", said_words(each.before), indent=2)
        yield from wrapped("after   ", said_words(each.after), indent=2)
    if each.plan_before != each.plan_after:
        yield from wrapped("plan before  ", each.plan_before or "none", indent=2)
        yield from wrapped("plan after   ", each.plan_after or "none", indent=2)


def _title(each: _Tried) -> str:
    return f"{each.sample.name} of {each.sample.source}"


def _content(each: _Tried) -> dict[str, Any]:
    return {
        "delivery": each.sample.name,
        "source": each.sample.source,
        "before": each.before and _said(each.before, each.plan_before),
        "after": _said(each.after, each.plan_after),
        "changes": each.changes,
        "becomes_unreadable": each.becomes_unreadable,
    }


def _said(said: Reread, plan: str) -> dict[str, Any]:
    return {"reading": said.reading, "reason": said.reason, "events": plain(said.events), "plan": plan or None}
