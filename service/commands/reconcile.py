"""The command `reconcile`: what Magento knows of our refunds, beside what this database knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from service.commands.invocation import Invocation, actor_of, actor_option, json_option
from service.commands.shown import fields, moment, say, say_json, table
from service.core.wording import money
from service.errors import BadRequest
from service.flow.forgotten import Accepted, Search, accept_forgotten, search_forgotten
from service.flow.unknowns import Sight, Sighting, look_for_unknown
from service.runtime import Runtime
from service.store import FoundMarker, format_id
from service.web.api.shapes import RefundShape, dump, dump_all

_SINCE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]


@click.command(name="reconcile")
@click.option("--store", "store_name", metavar="STORE", help="Only this store's.")
@click.option(
    "--since",
    type=click.DateTime(_SINCE_FORMATS),
    help="Search memos made since then (UTC); default: all that this database may have forgotten.",
)
@click.option("--accept", is_flag=True, help="What the last search found was compared: let online refunds go on.")
@actor_option
@json_option
@click.pass_obj
def reconcile_command(
    invocation: Invocation,
    *,
    store_name: str | None,
    since: datetime | None,
    accept: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Compare with what Magento knows.

    Looks for the memos of refunds without an answer, and searches for refunds of ours that this database does not know,
    as after a restore. Online refunds wait from the first of those on, until --accept.
    """
    name = actor_of(invocation, actor)
    begin = None if since is None else since.replace(tzinfo=UTC)
    with invocation.open_runtime() as runtime:
        _check_store(runtime, store_name)
        if accept:
            _show_accepted(accept_forgotten(runtime, name, store=store_name), as_json=as_json)
            return
        sightings = look_for_unknown(runtime, name, store=store_name)
        searches = search_forgotten(runtime, name, store=store_name, since=begin)
    if as_json:
        say_json({"refunds": [_sighting(each) for each in sightings], "stores": [_search(each) for each in searches]})
    else:
        say(*_sighting_lines(sightings))
        for search in searches:
            say("", *_search_lines(search))
    if any(each.sight is Sight.NOT_READ for each in sightings) or any(each.problem for each in searches):
        raise SystemExit(1)


def _check_store(runtime: Runtime, store_name: str | None) -> None:
    if store_name is not None and store_name not in runtime.settings.stores:
        known = ", ".join(runtime.settings.stores)
        raise BadRequest(f"there is no store called '{store_name}'; there are: {known}")


def _show_accepted(accepted: Sequence[Accepted], *, as_json: bool) -> None:
    if as_json:
        say_json({"accepted": accepted})
        return
    for each in accepted:
        say(f"online refunds of {each.instance} go on; {each.woken} deliveries that waited are due now")


# --- refunds without an answer ----------------------------------------------------------------------------------------


def _sighting(each: Sighting) -> dict[str, Any]:
    return {**dump(RefundShape(), each.refund), "sight": each.sight, "memo_id": each.memo_id, "text": each.text}


def _sighting_lines(sightings: Iterable[Sighting]) -> Iterator[str]:
    rows = [
        (format_id("refund", each.refund.id), f"#{each.refund.order_increment_id}", each.sight, each.memo_id, each.text)
        for each in sightings
    ]
    if not rows:
        return iter(("no refund is of unknown outcome",))
    return table(("refund", "order", "memo", "id", "what next"), rows)


# --- refunds that only Magento knows ----------------------------------------------------------------------------------


def _search(search: Search) -> dict[str, Any]:
    return {
        "store": search.store,
        "instance": search.instance,
        "since": search.since,
        "held_back": search.guard is not None,
        "reason": "" if search.guard is None else search.guard.reason,
        "memos": search.memos,
        "base_total": search.base_total,
        "forgotten": [_marker(each) for each in search.forgotten],
        "missing": dump_all(RefundShape(), search.missing),
        "problem": search.problem,
    }


def _marker(each: FoundMarker) -> dict[str, Any]:
    return {
        "marker": each.marker,
        "order_entity_id": each.order_entity_id,
        "memo_id": each.memo_id,
        "memo_created_at": each.memo_created_at,
        "base_total": each.base_total,
        "return_id": None if each.return_id is None else format_id("return", each.return_id),
    }


def _search_lines(search: Search) -> Iterator[str]:
    since = "ever" if search.since is None else f"since {moment(search.since)}"
    if search.problem:
        yield f"Store {search.store}: could not be read: {search.problem}"
        return
    yield f"Store {search.store}: {search.memos} memos of ours {since}, {money(search.base_total)} in all"
    yield from _forgotten_lines(search.forgotten)
    if search.missing:
        yield "  done here, and Magento shows no such memo:"
        rows = [(format_id("refund", row.id), f"#{row.order_increment_id}", row.memo_id) for row in search.missing]
        yield from (f"    {line}" for line in table(("refund", "order", "memo"), rows))
    if search.guard is None:
        return
    yield "  Online refunds wait"
    yield from fields([("since", search.guard.set_at), ("because", search.guard.reason)], indent=4)
    yield "  Compare with the gateway: it may have paid what left no memo. Then: refundry reconcile --accept"


def _forgotten_lines(forgotten: Sequence[FoundMarker]) -> Iterator[str]:
    if not forgotten:
        yield "  all of them are known here"
        return
    total = money(sum((each.base_total for each in forgotten), start=forgotten[0].base_total * 0))
    yield f"  {len(forgotten)} of them, {total} in all, were not known here:"
    rows = [
        (
            each.memo_id,
            each.memo_created_at,
            each.order_entity_id,
            money(each.base_total),
            each.marker,
            "a return not known here" if each.return_id is None else format_id("return", each.return_id),
        )
        for each in forgotten
    ]
    heads = ("memo", "made", "order id", "amount", "marker", "return")
    yield from (f"    {line}" for line in table(heads, rows))
