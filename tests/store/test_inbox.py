from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from service.core.lifecycle import DELIVERY_MOVES, DeliveryState, RefundState
from service.errors import Conflict, LeaseLost, NotFound
from service.store import IllegalMove, format_id, open_store
from service.store.tables import CLAIMABLE_STATES
from tests.store.examples import LEASE_SECONDS, NOW, at, delivery, event

A_DAY = 86_400


def test_a_delivery_comes_back_byte_for_byte(store):
    received = store.inbox.receive(delivery(body=b'{"id":\t1}\xff'))

    kept = store.inbox.delivery(received.delivery_id)
    assert kept.body == b'{"id":\t1}\xff'
    assert kept.headers == {"content-type": "application/json"}
    assert (kept.state, kept.due_at, kept.received_at) == (DeliveryState.RECEIVED, NOW, NOW)
    assert (received.duplicate, received.clash) == (False, False)


def test_the_same_bytes_again_are_the_same_delivery(store):
    first = store.inbox.receive(delivery())

    again = store.inbox.receive(delivery(received_at=at(5)))

    assert (again.delivery_id, again.duplicate, again.clash) == (first.delivery_id, True, False)
    kept = store.inbox.delivery(first.delivery_id)
    assert (kept.redeliveries, kept.last_redelivered_at) == (1, at(5))


def test_the_same_key_of_another_source_is_another_delivery(store):
    first = store.inbox.receive(delivery(source="warehouse"))
    second = store.inbox.receive(delivery(source="portal"))

    assert second.delivery_id != first.delivery_id
    assert not second.duplicate


def test_the_same_key_with_another_body_is_kept_and_waits_for_a_person(store):
    first = store.inbox.receive(delivery(body=b"one"))

    clash = store.inbox.receive(delivery(body=b"two"))

    assert (clash.duplicate, clash.clash) == (False, True)
    kept = store.inbox.delivery(clash.delivery_id)
    assert (kept.state, kept.due_at, kept.clashes_with) == (DeliveryState.NEEDS_PERSON, None, first.delivery_id)
    assert kept.reason_code == "delivery-clash"
    assert format_id("delivery", first.delivery_id) in kept.reason
    assert format_id("delivery", clash.delivery_id) in kept.reason
    assert [entry.what for entry in store.journal.of(delivery_id=clash.delivery_id)] == ["delivery.clash"]


def test_a_clash_delivered_again_is_a_duplicate_of_itself(store):
    store.inbox.receive(delivery(body=b"one"))
    clash = store.inbox.receive(delivery(body=b"two"))

    again = store.inbox.receive(delivery(body=b"two"))

    assert (again.delivery_id, again.duplicate, again.clash) == (clash.delivery_id, True, True)


def test_a_person_may_replay_a_clash(store):
    store.inbox.receive(delivery(body=b"one"))
    store.inbox.claim("w1", NOW, LEASE_SECONDS)
    clash = store.inbox.receive(delivery(body=b"two"))

    store.inbox.wake(delivery_id=clash.delivery_id, now=at(1), actor="Ada")

    assert store.inbox.claim("w1", at(1), LEASE_SECONDS).delivery.id == clash.delivery_id


def test_the_one_due_longest_is_claimed_first(store):
    store.inbox.receive(delivery("later", received_at=at(2)))
    earlier = store.inbox.receive(delivery("earlier", received_at=at(1)))

    claim = store.inbox.claim("w1", at(3), LEASE_SECONDS)

    assert claim.delivery.id == earlier.delivery_id
    assert (claim.fence, claim.delivery.attempts, claim.lease_until) == (1, 1, at(3 + LEASE_SECONDS))


def test_nothing_is_claimed_before_it_is_due_nor_while_it_is_held(store):
    store.inbox.receive(delivery(received_at=at(10)))

    assert store.inbox.claim("w1", at(9), LEASE_SECONDS) is None
    assert store.inbox.claim("w1", at(10), LEASE_SECONDS) is not None
    assert store.inbox.claim("w2", at(9 + LEASE_SECONDS), LEASE_SECONDS) is None


