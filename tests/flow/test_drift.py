"""What happens to a refund after it was done, seen by the later looks: told once, with both sides, and to a person."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.errors import Conflict
from service.flow import answers
from service.flow.drift import check_once
from service.flow.worker import work_once
from tests.flow.test_refunds import by_hand
from tests.flow.world import World
from tests.store.beside import scalar_of

OFFLINE, ONLINE, WITH_MORE = "000000101", "000000102", "000000109"
BAG = "24-MB01"
FIRST_LOOK, SECOND_LOOK = 300, 86_400


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def refunded(world, order=ONLINE, quantity=1):
    """A return of `order`, refunded; its row."""
    world.say(order, (BAG if order == ONLINE else "WS12-M-Orange", quantity))
    world.work()
    (row,) = world.refunds()
    world.requests.clear()
    return row


def looked(world, seconds=FIRST_LOOK):
    """The refund's row after the looks that are due `seconds` after it was done."""
    world.clock.advance(seconds)
    world.look()
    (row,) = world.refunds()
    return row


@pytest.mark.parametrize("order", [OFFLINE, ONLINE], ids=["offline", "online"])
def test_a_refund_that_stands_is_looked_at_twice_and_nobody_is_told(world, order):
    refunded(world, order)

    early = world.look()
    row = looked(world)
    calls = world.calls()
    row = looked(world, SECOND_LOOK)

    assert early == 0
    assert [path.rsplit("/", 1)[-1] for _, path in calls] == ["creditmemos", str(world.orders[order])]
    assert [check.said for check in world.runtime.store.checks.of(row.id)] == ["as it was", "as it was"]
    assert (row.needs_person, world.people.told) == (False, [])


def test_a_refund_by_hand_between_our_reading_and_our_call_raises_the_alarm(world):
    in_the_window(world, lambda: by_hand(world, ONLINE, BAG, 1))
    refunded(world)
    done_unseen = world.people.told[:]

    row = looked(world)

    foreign, ours = sorted(memo["entity_id"] for memo in world.memos(ONLINE))
    assert done_unseen == []
    assert (row.needs_person, row.reason_code, row.memo_id) == (True, "drift-at-once", ours)
    assert f"memos between our reading and our call: expected none, Magento has {foreign} of 34.00 USD" in row.reason
    assert [code for _, code, _ in world.people.told] == ["drift-at-once"]
    assert world.runtime.store.journal.of(refund_id=row.id)[-1].what == "refund.drifted"


def test_a_refund_by_hand_of_the_same_sku_on_another_line_raises_the_alarm(world):
    order, sku = "000000119", "24-WG088"
    _, other_line = world.sandbox.shop.orders[world.orders[order]]["items"]
    in_the_window(world, lambda: by_hand(world, order, sku, 1, item_id=other_line["item_id"]))
    world.say(order, (sku, 1))
    world.work()

    row = looked(world)

    assert len(world.memos(order)) == 2
    assert (row.needs_person, row.reason_code) == (True, "drift-at-once")


def in_the_window(world, happens):
    """Let `happens` happen when a refund call arrives, before Magento carries it out."""
    handle = world.sandbox.handle

    def first(request):
        if request.method == "POST" and request.path.endswith("/refund"):
            world.sandbox.handle = handle
            happens()
        return handle(request)

    world.sandbox.handle = first


def forget_memo(world):
    del world.sandbox.shop.memos[world.refunds()[0].memo_id]


def forget_half(world):
    order = world.sandbox.shop.orders[world.orders[ONLINE]]
    order["base_total_refunded"] = Decimal(0)


def book_offline(world):
    order = world.sandbox.shop.orders[world.orders[ONLINE]]
    order["base_total_offline_refunded"] = Decimal(34)


def lose_transaction(world):
    world.sandbox.shop.memos[world.refunds()[0].memo_id]["transaction_id"] = None


def copy_memo(world):
    """As a provider's webhook does that carries the refund out once more."""
    memos = world.sandbox.shop.memos
    memos[9000] = {**memos[world.refunds()[0].memo_id], "entity_id": 9000, "increment_id": "000009000"}


def overwrite(world):
    world.sandbox.shop.memos[world.refunds()[0].memo_id]["base_grand_total"] = Decimal(30)


AFTERWARDS = {
    "a second memo by hand": (lambda world: by_hand(world, ONLINE, BAG, 1), "drift-second-memo"),
    "our memo twice": (copy_memo, "drift-marker-twice"),
    "our memo gone": (forget_memo, "drift-memo-missing"),
    "our memo overwritten": (overwrite, "drift-memo-changed"),
    "our memo without its transaction": (lose_transaction, "drift-booked-offline"),
    "money booked offline": (book_offline, "drift-booked-offline"),
    "totals that went back": (forget_half, "drift-totals-back"),
}


