"""The guard: set once, accepted only after somebody looked, and what was found counts as known from then on."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.errors import Conflict
from service.store import DATABASE_BEHIND, FoundMarker
from tests.store.examples import NOW, at

SHOP = "shop"
FORGOTTEN = FoundMarker(
    instance=SHOP,
    marker="RR-BBBBBBBBBBBBBBBB-01R",
    order_entity_id=269,
    memo_id=21,
    memo_created_at=NOW,
    base_total=Decimal("34.00"),
    return_id=None,
    found_at=at(1),
    accepted_at=None,
    accepted_by="",
)


def test_the_first_reason_stays(store):
    was_set = [store.guards.set(SHOP, reason, NOW) for reason in ("first", "second")]

    assert was_set == [True, False]
    assert store.guards.of(SHOP).reason == "first"
    assert store.guards.of("another shop") is None


def test_nobody_accepts_what_nobody_looked_at(store):
    store.guards.set(SHOP, "restored", NOW)

    with pytest.raises(Conflict, match="run refundry reconcile"):
        store.guards.accept(SHOP, "Ada", NOW)

    assert store.guards.of(SHOP) is not None


def test_where_nothing_is_held_back_there_is_nothing_to_accept(store):
    with pytest.raises(Conflict, match="not held back"):
        store.guards.accept(SHOP, "Ada", NOW)


def test_accepting_makes_what_was_found_known_and_wakes_what_waited(store, given):
    claim = given.claim()
    given.case(claim)
    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW, reason_code=DATABASE_BEHIND, reason="restored")
    store.guards.set(SHOP, "restored", NOW)
    store.guards.keep_found(SHOP, [FORGOTTEN], "Ada", at(1))
    before = store.refunds.known_markers(SHOP, 269)

    woken = store.guards.accept(SHOP, "Ada", at(2))

    assert (before, store.refunds.known_markers(SHOP, 269)) == (frozenset(), {FORGOTTEN.marker})
    assert (woken, store.inbox.delivery(claim.delivery.id).state) == (1, DeliveryState.RECEIVED)
    assert store.guards.all() == ()
    assert [entry.what for entry in store.journal.of()].count("guard.accepted") == 1


def test_a_second_search_keeps_what_was_accepted(store):
    store.guards.set(SHOP, "restored", NOW)
    store.guards.keep_found(SHOP, [FORGOTTEN], "Ada", at(1))
    store.guards.accept(SHOP, "Ada", at(2))

    store.guards.keep_found(SHOP, [FORGOTTEN], "Ada", at(3))

    (kept,) = store.guards.found(SHOP)
    assert (kept.accepted_at, kept.accepted_by) == (at(2), "Ada")
    assert store.guards.found(SHOP, accepted=False) == ()


def test_a_marker_that_somebody_made_longer_is_kept_as_it_was_found(store):
    typed = replace(FORGOTTEN, marker=f"RR-BBBBBBBBBBBBBBBB-{'1' * 100}R")

    store.guards.keep_found(SHOP, [typed], "Ada", NOW)

    assert [each.marker for each in store.guards.found(SHOP)] == [typed.marker]


def known_until_after(store, *entries, now):
    """From when on a search begins, where the journal's newest entries are of these seconds, in the order written."""
    for seconds in entries:
        store.journal.add(now=at(seconds), actor="worker", what="x", text="")
    store.guards.hold_back_all("restored", actor="Ada", now=now, instances=[SHOP])
    return store.guards.of(SHOP).known_until


DAY = 86_400


@pytest.mark.parametrize(
    ("entries", "now", "known_until"),
    [
        ((0, 5), at(7 * DAY), at(-DAY)),
        ((-300 * DAY, *range(100)), at(7 * DAY), at(-DAY)),
        ((30 * DAY, 0), at(7 * DAY), at(-DAY)),
        ((0, 30 * DAY, 5, 30 * DAY), at(7 * DAY), at(-DAY)),
        ((30 * DAY,), at(100), at(100 - DAY)),
    ],
    ids=["as it was", "long ago", "a clock that was ahead", "one host's clock", "a clock that still was ahead"],
)
def test_no_clock_that_ran_ahead_makes_the_search_begin_too_late(store, entries, now, known_until):
    assert known_until_after(store, *entries, now=now) == known_until


def test_an_empty_database_is_certain_of_nothing(store):
    assert known_until_after(store, now=NOW) is None
