"""What is forgotten goes for good, what proves a refund stays, and nothing is taken from those who still work."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.lifecycle import DeliveryState
from service.core.returns import Quantities, Receipt
from service.errors import Conflict
from service.store import Erased
from tests.databases import on_sqlite
from tests.store.beside import scalar_of
from tests.store.examples import NOW, at, delivery, event

A_DAY = 86_400
LATER = at(100 * A_DAY)


def finished(store, given, state=DeliveryState.DONE, **received):
    claim = given.claim(**received)
    store.inbox.finish(claim, state, NOW, reason_code="nothing-left", reason="all given back")
    return claim.delivery.id


def test_old_bodies_go_and_what_they_came_to_stays(store, given):
    old, young = finished(store, given), finished(store, given, received_at=at(50 * A_DAY), now=at(50 * A_DAY))

    purged = store.retention.purge(at(40 * A_DAY), LATER, "ada")

    gone, kept = store.inbox.delivery(old), store.inbox.delivery(young)
    assert purged == 1
    assert (gone.body, gone.headers, gone.purged_at) == (b"", {}, LATER)
    assert (gone.state, gone.reason, gone.body_sha256) == (DeliveryState.DONE, "all given back", kept.body_sha256)
    assert (kept.body, kept.purged_at) == (b'{"id": 1}', None)


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.NEEDS_PERSON])
def test_what_somebody_still_works_on_is_never_purged(store, given, state):
    claim = given.claim()
    due_at = at(60) if state is DeliveryState.WAITING else None
    store.inbox.finish(claim, state, NOW, due_at=due_at)
    received = store.inbox.receive(delivery("not looked at yet"))

    assert store.retention.count(LATER) == 0
    assert store.retention.purge(LATER, LATER, "ada") == 0
    assert store.inbox.delivery(claim.delivery.id).body
    assert store.inbox.delivery(received.delivery_id).body


def test_a_redelivery_of_what_was_purged_is_still_known(store):
    new = delivery("d1")
    first = store.inbox.receive(new)
    store.inbox.finish(store.inbox.claim("w1", NOW, 60), DeliveryState.IGNORED, NOW)
    store.retention.purge(LATER, LATER, "ada")

    again = store.inbox.receive(new)

    assert (again.delivery_id, again.duplicate, again.clash) == (first.delivery_id, True, False)


def test_what_was_approved_stays_and_the_customers_reason_goes(store, given):
    claim = given.claim()
    case = given.case(claim)
    store.inbox.finish(claim, DeliveryState.DONE, NOW)

    store.retention.purge(LATER, LATER, "ada")

    (line,) = store.returns.case(case.id).event.lines
    assert (line.sku, line.quantity, line.reason) == ("WS12-M-Orange", 1, "")


def test_the_same_event_said_again_after_its_reason_was_forgotten_is_no_contradiction(store, given):
    claim = given.claim()
    case = given.case(claim)
    store.inbox.finish(claim, DeliveryState.DONE, NOW)
    store.retention.purge(LATER, LATER, "ada")

    assert given.case(given.claim(), event()).id == case.id


def test_a_receipt_s_reason_goes_too_and_the_same_receipt_is_still_known(store, given):
    said = event()
    told = replace(said, lines=(), quantities=Quantities.DELTA, receipts=(Receipt(id="rec-1", lines=said.lines),))
    claim = given.claim()
    case = given.case(claim, told)
    store.inbox.finish(claim, DeliveryState.DONE, NOW)

    store.retention.purge(LATER, LATER, "ada")

    again = given.case(given.claim(), told)
    assert (again.id, [(line.quantity, line.reason) for line in again.event.lines]) == (case.id, [(1, "")])


def test_a_memo_keeps_its_amounts_and_our_marker_and_loses_what_people_wrote(store, given):
    claim, _, row = given.sending()
    store.refunds.mark_done(claim, row.id, 7, NOW, stock_proven=True)
    memo = {"entity_id": 7, "comments": [f"Return RMA-1001 (warehouse) {row.marker}", "Mrs Lovelace called twice"]}
    store.refunds.save_receipt(row.id, memo, [], NOW)
    store.inbox.finish(claim, DeliveryState.DONE, NOW)

    store.retention.purge(LATER, LATER, "ada")

    assert store.refunds.row(row.id).memo == {"entity_id": 7, "comments": [row.marker]}


def test_a_purged_delivery_is_not_replayed_and_the_sender_is_named_as_the_way_out(store, given):
    delivery_id = finished(store, given)
    store.retention.purge(LATER, LATER, "ada")

    with pytest.raises(Conflict, match="was purged on 2027-03-03: have its sender send it again"):
        store.inbox.wake(delivery_id=delivery_id, now=LATER, actor="ada")


def test_a_return_is_woken_by_what_is_left_of_it(store, given):
    claim = given.claim()
    case = given.case(claim)
    store.inbox.finish(claim, DeliveryState.DONE, NOW)
    store.retention.purge(LATER, LATER, "ada")
    late = given.claim(received_at=LATER, now=LATER)
    given.case(late, event("evt_0", occurred_at=NOW - timedelta(days=1)))
    store.inbox.finish(late, DeliveryState.NEEDS_PERSON, LATER, reason_code="order-busy", reason="busy")

    assert store.inbox.wake(return_id=case.id, now=LATER, actor="ada") == 1
    assert store.inbox.delivery(late.delivery.id).state is DeliveryState.RECEIVED


def test_purging_goes_in_steps_and_can_be_ended_between_them(store, given):
    for _ in range(3):
        finished(store, given)

    assert store.retention.purge(LATER, LATER, "ada", goes_on=lambda so_far: so_far > 0) == 0
    assert store.retention.count(LATER) == 3


@pytest.mark.parametrize(
    "body",
    [b'{"email": "Ada@Example.org"}', b'{"name": "J\\u00fcrgen ada@example.org"}'],
    ids=["in another case", "among escapes"],
)
def test_a_customer_is_found_by_what_bodies_hold_and_erased_whatever_the_age(store, body):
    store.inbox.receive(delivery("hers", body=body))
    store.inbox.receive(delivery("another's", body=b"{}"))
    for _ in range(2):
        store.inbox.finish(store.inbox.claim("w1", NOW, 60), DeliveryState.DONE, NOW)

    found = store.retention.find_text("ada@example.org")
    erased = store.retention.erase(found, NOW, "ada", "request 12")

    assert (found, erased) == ((1,), Erased(delivery_ids=(1,), still_open={}))
    assert store.inbox.delivery(1).body == b""
    assert store.inbox.delivery(2).body == b"{}"
    assert [entry.text for entry in store.journal.of(delivery_id=1)][-1] == "request 12"


def test_a_name_that_json_escapes_is_found(store):
    store.inbox.receive(delivery("his", body=b'{"name": "J\\u00fcrgen"}'))
    store.inbox.receive(delivery("hers", body='{"name": "Jürgen"}'.encode()))

    assert store.retention.find_text("Jürgen") == (1, 2)


def test_a_return_and_an_order_are_found_by_their_numbers(store, given):
    claim = given.claim()
    given.case(claim)
    given.claim()

    assert store.retention.find(return_key="RMA-1001") == (claim.delivery.id,)
    assert store.retention.find(order="000000264") == (claim.delivery.id,)
    assert store.retention.find(order="000000999") == ()


def test_erasing_leaves_what_is_open_and_says_so(store, given):
    claim = given.claim()

    erased = store.retention.erase((claim.delivery.id,), NOW, "ada", "request 12")

    assert erased == Erased(delivery_ids=(), still_open={claim.delivery.id: DeliveryState.RECEIVED})
    assert store.inbox.delivery(claim.delivery.id).body


@on_sqlite
def test_what_is_deleted_is_overwritten_on_disk(store):
    with store.database.write() as tx:
        assert scalar_of(tx, "PRAGMA secure_delete") == 1
