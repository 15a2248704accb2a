"""The command `replay`: reads stored deliveries again, one by its id or all that were kept aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from service.commands.event_words import said_words
from service.commands.invocation import Invocation, actor_of, actor_option, json_option
from service.commands.shown import say, say_json, table
from service.errors import Conflict
from service.flow import answers
from service.flow.reread import Reread, Trouble, quarantined, reread
from service.runtime import Runtime
from service.store import DeliverySummary, format_id, parse_id

#: More would scroll the question that follows out of the window; --json lists all.
_MOST_SHOWN = 100

_WORKER_GOES_ON = "the worker goes on at once"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    delivery: DeliverySummary
    trouble: Trouble
    now: Reread
    #: Why it could not be read again after all.
    failed: str = ""


@click.command(name="replay")
@click.argument("delivery_ids", metavar="[DELIVERY]…", nargs=-1)
@click.option("--unreadable", is_flag=True, help="All that could not be read, or whose source was gone.")
@click.option("--clashes", is_flag=True, help="All whose id came with two contents; look at them first.")
@click.option("--source", metavar="NAME", help="Of those, only this source's.")
@click.option("--dry-run", is_flag=True, help="Show what each would say now, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@actor_option
@json_option
@click.pass_obj
def replay_command(
    invocation: Invocation,
    *,
    delivery_ids: tuple[str, ...],
    unreadable: bool,
    clashes: bool,
    source: str | None,
    dry_run: bool,
    yes: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Read stored deliveries again.

    Harmless: what was given back stays given back, and only a difference would be refunded.

    With --unreadable, after the configuration was mended: shows what each one says now and asks. Those that still
    cannot be read are left as they are.
    """
    wanted = _wanted(unreadable=unreadable, clashes=clashes)
    if bool(delivery_ids) == bool(wanted):
        raise click.UsageError("say which: ids of deliveries (del_…), or --unreadable, or --clashes")
    if delivery_ids and (source or dry_run):
        raise click.UsageError("--source and --dry-run go with --unreadable and --clashes")
    name = "" if dry_run else actor_of(invocation, actor)
    with invocation.open_runtime() as runtime:
        if delivery_ids:
            _replay_named(runtime, delivery_ids, name, as_json=as_json)
            return
        found = _candidates(runtime, wanted, source)
        due = [each for each in found if each.now.is_understood]
        if not as_json:
            say(*_lines(found, wanted, source))
        is_agreed = bool(due) and not dry_run and (yes or _agrees(len(due), as_json=as_json))
        done = [_replayed(runtime, each, name) for each in due] if is_agreed else []
    failed = [each for each in done if each.failed]
    if as_json:
        say_json({"deliveries": [_content(each, done) for each in found]})
    elif done:
        woken = len(done) - len(failed)
        say(f"{_deliveries(woken)} {'is' if woken == 1 else 'are'} due now; {_WORKER_GOES_ON}")
    for each in failed:
        click.echo(f"error: {format_id('delivery', each.delivery.id)}: {each.failed}", err=True)
    if failed:
        raise SystemExit(1)


def _wanted(*, unreadable: bool, clashes: bool) -> frozenset[Trouble]:
    asked = {Trouble.UNREADABLE: unreadable, Trouble.SOURCE_GONE: unreadable, Trouble.CLASH: clashes}
    return frozenset(trouble for trouble, is_asked in asked.items() if is_asked)


def _replay_named(runtime: Runtime, delivery_ids: Sequence[str], actor: str, *, as_json: bool) -> None:
    numbers = [parse_id("delivery", each) for each in delivery_ids]
    for number in numbers:
        # All of them or none: a mistyped id is found before the first is woken.
        runtime.store.inbox.delivery(number)
    for number in numbers:
        answers.replay(runtime, number, actor)
    if as_json:
        say_json({"replayed": delivery_ids[0] if len(delivery_ids) == 1 else delivery_ids})
    else:
        verb = "is" if len(delivery_ids) == 1 else "are"
        say(f"{', '.join(delivery_ids)} {verb} read again; {_WORKER_GOES_ON}")


def _candidates(runtime: Runtime, wanted: frozenset[Trouble], source: str | None) -> list[_Candidate]:
    """Oldest first, as they arrived."""
    kept = [each for each in quarantined(runtime, source) if each[0] in wanted]
    return [_candidate(runtime, trouble, delivery) for trouble, delivery in reversed(kept)]


def _candidate(runtime: Runtime, trouble: Trouble, summary: DeliverySummary) -> _Candidate:
    delivery = runtime.store.inbox.delivery(summary.id)
    now = reread(runtime.settings, delivery.source, delivery.body, tuple(delivery.headers.items()))
    return _Candidate(delivery=summary, trouble=trouble, now=now)


def _agrees(count: int, *, as_json: bool) -> bool:
    if as_json:
        raise click.UsageError("--json asks nothing; say --yes or --dry-run")
    return click.confirm(f"\nRead {_deliveries(count)} again?", abort=True, err=True)


def _replayed(runtime: Runtime, each: _Candidate, actor: str) -> _Candidate:
    try:
        answers.replay(runtime, each.delivery.id, actor)
    except Conflict as error:  # somebody or a worker was faster; the others are read again all the same
        return _Candidate(delivery=each.delivery, trouble=each.trouble, now=each.now, failed=error.message)
    return each


# --- as it is shown ---------------------------------------------------------------------------------------------------


def _lines(found: Sequence[_Candidate], wanted: frozenset[Trouble], source: str | None) -> Iterator[str]:
    of_source = f" of source '{source}'" if source else ""
    if not found:
        words = "is in contradiction" if wanted == {Trouble.CLASH} else "was kept aside"
        yield f"nothing{of_source} {words}"
        return
    rows = [
        (format_id("delivery", each.delivery.id), each.delivery.source, each.trouble, said_words(each.now))
        for each in found[:_MOST_SHOWN]
    ]
    yield from table(("delivery", "source", "was", "says now"), rows)
    if len(found) > _MOST_SHOWN:
        yield f"… and {len(found) - _MOST_SHOWN} more; --json lists all"
    understood = sum(each.now.is_understood for each in found)
    yield ""
    yield f"{understood} of {_deliveries(len(found))} can be read now" + (
        "" if understood == len(found) else f"; {len(found) - understood} would stay as they are"
    )
    if understood:
        # Nobody can see from here which configuration the worker was started with.
        yield "A service that runs since before the configuration was mended reads as before: restart it first."


def _deliveries(count: int) -> str:
    return f"{count} deliver{'y' if count == 1 else 'ies'}"


def _content(each: _Candidate, done: Sequence[_Candidate]) -> dict[str, Any]:
    outcome = next((other for other in done if other.delivery.id == each.delivery.id), None)
    return {
        "id": format_id("delivery", each.delivery.id),
        "source": each.delivery.source,
        "was": each.trouble,
        "reason": each.delivery.reason,
        "reading": each.now.reading,
        "says": said_words(each.now),
        "replayed": outcome is not None and not outcome.failed,
    }
