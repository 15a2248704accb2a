"""The commands `purge` and `erase`: forget what senders said about people, and keep what proves each refund."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from service.commands.invocation import Invocation, actor_of, actor_option, json_option
from service.commands.shown import say, say_json
from service.errors import BadRequest
from service.runtime import Runtime
from service.store import Erased, format_id


@click.command(name="purge")
@click.option("--older-than", "days", metavar="DAYS", type=click.IntRange(0, 36_500), help="Instead of the setting.")
@click.option("--dry-run", is_flag=True, help="Say how many it would be, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@actor_option
@json_option
@click.pass_obj
def purge_command(
    invocation: Invocation, *, days: int | None, dry_run: bool, yes: bool, actor: str | None, as_json: bool
) -> None:
    """Forget the bodies of old deliveries now.

    The worker does it by itself every hour, after keep_bodies_days. Only what is finished is purged; its key, its hash,
    its event and its refunds stay. A purged delivery cannot be replayed.
    """
    with invocation.open_runtime() as runtime:
        days = days if days is not None else runtime.settings.service.keep_bodies_days or None
        if days is None:
            raise BadRequest("keep_bodies_days is 0, for ever: say --older-than DAYS")
        now = runtime.clock()
        before = now - timedelta(days=days)
        found = runtime.store.retention.count(before)
        purged = 0
        if found and not dry_run:
            if not yes:
                click.confirm(f"Forget {found} bodies received before {before:%Y-%m-%d}?", abort=True)
            name = actor_of(invocation, actor)
            is_hidden = as_json or not sys.stderr.isatty()
            with click.progressbar(length=found, label="purging", file=sys.stderr, hidden=is_hidden) as bar:

                def tell(so_far: int) -> bool:
                    bar.update(so_far - bar.pos)
                    return True

                purged = runtime.store.retention.purge(before, now, name, goes_on=tell)
    if as_json:
        say_json({"before": before.isoformat(), "found": found, "purged": purged})
        return
    done = f"{purged} forgotten" if purged or not found else "nothing was changed"
    say(f"{found} bodies received before {before:%Y-%m-%d}; {done}")


@click.command(name="erase")
@click.option("--text", help="Deliveries whose body holds this, as a customer's e-mail address.")
@click.option("--return", "return_key", metavar="KEY", help="Deliveries about this return, as its sender numbers it.")
@click.option("--order", metavar="NUMBER", help="Deliveries about this order, by its increment id.")
@click.option("--reason", required=True, help="Why, for the journal; do not name the customer in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@actor_option
@json_option
@click.pass_obj
def erase_command(
    invocation: Invocation,
    *,
    text: str | None,
    return_key: str | None,
    order: str | None,
    reason: str,
    yes: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Forget one customer, whatever the age of what was received.

    Looks through every body that is kept. What Magento knows of the customer is erased there. Amounts, order numbers
    and credit memos stay here, because they prove what was paid.
    """
    if [text, return_key, order].count(None) != 2:
        raise click.UsageError("say one of --text, --return and --order")
    with invocation.open_runtime() as runtime:
        found = _found(runtime, text=text, return_key=return_key, order=order)
        if found and not yes:
            say(*(f"  {format_id('delivery', each)}" for each in found))
            click.confirm(f"Forget the bodies of these {len(found)} deliveries?", abort=True)
        erased = runtime.store.retention.erase(found, runtime.clock(), actor_of(invocation, actor), reason)
    _tell(erased, as_json=as_json)


def _found(runtime: Runtime, *, text: str | None, return_key: str | None, order: str | None) -> tuple[int, ...]:
    if text is None:
        return runtime.store.retention.find(return_key=return_key, order=order)
    if len(text.strip()) < _LEAST_TEXT:
        raise BadRequest(f"--text {text!r} is in too many bodies: say at least {_LEAST_TEXT} characters")
    return runtime.store.retention.find_text(text.strip())


#: Shorter than any address or name that means one person.
_LEAST_TEXT = 5


def _tell(erased: Erased, *, as_json: bool) -> None:
    still_open = {format_id("delivery", number): state for number, state in erased.still_open.items()}
    if as_json:
        say_json({"erased": [format_id("delivery", each) for each in erased.delivery_ids], "still_open": still_open})
        return
    say(f"{len(erased.delivery_ids)} deliveries forgotten")
    for name, state in still_open.items():
        say(f"left: {name} is {state}; finish it (refundry show {name}), then say this again")