def test_after_the_lease_another_worker_has_it_and_the_first_may_write_nothing(store):
    store.inbox.receive(delivery())
    first = store.inbox.claim("w1", NOW, LEASE_SECONDS)

    second = store.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)

    assert (second.delivery.id, second.fence) == (first.delivery.id, 2)
    for write in (
        lambda: store.inbox.finish(first, DeliveryState.DONE, at(61)),
        lambda: store.inbox.extend(first, at(61), LEASE_SECONDS),
        lambda: store.returns.record_event(
            first, event(), namespace="warehouse", instance="shop", store="main", now=at(61)
        ),
    ):
        with pytest.raises(LeaseLost):
            write()
    kept = store.inbox.delivery(first.delivery.id)
    assert (kept.state, kept.worker, kept.lease_until) == (DeliveryState.RECEIVED, "w2", at(2 * LEASE_SECONDS))


def test_a_lease_written_by_a_clock_that_ran_ahead_is_not_believed(store):
    received = store.inbox.receive(delivery())
    store.inbox.claim("dead", at(30 * A_DAY), LEASE_SECONDS)

    claim = store.inbox.claim("w1", at(1), LEASE_SECONDS)

    assert (claim.delivery.id, claim.fence) == (received.delivery_id, 2)


def test_the_longest_lease_of_a_refunds_call_is_kept(store, given):
    claim = given.claim()
    store.inbox.extend(claim, NOW, 3600 + 60 + 60)

    assert store.inbox.claim("w2", at(1), LEASE_SECONDS) is None


def test_what_a_clock_that_ran_ahead_holds_is_woken_at_once(store, given):
    claim = given.claim()
    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW)
    store.inbox.wake(delivery_id=claim.delivery.id, now=NOW, actor="Ada")
    store.inbox.claim("dead", at(30 * A_DAY), LEASE_SECONDS)

    store.inbox.wake(delivery_id=claim.delivery.id, now=at(1), actor="Ada")

    assert store.inbox.delivery(claim.delivery.id).attempts == 0
    assert store.inbox.claim("w1", at(1), LEASE_SECONDS).delivery.attempts == 1


def test_two_processes_see_one_another_s_fences(store, database_url):
    store.inbox.receive(delivery())
    stalled = store.inbox.claim("w1", NOW, LEASE_SECONDS)
    other = open_store(database_url)
    taken = other.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)

    with pytest.raises(LeaseLost):
        store.inbox.finish(stalled, DeliveryState.DONE, at(61))
    other.inbox.finish(taken, DeliveryState.DONE, at(62))

    assert store.inbox.delivery(taken.delivery.id).state is DeliveryState.DONE
    other.close()


def test_a_finished_claim_is_over(store, given):
    claim = given.claim()
    store.inbox.finish(claim, DeliveryState.WAITING, NOW, due_at=at(30))

    with pytest.raises(LeaseLost):
        store.inbox.finish(claim, DeliveryState.DONE, NOW)


def test_extending_keeps_others_away_longer(store, given):
    claim = given.claim()

    extended = store.inbox.extend(claim, at(50), LEASE_SECONDS)

    assert extended.lease_until == at(50 + LEASE_SECONDS)
    assert extended.delivery.lease_until == at(50 + LEASE_SECONDS)
    assert store.inbox.claim("w2", at(100), LEASE_SECONDS) is None


def test_what_waits_is_claimed_when_its_time_has_come(store, given):
    claim = given.claim()

    store.inbox.finish(claim, DeliveryState.WAITING, NOW, due_at=at(30), reason_code="order-busy", reason="busy")

    assert store.inbox.claim("w1", at(29), LEASE_SECONDS) is None
    again = store.inbox.claim("w1", at(30), LEASE_SECONDS)
    assert (again.delivery.id, again.delivery.reason_code, again.delivery.attempts) == (
        claim.delivery.id,
        "order-busy",
        2,
    )


@pytest.mark.parametrize(("state", "due_at"), [(DeliveryState.WAITING, None), (DeliveryState.DONE, NOW)])
def test_only_what_waits_has_a_time_and_it_must(store, given, state, due_at):
    with pytest.raises(ValueError, match="due_at"):
        store.inbox.finish(given.claim(), state, NOW, due_at=due_at)


