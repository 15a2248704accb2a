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
