"""Lost answers: when a look proves that there is no memo, and what a person's word about one is worth."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.lifecycle import DeliveryState, RefundState
from service.errors import BadRequest, Conflict
from service.flow import answers
from service.flow.retention import purge_old
from service.flow.worker import work_once
from service.sandbox.http import Request
from service.store import Settlement
from tests.flow.test_at_most_once import Died, DyingMagento
from tests.flow.test_refunds import by_hand
from tests.flow.world import MONDAY, World, dollars

OFFLINE, ONLINE = "000000109", "000000102"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def refund_by_hand(world, quantity):
    """Staff give back units of the online order's only line, and the money with them; the memo's id."""
    order_id = world.orders[ONLINE]
    invoice = next(each for each in world.sandbox.shop.invoices.values() if each["order_id"] == order_id)
    body = {
        "isOnline": True,
        "items": [{"order_item_id": world.item(ONLINE, "24-MB01"), "qty": quantity}],
        "arguments": {"shipping_amount": 0},
    }
    path = f"/rest/default/V1/invoice/{invoice['entity_id']}/refund"
    answer = world.sandbox.handle(
        Request(method="POST", path=path, headers=world.sandbox.bearer(), body=json.dumps(body).encode())
    )
    assert answer.status == 200, answer.body
    return int(json.loads(answer.body))


def test_a_look_that_began_too_early_proves_nothing_however_late_it_is_answered(world):
    sent_to_settled = world.settings.stores["main"].refund_read_timeout_seconds + 300
    world.answer_late(sent_to_settled - 5)
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work()
    settle_at = world.refunds()[0].settle_at

    world.clock.now = settle_at
    world.clock.advance(-10)
    answers.replay(world.runtime, received.delivery_id, "night shift")
    world.fault("GET */creditmemos latency seconds=20 times=1")
    world.work()

    assert world.clock.now > settle_at
    assert world.state(received) == (DeliveryState.WAITING, "unknown")
    world.work_until_idle()
    assert world.state(received)[0] is DeliveryState.DONE
    assert world.paid_back(ONLINE) == dollars(68)


# --- a delivery that ends before its refund has -----------------------------------------------------------------------


def configured_anew(world, **changes):
    """The same world after a restart with other settings."""
    world.settings = replace(world.settings, **changes)
    world.runtime = world.new_process()


def test_a_refund_whose_delivery_the_configuration_ends_is_left_to_a_person(world):
    world.fault("POST */invoice/*/refund 500-before times=1")
    received = world.say(ONLINE, ("24-MB01", 1))
    world.work()
    store = world.settings.stores["main"]
    policy = replace(store.policy, ignore_returns_before=MONDAY + timedelta(days=1))
    configured_anew(world, stores={"main": replace(store, policy=policy)})
    world.work_until_idle()
    asked, (row,) = world.state(received), world.refunds()
    world.clock.advance(91 * 86_400)
    purged = purge_old(world.runtime)

    answers.settle(world.runtime, row.id, Settlement.NOT_PAID, "anna", text="not at the gateway")
    world.work_until_idle()

    assert (asked, purged) == ((DeliveryState.NEEDS_PERSON, "unknown-left"), 0)
    assert (row.needs_person, [code for _, code, _ in world.people.told]) == (True, ["unknown-left"])
    assert world.state(received) == (DeliveryState.IGNORED, "before-start")
    assert world.refunds()[0].state is RefundState.PLANNED


def test_a_call_whose_worker_was_killed_and_whose_source_is_gone_is_left_to_a_person(world):
    received = world.say(OFFLINE, ("24-UG06", 1))
    killed = world.new_process()
    object.__setattr__(killed, "magento", {"main": DyingMagento(world.client(), at="send_refund", before=False)})
    with pytest.raises(Died):
        work_once(killed, "doomed")
    sources = world.settings.sources
    configured_anew(world, sources={})
    world.work_until_idle()
    asked, (row,) = world.state(received), world.refunds()

    configured_anew(world, sources=sources)
    answers.replay(world.runtime, received.delivery_id, "anna")
    world.work_until_idle()

    assert asked == (DeliveryState.NEEDS_PERSON, "source-gone")
    assert (row.state, row.needs_person, row.reason_code) == (RefundState.UNKNOWN, True, "unknown-left")
    assert [code for _, code, _ in world.people.told] == ["source-gone"]
    assert world.state(received)[0] is DeliveryState.DONE
    assert len(world.memos(OFFLINE)) == 1


def lost_offline(world, *, calls):
    """An offline refund whose last call of so many was lost as well; its delivery and its row."""
    world.fault(f"POST */order/*/refund lost-before times={calls}")
    received = world.say(OFFLINE, ("24-UG06", 1))
    while sum(row.sends for row in world.refunds()) < calls:
        world.clock.now = max(world.delivery(received).due_at or world.clock.now, world.clock.now)
        world.work()
    return received, world.refunds()[0]


def test_what_is_left_to_a_person_after_two_calls_names_a_command_that_is_taken(world):
    received, _ = lost_offline(world, calls=2)
    configured_anew(world, sources={})
    answers.replay(world.runtime, received.delivery_id, "night shift")
    world.work()
    (row,) = world.refunds()
    world.clock.now = row.settle_at

    answers.settle(world.runtime, row.id, Settlement.NOT_PAID, "anna", text="not in the books", sends=2)

    assert "say: refundry settle ref_1 --sends 2 --reason TEXT, with" in row.reason
    assert world.refunds()[0].state is RefundState.PLANNED


@pytest.mark.parametrize("order", [OFFLINE, ONLINE])
def test_a_question_that_is_asked_again_is_the_same_question(world, order):
    world.fault("POST */*/refund lost-before times=3")
    received = world.say(order, ("24-UG06" if order == OFFLINE else "24-MB01", 1))
    world.work_until_idle()
    (first,) = world.refunds()

    for _ in range(2):
        answers.retry(world.runtime, first.return_id, "anna")
        world.work_until_idle()

    (again,) = world.refunds()
    assert (again.reason, world.delivery(received).reason) == (first.reason, first.reason)
    assert f"({world.runtime.store.refunds.attempts(1)[-1].detail})" in first.reason


def killed_while_its_source_was_gone(world):
    """A call that never left, whose worker was killed, and which was left to a person; its delivery and its row."""
    received = world.say(ONLINE, ("24-MB01", 1))
    killed = world.new_process()
    object.__setattr__(killed, "magento", {"main": DyingMagento(world.client(), at="send_refund", before=True)})
    with pytest.raises(Died):
        work_once(killed, "doomed")
    sources = world.settings.sources
    configured_anew(world, sources={})
    world.work_until_idle()
    (row,) = world.refunds()
    configured_anew(world, sources=sources)
    return received, row


def test_what_is_left_to_a_person_says_from_when_on_not_paid_is_taken(world):
    _, row = killed_while_its_source_was_gone(world)

    world.clock.now = row.settle_at
    world.clock.advance(-1)
    with pytest.raises(Conflict, match=f"until {row.settle_at:%H:%M:%S} UTC; look again then"):
        answers.settle(world.runtime, row.id, Settlement.NOT_PAID, "anna", text="not at the gateway")
    world.clock.advance(1)
    answers.settle(world.runtime, row.id, Settlement.NOT_PAID, "anna", text="not at the gateway")

    assert f"or --not-paid from {row.settle_at:%Y-%m-%d %H:%M:%S} UTC on; or mend" in row.reason
    assert world.refunds()[0].state is RefundState.PLANNED


def test_a_refund_whose_source_is_back_is_settled_by_its_stores_own_seconds(world):
    received, left = killed_while_its_source_was_gone(world)

    answers.replay(world.runtime, received.delivery_id, "anna")
    world.work()
    (row,), back = world.refunds(), world.clock.now
    world.work_until_idle()

    assert left.settle_at > back + timedelta(hours=23)
    assert row.settle_at == back + timedelta(seconds=world.settings.stores["main"].settle_seconds)
    assert (row.state, row.needs_person, row.reason_code) == (RefundState.UNKNOWN, False, "unknown")
    assert world.clock.now < back + timedelta(hours=1)
    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "unknown-online")


# --- a clock that was wrong -------------------------------------------------------------------------------------------


def test_what_a_clock_that_ran_ahead_settles_is_settled_by_the_right_one(world):
    world.clock.advance(30 * 86_400)
    received, _ = lost_offline(world, calls=1)
    world.clock.now = MONDAY + timedelta(hours=1)
    answers.retry(world.runtime, 1, "anna")
    world.work()
    (row,), put_right = world.refunds(), world.clock.now

    world.work_until_idle()

    assert row.settle_at == put_right + timedelta(seconds=world.settings.stores["main"].settle_seconds)
    assert world.state(received)[0] is DeliveryState.DONE
    assert world.clock.now < put_right + timedelta(hours=1)
    assert (len(world.memos(OFFLINE)), world.people.told) == (1, [])


def test_what_a_clock_that_ran_ahead_settles_is_left_to_a_person_for_a_day_at_most(world):
    world.clock.advance(30 * 86_400)
    received, _ = lost_offline(world, calls=1)
    world.clock.now = MONDAY + timedelta(hours=1)
    configured_anew(world, sources={})

    answers.replay(world.runtime, received.delivery_id, "anna")
    world.work()

    (row,) = world.refunds()
    assert row.settle_at == world.clock.now + timedelta(days=1)
    assert "or --not-paid from 2026-11-24 10:00:00 UTC on" in row.reason


def test_a_moment_of_another_day_is_told_with_its_date(world):
    world.clock.now = MONDAY.replace(hour=23, minute=57)
    received, row = lost_offline(world, calls=1)
    world.clock.advance(60)

    answers.retry(world.runtime, 1, "anna")
    world.work()
    with pytest.raises(Conflict, match=r"until 2026-11-24 00:0\d:\d\d UTC; look again then"):
        answers.settle(world.runtime, row.id, Settlement.NOT_PAID, "anna", text="not in the books")

    assert f"settled at {row.settle_at:%Y-%m-%d %H:%M:%S} UTC: " in world.delivery(received).reason


# --- what a person says about a memo ----------------------------------------------------------------------------------


def test_a_memo_that_a_person_names_is_this_returns_and_is_not_asked_about_again(world):
    world.fault("POST */invoice/*/refund lost-before times=1")
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()
    memo_id = refund_by_hand(world, 2)

    row = world.refunds()[0]
    answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()

    assert world.refunds()[0].state is RefundState.DONE
    assert world.state(received) == (DeliveryState.DONE, "nothing-left")
    assert world.paid_back(ONLINE) == dollars(68)


def test_a_memo_that_a_person_names_is_still_compared(world):
    world.fault("POST */invoice/*/refund lost-before times=1")
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()
    memo_id = refund_by_hand(world, 1)

    answers.settle(world.runtime, world.refunds()[0].id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()

    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "receipt-differs")
    assert "quantity" in world.delivery(received).reason


def lost(world, how="lost-before", **more):
    """A refund of which nobody knows whether it was paid; its row."""
    world.fault(f"POST */invoice/*/refund {how} times=1 order={ONLINE}")
    world.say(ONLINE, ("24-MB01", 1), **more)
    world.work_until_idle()
    return next(row for row in world.refunds() if row.state is RefundState.UNKNOWN)


def test_a_memo_of_another_order_is_not_taken_for_a_refunds(world):
    world.say(OFFLINE, ("24-UG06", 1), return_id="OTHER")
    world.work()
    (elsewhere,) = world.memos(OFFLINE)
    row = lost(world)

    with pytest.raises(
        BadRequest, match=r"the order of ref_2 has no credit memo with the entity id 1; it has: none yet"
    ):
        answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=elsewhere["entity_id"])

    assert world.runtime.store.refunds.row(row.id) == row


def test_the_number_that_people_see_is_told_from_the_entity_id(world):
    row = lost(world)
    memo_id = refund_by_hand(world, 1)
    number = world.sandbox.shop.memos[memo_id]["increment_id"] = "000000907"

    with pytest.raises(
        BadRequest, match=rf"it has: 1 \(number {number}\); 907 looks like the number of 1: say --memo 1"
    ):
        answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=907)
    with pytest.raises(BadRequest, match=r"it has: 1 \(number 000000907\)$"):
        answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=7)


def test_a_memo_with_another_refunds_marker_is_not_taken(world):
    world.say(ONLINE, ("24-MB01", 1), return_id="OTHER")
    world.work()
    row = lost(world)

    with pytest.raises(BadRequest, match=rf"carries RR-\S+, another refund's marker; ref_2 has {row.marker}"):
        answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=1)


def test_one_memo_is_not_named_for_two_refunds(world):
    first = lost(world)
    memo_id = refund_by_hand(world, 1)
    answers.settle(world.runtime, first.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()
    world.clock.advance(600)
    second = lost(world, return_id="RMA-2")

    with pytest.raises(Conflict, match="credit memo 1 is ref_1's already; name the one of ref_"):
        answers.settle(world.runtime, second.id, Settlement.MEMO, "anna", memo_id=memo_id)


def test_what_is_approved_after_a_memo_was_named_is_still_given_back(world):
    row = lost(world)
    memo_id = refund_by_hand(world, 1)
    answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()
    world.clock.advance(60)

    more = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    assert world.state(more) == (DeliveryState.DONE, "refunded")
    assert world.paid_back(ONLINE) == dollars(34, 34)
    assert [each.marker[-3:] for each in world.refunds()] == ["02R", "01R"]


def test_a_memo_that_appears_late_does_not_count_beside_the_payment_that_it_books(world):
    world.answer_late(700)
    received = world.say(ONLINE, ("24-MB01", 1))
    world.work_until_idle()
    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "unknown-online")
    answers.settle(world.runtime, 1, Settlement.PAID_NO_MEMO, "anna", text="the gateway shows it")
    world.work_until_idle()
    world.clock.advance(1000)
    world.let_late_effects_happen()

    more = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    assert world.state(more) == (DeliveryState.DONE, "refunded")
    assert world.paid_back(ONLINE) == dollars(34, 34)


def paid_without_memo(world):
    """A refund of one unit that a person said was paid without a memo."""
    row = lost(world)
    answers.settle(world.runtime, row.id, Settlement.PAID_NO_MEMO, "anna", text="the gateway shows it")
    world.work_until_idle()
    world.clock.advance(60)


def asked_about_the_booking(world):
    """Staff book that payment by hand, and a second unit is approved."""
    by_hand(world, ONLINE, "24-MB01", 1)
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()
    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "foreign-memo")
    return received


def test_a_memo_that_books_what_was_paid_without_one_is_counted_once(world):
    paid_without_memo(world)
    received = asked_about_the_booking(world)

    with pytest.raises(Conflict, match="If 1 books that payment: refundry settle ref_1 --memo 1"):
        answers.answer_memo(world.runtime, 1, 1, "anna", is_this_return=True)
    answers.settle(world.runtime, 1, Settlement.MEMO, "anna", memo_id=1, text="the bookkeeping made it")
    world.work_until_idle()

    assert world.state(received) == (DeliveryState.DONE, "refunded")
    assert world.paid_back(ONLINE) == dollars(34)
    assert [(row.memo_id, row.needs_person) for row in world.refunds()] == [(2, False), (1, False)]


def test_a_memo_besides_what_was_paid_without_one_counts_besides_it(world):
    paid_without_memo(world)
    received = asked_about_the_booking(world)

    answers.answer_memo(world.runtime, 1, 1, "anna", is_this_return=True, is_further=True)
    world.work_until_idle()

    assert world.state(received) == (DeliveryState.DONE, "nothing-left")
    assert world.paid_back(ONLINE) == []


def test_a_memo_that_was_answered_for_first_may_book_the_payment_as_well(world):
    row = lost(world)
    by_hand(world, ONLINE, "24-MB01", 1)
    answers.answer_memo(world.runtime, 1, 1, "anna", is_this_return=True)

    with pytest.raises(Conflict, match="If it books this payment: refundry settle ref_1 --memo 1"):
        answers.settle(world.runtime, row.id, Settlement.PAID_NO_MEMO, "anna", text="the gateway shows it")
    settled = answers.settle(world.runtime, row.id, Settlement.PAID_NO_MEMO, "anna", text="both", is_further=True)

    assert settled.is_paid_without_memo


def test_a_booking_of_another_amount_is_shown_with_both_sides(world):
    paid_without_memo(world)
    by_hand(world, ONLINE, "24-MB01", 2)

    settled = answers.settle(world.runtime, 1, Settlement.MEMO, "anna", memo_id=1)

    assert (settled.needs_person, settled.reason_code) == (True, "receipt-differs")
    assert "base total: asked 34.00, the memo says 68.00" in settled.reason
    assert "gateway transaction" not in settled.reason


def test_a_memo_is_named_although_the_body_of_the_delivery_was_purged(world):
    paid_without_memo(world)
    world.clock.advance(91 * 86_400)
    purged = purge_old(world.runtime)
    by_hand(world, ONLINE, "24-MB01", 1)

    settled = answers.settle(world.runtime, 1, Settlement.MEMO, "anna", memo_id=1)

    assert (purged, settled.memo_id, settled.differences) == (1, 1, ())
    assert [each.state for each in world.deliveries()] == [DeliveryState.DONE]


class MagentoReadSlowly:
    """Something else happens while its memos are read."""

    def __init__(self, magento, meanwhile):
        self._magento, self._meanwhile = magento, meanwhile

    def __getattr__(self, name):
        return getattr(self._magento, name)

    def read_memos(self, order_id):
        self._meanwhile()
        return self._magento.read_memos(order_id)


def test_a_booking_is_compared_as_one_although_another_said_meanwhile_that_it_was_paid(world):
    row = lost(world)
    by_hand(world, ONLINE, "24-MB01", 1)
    paid = {"is_further": True, "text": "the gateway shows it"}
    slow = MagentoReadSlowly(
        world.runtime.magento["main"],
        meanwhile=lambda: answers.settle(world.runtime, row.id, Settlement.PAID_NO_MEMO, "bert", **paid),
    )
    runtime = replace(world.runtime, magento={"main": slow})

    settled = answers.settle(runtime, row.id, Settlement.MEMO, "anna", memo_id=1)

    assert (settled.memo_id, settled.differences, settled.needs_person) == (1, (), False)


def looked_at_later(world):
    """What the looks at the first refund found, five minutes and a day after it was settled."""
    for seconds in (300, 86_400):
        world.clock.advance(seconds)
        world.look()
    return [check.said for check in world.runtime.store.checks.of(1)]


def test_a_refund_that_a_person_settled_by_its_memo_is_looked_at_later(world):
    row = lost(world)
    memo_id = refund_by_hand(world, 1)
    answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()
    world.clock.advance(1)
    by_hand(world, ONLINE, "24-MB01", 1)

    first, second = looked_at_later(world)

    assert "memos on the same lines since 1: expected none, Magento has 2 of 34.00 USD" in first
    assert second == "as told before"


def test_a_payment_without_a_memo_is_looked_at_for_a_memo_that_comes_late(world):
    paid_without_memo(world)

    assert looked_at_later(world) == ["as it was", "as it was"]


def test_a_memo_that_came_after_all_is_told_and_can_be_named(world):
    world.answer_late(700)
    world.say(ONLINE, ("24-MB01", 1))
    world.work_until_idle()
    answers.settle(world.runtime, 1, Settlement.PAID_NO_MEMO, "anna", text="the gateway shows it")
    world.work_until_idle()
    world.clock.advance(1000)
    world.let_late_effects_happen()
    world.look()
    (told,) = world.refunds()

    answers.settle(world.runtime, 1, Settlement.MEMO, "anna", memo_id=1)
    (named,) = world.refunds()

    assert (told.needs_person, told.reason_code) == (True, "drift-memo-late")
    assert "expected none, Magento has 1 (see that the gateway paid once, then refundry settle ref_1" in told.reason
    assert "refundry settle ref_1 --memo 1 --reason TEXT)" in told.reason
    assert (named.memo_id, named.alarm) == (1, told.alarm)


def test_nothing_paid_is_not_looked_at(world):
    row = lost(world)

    answers.settle(world.runtime, row.id, Settlement.NOT_PAID, "anna")

    assert world.runtime.store.checks.of(row.id) == ()


def test_whose_a_named_memo_is_cannot_be_answered_otherwise(world):
    row = lost(world)
    memo_id = refund_by_hand(world, 1)
    answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()

    for is_this_return in (True, False):
        with pytest.raises(Conflict, match="credit memo 1 is the one of ref_1, of ret_1"):
            answers.answer_memo(world.runtime, row.return_id, memo_id, "anna", is_this_return=is_this_return)


def test_a_payment_that_was_booked_by_hand_raises_no_alarm(world):
    row = lost(world, "paid-rolled-back")
    answers.settle(world.runtime, row.id, Settlement.PAID_NO_MEMO, "anna")
    by_hand(world, ONLINE, "24-MB01", 1)
    (booking,) = world.memos(ONLINE)
    memo_id = booking["entity_id"]
    answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()

    assert not booking.get("transaction_id")
    world.clock.advance(3 * 86_400)
    world.look()

    (booked,) = world.refunds()
    assert (booked.memo_id, booked.needs_person, booked.reason) == (memo_id, False, "")