@pytest.mark.parametrize("state", DELIVERY_MOVES[DeliveryState.RECEIVED])
def test_a_received_delivery_may_end_as_the_table_says(store, given, state):
    claim = given.claim()
    due_at = at(30) if state is DeliveryState.WAITING else None

    store.inbox.finish(claim, state, NOW, due_at=due_at, reason="because")

    kept = store.inbox.delivery(claim.delivery.id)
    assert (kept.state, kept.reason, kept.lease_until, kept.worker) == (state, "because", None, "")
    assert store.journal.of(delivery_id=kept.id)[-1].what == f"delivery.{state}"


def test_a_move_that_the_table_does_not_have_changes_nothing(store, given):
    claim = given.claim()
    before = store.inbox.delivery(claim.delivery.id)

    with pytest.raises(IllegalMove, match="received and cannot become received"):
        store.inbox.finish(claim, DeliveryState.RECEIVED, NOW)

    assert store.inbox.delivery(claim.delivery.id) == before


@pytest.mark.parametrize("state", [state for state in DeliveryState if state is not DeliveryState.RECEIVED])
def test_waking_makes_any_delivery_due_now(store, given, state):
    claim = given.claim()
    store.inbox.finish(claim, state, NOW, due_at=at(900) if state is DeliveryState.WAITING else None)

    assert store.inbox.wake(delivery_id=claim.delivery.id, now=at(1), actor="Ada") == 1

    assert store.inbox.claim("w1", at(1), LEASE_SECONDS).delivery.id == claim.delivery.id
    woken = store.journal.of(delivery_id=claim.delivery.id)[-1]
    assert (woken.what, woken.actor) == ("delivery.woken", "Ada")


def test_waking_what_a_worker_holds_is_not_lost(store, given):
    claim = given.claim()
    store.inbox.wake(delivery_id=claim.delivery.id, now=at(1), actor="Ada")
    assert store.inbox.claim("w2", at(1), LEASE_SECONDS) is None

    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, at(2), reason="approve it")

    assert store.inbox.claim("w2", at(2), LEASE_SECONDS).delivery.id == claim.delivery.id


def test_waking_a_return_wakes_its_current_event_and_all_that_is_held_up(store, given):
    older, newer, waiting = (given.claim() for _ in range(3))
    given.case(older, event("evt_1", occurred_at=at(1)))
    case = given.case(newer, event("evt_2", occurred_at=at(2)))
    given.case(waiting, event("evt_0", occurred_at=at(0)))
    store.inbox.finish(older, DeliveryState.DONE, NOW)
    store.inbox.finish(newer, DeliveryState.DONE, NOW)
    store.inbox.finish(waiting, DeliveryState.WAITING, NOW, due_at=at(900))

    assert store.inbox.wake(return_id=case.id, now=at(3), actor="Ada") == 2

    states = {each.id: (each.state, each.due_at) for each in store.inbox.list(return_id=case.id)}
    assert states == {
        older.delivery.id: (DeliveryState.DONE, None),
        newer.delivery.id: (DeliveryState.RECEIVED, at(3)),
        waiting.delivery.id: (DeliveryState.WAITING, at(3)),
    }


def test_waking_what_is_not_there_is_said(store):
    with pytest.raises(NotFound, match="del_7"):
        store.inbox.wake(delivery_id=7, now=NOW, actor="Ada")
    with pytest.raises(NotFound, match="ret_7"):
        store.inbox.wake(return_id=7, now=NOW, actor="Ada")
    with pytest.raises(NotFound, match="del_7"):
        store.inbox.delivery(7)


def test_a_slot_that_is_only_being_checked_is_given_back_with_its_delivery(store, given):
    claim, case, _ = given.slot()

    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW)

    assert store.refunds.of_return(case.id) == ()


def test_a_delivery_whose_call_has_no_outcome_comes_again_to_find_it_out(store, given):
    claim, _, row = given.sending()

    store.inbox.finish(claim, DeliveryState.WAITING, NOW, due_at=at(30))

    assert store.refunds.row(row.id) == row