@pytest.mark.parametrize(("happens", "code"), AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_what_happens_afterwards_is_told_once(world, happens, code):
    refunded(world)
    happens(world)

    first = looked(world)
    second = looked(world, SECOND_LOOK)

    assert (first.needs_person, first.reason_code) == (True, code)
    assert "expected" in first.reason
    assert [told for _, told, _ in world.people.told] == [code]
    assert [check.said for check in world.runtime.store.checks.of(second.id)][1] == "as told before"


def test_what_happens_after_the_first_look_is_seen_by_the_second(world):
    refunded(world)
    quiet = looked(world)
    by_hand(world, ONLINE, BAG, 1)

    assert not quiet.needs_person
    assert looked(world, SECOND_LOOK).reason_code == "drift-second-memo"


def test_two_returns_of_one_line_are_no_drift(world):
    world.say(ONLINE, (BAG, 1), return_id="RMA-1")
    world.say(ONLINE, (BAG, 1, "damaged"), return_id="RMA-2")
    world.work()

    world.clock.advance(SECOND_LOOK)
    looks = world.look()

    assert (looks, world.people.told) == (4, [])


def test_a_refund_that_was_taken_for_lost_and_happens_after_all_raises_the_alarm(world):
    world.answer_late(2000)
    world.say(WITH_MORE, ("24-UG06", 1))
    world.work()
    world.clock.advance(5)
    world.say(WITH_MORE, ("24-UG06", 1, "damaged"))
    world.work_until_idle(at_most_seconds=1500)
    sent, put_aside = world.refunds()

    world.clock.advance(2500)
    world.let_late_effects_happen()
    world.look()

    row = world.runtime.store.refunds.row(sent.id)
    assert put_aside.superseded
    assert len(world.memos(WITH_MORE)) == 2
    assert (row.needs_person, row.reason_code) == (True, "drift-second-memo")


def test_a_memo_that_a_person_has_explained_is_no_drift(world):
    by_hand_first = world.say(ONLINE, (BAG, 1))
    by_hand(world, ONLINE, BAG, 1)
    world.work()
    (memo,) = world.memos(ONLINE)
    return_id = world.delivery(by_hand_first).return_id
    answers.answer_memo(world.runtime, return_id, memo["entity_id"], "anna", is_this_return=False)
    world.work()
    told_before = len(world.people.told)

    row = looked(world)

    assert row.memo_id is not None
    assert (row.needs_person, len(world.people.told)) == (False, told_before)


@pytest.mark.parametrize("fault", ["maintenance", "lost-before", "401", "html-200-after"])
def test_a_store_that_cannot_be_read_is_looked_at_later(world, fault):
    row = refunded(world)
    world.fault(f"GET * {fault} times=1" if fault == "maintenance" else f"GET * {fault}")
    looked(world)
    tried = world.runtime.store.checks.of(row.id)[0]
    world.faults.lift()

    row = looked(world, seconds=60)

    assert (tried.looked_at, tried.tries) == (None, 1)
    assert tried.due_at > tried.planned_for
    assert world.runtime.store.checks.of(row.id)[0].said == "as it was"


def test_an_alarm_that_nobody_saw_outlives_the_one_that_was_seen_to(world):
    refunded(world)
    world.clock.advance(1)
    by_hand(world, ONLINE, BAG, 1)
    seen = looked(world)
    by_hand(world, ONLINE, BAG, 1)
    now = looked(world, SECOND_LOOK)

    with pytest.raises(Conflict, match=f"the alarm {seen.alarm} of ref_1, but it has {now.alarm} by now.*3 of 34.00"):
        answers.acknowledge(world.runtime, seen.id, seen.alarm, "anna", "that memo was a gift")
    assert world.refunds() == (now,)
    assert now.reason.startswith(f"{seen.reason}. Then: ")
    done = answers.acknowledge(world.runtime, seen.id, now.alarm, "anna", "so was the other")

    assert (done.needs_person, done.alarm, done.reason) == (False, "", "so was the other")


def test_a_look_that_is_never_possible_ends_with_a_person(world):
    impatient = replace(world.settings.service, retry_give_up_after_seconds=60)
    runtime = replace(world.runtime, settings=replace(world.settings, service=impatient))
    row = refunded(world)
    world.fault("GET * maintenance")
    world.clock.advance(FIRST_LOOK)

    world.look(runtime)
    tolerated = world.runtime.store.refunds.row(row.id)
    world.clock.advance(61)
    world.look(runtime)

    given_up = world.runtime.store.refunds.row(row.id)
    assert (tolerated.needs_person, given_up.needs_person) == (False, True)
    assert given_up.reason_code == "drift-not-looked"
    assert world.runtime.store.checks.of(row.id)[0].due_at is None


def test_a_fault_of_ours_over_one_look_leaves_the_others(world):
    world.say(ONLINE, (BAG, 1), return_id="RMA-1")
    world.say(OFFLINE, ("WS12-M-Orange", 1), return_id="RMA-2")
    world.work()
    spoil_request_of_first(world)
    world.clock.advance(FIRST_LOOK)

    world.look()

    newer, older = world.refunds()
    assert world.runtime.store.checks.of(newer.id)[0].said == "as it was"
    assert world.runtime.store.checks.of(older.id)[0].said == "this service failed; its log says how"


def spoil_request_of_first(world):
    with world.runtime.store.database.write() as tx:
        scalar_of(tx, "UPDATE refunds SET request = NULL WHERE id = 1")


def test_a_look_costs_no_delivery_its_turn(world):
    refunded(world)
    world.clock.advance(FIRST_LOOK)
    waiting = world.say(OFFLINE, ("WS12-M-Orange", 1), return_id="RMA-2")

    worked = work_once(world.runtime, "worker-1")

    assert worked
    assert world.state(waiting)[0] is DeliveryState.DONE
    assert check_once(world.runtime, "worker-1")


def test_looks_can_be_left_out(tmp_path):
    never = {"drift_check_after_seconds": 0, "drift_check_again_after_seconds": 0}
    world = World(tmp_path, store_changes=never)

    row = refunded(world)

    assert world.runtime.store.checks.of(row.id) == ()


def test_a_store_that_is_gone_from_the_configuration_is_not_looked_at_now(world):
    row = refunded(world)
    runtime = replace(world.runtime, magento={})
    world.clock.advance(FIRST_LOOK)

    world.look(runtime)

    assert "not configured any more" in world.runtime.store.checks.of(row.id)[0].said