def test_what_was_not_a_try_does_not_count_as_one(store, given):
    claim = given.claim()
    store.inbox.finish(claim, DeliveryState.WAITING, NOW, due_at=at(30), is_try=False)
    none = store.inbox.delivery(claim.delivery.id).attempts
    store.inbox.finish(store.inbox.claim("w1", at(30), LEASE_SECONDS), DeliveryState.WAITING, at(30), due_at=at(60))

    assert (none, store.inbox.delivery(claim.delivery.id).attempts) == (0, 1)


@pytest.mark.parametrize("state", [each for each in DeliveryState if each not in CLAIMABLE_STATES])
@pytest.mark.parametrize("refund", [RefundState.SENDING, RefundState.UNKNOWN])
def test_a_delivery_that_ends_before_its_refund_has_leaves_it_to_a_person(store, given, refund, state):
    claim, _, row = given.sending() if refund is RefundState.SENDING else given.unknown()

    finished = store.inbox.finish(claim, state, NOW, reason_code="source-gone", reason="the portal is gone")

    left, delivery = store.refunds.row(row.id), store.inbox.delivery(claim.delivery.id)
    assert (left.state, left.needs_person, left.reason_code) == (RefundState.UNKNOWN, True, "unknown-left")
    assert left.settle_at > NOW
    assert "del_1 ended because the portal is gone" in left.reason
    assert "refundry settle ref_1" in left.reason
    assert finished == (delivery.state, delivery.reason_code, delivery.reason)
    assert (delivery.state, delivery.reason) == (DeliveryState.NEEDS_PERSON, left.reason)
    assert delivery.reason_code == ("source-gone" if state is DeliveryState.NEEDS_PERSON else "unknown-left")
    assert store.retention.count(at(100 * 86_400)) == 0


def test_what_a_person_is_asked_about_a_refund_already_stays_when_its_delivery_ends_again(store, given):
    claim, _, row = given.unknown()
    asked = {"reason_code": "unknown-online", "reason": "look at the gateway"}
    store.refunds.flag(row.id, claim, needs_person=True, now=NOW, **asked)

    store.inbox.finish(claim, DeliveryState.IGNORED, NOW, reason_code="before-start", reason="too old")

    delivery = store.inbox.delivery(claim.delivery.id)
    assert (delivery.state, delivery.reason_code) == (DeliveryState.NEEDS_PERSON, "unknown-online")
    assert delivery.reason == "too old; look at the gateway"
    assert store.refunds.row(row.id).reason == "look at the gateway"


def test_eight_workers_claim_each_delivery_once(store):
    for number in range(201):
        store.inbox.receive(delivery(f"d{number}"))

    def claim_all(worker):
        claimed = []
        while (claim := store.inbox.claim(worker, NOW, LEASE_SECONDS)) is not None:
            claimed.append(claim.delivery.id)
        return claimed

    with ThreadPoolExecutor(8) as workers:
        claimed = [each for batch in workers.map(claim_all, [f"w{n}" for n in range(8)]) for each in batch]

    assert len(claimed) == 201
    assert len(set(claimed)) == 201


def test_lists_are_newest_first_and_go_on_from_the_last_seen(store):
    ids = [store.inbox.receive(delivery(f"d{number}")).delivery_id for number in range(5)]

    first = store.inbox.list(limit=2)
    second = store.inbox.list(limit=2, before=first[-1].id)

    assert [each.id for each in (*first, *second)] == [ids[4], ids[3], ids[2], ids[1]]


def test_lists_are_filtered(store, given):
    portal = store.inbox.receive(delivery(source="portal"))
    claim = store.inbox.claim("w1", NOW, LEASE_SECONDS)
    store.inbox.finish(claim, DeliveryState.IGNORED, NOW)
    warehouse = store.inbox.receive(delivery())

    assert [each.id for each in store.inbox.list(source="portal")] == [portal.delivery_id]
    assert [each.id for each in store.inbox.list(state=DeliveryState.RECEIVED)] == [warehouse.delivery_id]


def test_counts_name_every_state(store, given):
    store.inbox.finish(given.claim(), DeliveryState.DONE, NOW)
    store.inbox.receive(delivery())

    counts = store.inbox.counts()

    assert counts == dict.fromkeys(DeliveryState, 0) | {DeliveryState.DONE: 1, DeliveryState.RECEIVED: 1}


def test_the_oldest_due_tells_how_far_behind_the_workers_are(store):
    assert store.inbox.oldest_due(at(100)) is None

    store.inbox.receive(delivery("a", received_at=at(5)))
    store.inbox.receive(delivery("b", received_at=at(7)))

    assert store.inbox.oldest_due(at(4)) is None
    assert store.inbox.oldest_due(at(100)) == at(5)


def test_many_at_once_are_one_commit_or_none(store):
    batch = [delivery("k1", body=b"one"), delivery("k2", body=b"two")]
    assert [each.duplicate for each in store.inbox.receive_all(batch)] == [False, False]

    with pytest.raises(TypeError):
        store.inbox.receive_all([delivery("k3", body=b"three"), delivery("k4", body=None)])

    assert [each.delivery_key for each in store.inbox.list()] == ["k2", "k1"]


def test_one_delivery_twice_in_a_batch_is_stored_once(store):
    first, again = store.inbox.receive_all([delivery(), delivery()])

    assert (first.duplicate, again.duplicate, again.delivery_id) == (False, True, first.delivery_id)


def test_deliveries_are_counted_by_source_and_state(store):
    store.inbox.receive(delivery(source="portal", body=b"one", received_at=at(1)))
    store.inbox.receive(delivery(source="portal", body=b"two", received_at=at(2)))
    store.inbox.receive(delivery(source="warehouse", received_at=at(3)))

    assert [(each.source, each.state, each.count, each.last_received_at) for each in store.inbox.by_source()] == [
        ("portal", DeliveryState.NEEDS_PERSON, 1, at(2)),
        ("portal", DeliveryState.RECEIVED, 1, at(1)),
        ("warehouse", DeliveryState.RECEIVED, 1, at(3)),
    ]


def test_what_a_batch_brings_is_as_it_would_be_alone(store):
    alone = store.inbox.delivery(store.inbox.receive(delivery("k1", body=b"one")).delivery_id)
    (received,) = store.inbox.receive_all([delivery("k2", body=b"one")])
    brought = store.inbox.delivery(received.delivery_id)

    assert replace(brought, id=alone.id, delivery_key="k1") == alone
    (told_alone,), (told,) = (store.journal.of(delivery_id=each.id) for each in (alone, brought))
    assert replace(told, id=told_alone.id, delivery_id=alone.id) == told_alone


def test_a_batch_keeps_its_order_and_tells_clashes_from_duplicates(store):
    known = store.inbox.receive(delivery("k1", body=b"one")).delivery_id

    batch = [delivery("k2", body=b"two"), delivery("k1", body=b"one"), delivery("k1", body=b"other")]
    new, again, clash = store.inbox.receive_all([*batch, delivery("k2", body=b"three")])[:3]

    assert [(each.duplicate, each.clash) for each in (new, again, clash)] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert again.delivery_id == known
    assert store.inbox.delivery(known).redeliveries == 0
    assert [each.clashes_with for each in store.inbox.list(state=DeliveryState.NEEDS_PERSON)] == [
        new.delivery_id,
        known,
    ]


def test_a_delivery_whose_refund_may_have_paid_is_settled_and_not_dismissed(store, given):
    claim, *_ = given.unknown()
    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW, reason_code="unknown-online")

    with pytest.raises(Conflict, match="ref_1 is unknown: say first what became of it"):
        store.inbox.dismiss([claim.delivery.id], now=NOW, actor="ada", reason="too old")

    assert store.inbox.delivery(claim.delivery.id).state is DeliveryState.NEEDS_PERSON


def test_a_return_is_asked_about_until_all_its_questions_are_dismissed(store, given):
    claims = [given.claim(), given.claim()]
    for number, claim in enumerate(claims):
        case = given.case(claim, event(f"evt_{number}"))
        store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW, reason_code="question")
    store.returns.flag(case.id, None, needs_person=True, reason_code="question", reason="which one?", now=NOW)

    store.inbox.dismiss([claims[0].delivery.id], now=NOW, actor="ada", reason="this one is old")
    after_one = store.returns.case(case.id).needs_person
    store.inbox.dismiss([claims[1].delivery.id], now=NOW, actor="ada", reason="and this one, too")

    assert (after_one, store.returns.case(case.id).needs_person) == (True, False)
