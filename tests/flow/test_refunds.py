"""Stories of one return each: what is posted to Magento, what comes of it, and what a person is told."""

import json
from contextlib import closing
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState, RefundState
from service.errors import BadRequest
from service.flow import answers
from service.settings import Caps
from tests.flow.world import MONDAY, World, dollars

TUTORIAL, ONLINE, CONFIGURABLE, TWO_INVOICES, DAMAGED = (f"0000001{n:02d}" for n in (1, 2, 3, 6, 9))
TWO_PRICES, UNKNOWN_METHOD, HELD, EUROS, NOT_INVOICED = (f"0000001{n:02d}" for n in (10, 11, 12, 13, 22))


@pytest.fixture(params=[("2.4.1", "sqlite"), ("2.4.6-p4", "sqlite"), ("2.4.6-p4", "postgresql")], ids="-".join)
def world(request, tmp_path):
    version, database = request.param
    url = request.getfixturevalue("databases").empty() if database == "postgresql" else ""
    with closing(World(tmp_path, version=version, url=url)) as world:
        yield world


def test_an_approved_return_becomes_exactly_one_call_and_one_memo(world):
    received = world.say(TUTORIAL, ("WS12-M-Orange", 1))

    world.work()

    ((path, body),) = world.posts()
    (memo,) = world.memos()
    (refund,) = world.refunds()
    tee = world.item(TUTORIAL, "WS12-M-Orange")
    assert path == f"/rest/default/V1/order/{world.orders[TUTORIAL]}/refund"
    assert body == {
        "items": [{"order_item_id": tee, "qty": 1}],
        "notify": True,
        "comment": {"comment": f"Return RMA-1001 (warehouse) {refund.marker}", "is_visible_on_front": 0},
        "arguments": {
            "shipping_amount": 0,
            "adjustment_positive": 0,
            "adjustment_negative": 0,
            "extension_attributes": {"return_to_stock_items": [tee]},
        },
    }
    assert world.state(received) == (DeliveryState.DONE, "refunded")
    assert (refund.state, refund.memo_id, refund.differences) == (RefundState.DONE, memo["entity_id"], ())
    assert Decimal(memo["base_grand_total"]) == 22


def test_the_clean_offline_case_takes_two_reads_and_one_post(world):
    world.say(TUTORIAL, ("WS12-M-Orange", 1))

    world.work()

    assert [method for method, _ in world.calls()] == ["GET", "POST", "GET"]


def test_the_clean_online_case_takes_three_reads_one_refund_and_one_mail(world):
    received = world.say(ONLINE, ("24-MB01", 2))

    world.work()

    methods = [(method, path.rsplit("/", 1)[-1]) for method, path in world.calls()]
    assert [method for method, _ in methods] == ["GET", "GET", "POST", "GET", "POST"]
    assert methods[-1] == ("POST", "emails")
    assert world.state(received) == (DeliveryState.DONE, "refunded")
    assert world.paid_back(ONLINE) == dollars(68)
    ((_, body),) = world.posts()
    assert (body["isOnline"], body["notify"]) == (True, False)


def test_units_of_two_invoices_are_two_calls_never_more_than_each_holds(world):
    received = world.say(TWO_INVOICES, ("24-WG085", 3))

    world.work()

    assert [body["items"][0]["qty"] for _, body in world.posts()] == [1, 2]
    assert world.paid_back(TWO_INVOICES) == dollars(14, 28)
    assert world.state(received)[0] is DeliveryState.DONE


def test_good_and_damaged_units_are_two_memos_of_which_one_restocks(world):
    splits = [{"quantity": "1", "disposition": "sellable"}, {"quantity": "1", "disposition": "damaged"}]
    world.say(DAMAGED, {"sku": "24-UG06", "quantity": "2", "splits": splits})
    before = world.sandbox.shop.stock.on_hand("24-UG06")

    world.work()

    assert [body["arguments"].get("extension_attributes") is not None for _, body in world.posts()] == [True, False]
    assert world.sandbox.shop.stock.on_hand("24-UG06") - before == 1
    assert [row.marker[-3:] for row in reversed(world.refunds())] == ["01R", "02N"]


def test_a_configurable_is_restocked_by_its_child(world):
    world.say(CONFIGURABLE, ("MH01-XL-Gray", 1))

    world.work()

    ((_, body),) = world.posts()
    parent = world.item(CONFIGURABLE, "MH01-XL-Gray", parent=True)
    child = world.item(CONFIGURABLE, "MH01-XL-Gray")
    assert body["items"] == [{"order_item_id": parent, "qty": 1}]
    assert body["arguments"]["extension_attributes"]["return_to_stock_items"] == [child]


def test_an_order_in_another_currency_is_refunded_in_the_base_currency(world):
    received = world.say(EUROS, ("24-MB01", 1), fees=[{"type": "restocking", "amount": "3.53"}], currency="EUR")

    world.work()

    ((_, body),) = world.posts()
    assert body["arguments"]["adjustment_negative"] == 5.0
    assert world.state(received) == (DeliveryState.DONE, "refunded")


# --- twice, late, again ---------------------------------------------------------------------------------------------


def test_a_delivery_that_comes_twice_is_refunded_once(world):
    first = world.say(TUTORIAL, ("WS12-M-Orange", 1), event_id="evt_1", delivery_id="msg_1")
    second = world.say(TUTORIAL, ("WS12-M-Orange", 1), event_id="evt_1", delivery_id="msg_1")

    world.work()

    assert (second.delivery_id, second.duplicate) == (first.delivery_id, True)
    assert len(world.posts()) == 1


def test_the_same_return_said_again_in_a_new_event_is_refunded_once(world):
    world.say(TUTORIAL, ("WS12-M-Orange", 1))
    world.work()
    again = world.say(TUTORIAL, ("WS12-M-Orange", 1))

    world.work()

    assert len(world.posts()) == 1
    assert world.state(again) == (DeliveryState.DONE, "nothing-left")


def test_a_replay_on_an_empty_database_moves_nothing(world, tmp_path_factory):
    world.say(TUTORIAL, ("WS12-M-Orange", 1))
    world.work()
    fresh = World(tmp_path_factory.mktemp("fresh"), version=world.version)
    fresh.sandbox, fresh.orders, fresh.faults = world.sandbox, world.orders, world.faults
    fresh.runtime = fresh.new_process()

    again = fresh.say(TUTORIAL, ("WS12-M-Orange", 1))
    fresh.work()

    assert fresh.posts() == []
    assert fresh.state(again) == (DeliveryState.DONE, "nothing-left")


def test_a_unit_approved_later_is_refunded_by_itself(world):
    world.say(ONLINE, ("24-MB01", 1))
    world.work()
    world.say(ONLINE, ("24-MB01", 3))

    world.work()

    assert world.paid_back(ONLINE) == dollars(34, 68)


def test_an_older_event_that_arrives_late_changes_nothing(world):
    late = world.clock.now.isoformat()
    world.clock.advance(60)
    world.say(ONLINE, ("24-MB01", 2))
    world.work()
    older = world.say(ONLINE, ("24-MB01", 1), occurred_at=late)

    world.work()

    assert world.state(older) == (DeliveryState.DONE, "older")
    assert world.paid_back(ONLINE) == dollars(68)


def test_one_event_id_with_two_contents_is_kept_and_raised(world):
    world.say(TUTORIAL, ("WS12-M-Orange", 1), event_id="evt_1")
    other = world.say(TUTORIAL, ("240-LV08", 1), event_id="evt_1")

    world.work()

    assert world.state(other) == (DeliveryState.NEEDS_PERSON, "event-clash")
    assert len(world.posts()) == 1


# --- a person -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "line", "code"),
    [
        (TWO_PRICES, ("OPT-2", 1), "same-sku-different-price"),
        (UNKNOWN_METHOD, ("24-MB01", 1), "method-unknown"),
        (TUTORIAL, ("NO-SUCH", 1), "sku-not-on-order"),
        (TUTORIAL, ("WS12-M-Orange", 2), "more-than-left"),
        (TUTORIAL, ("WS12-M-Orange", "0.5"), "fraction-of-a-unit"),
        ("000000999", ("24-MB01", 1), "not-found"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_decided_is_shown_and_told_and_nothing_is_sent(world, order, line, code):
    received = world.say(order, line)

    world.work()

    assert world.state(received) == (DeliveryState.NEEDS_PERSON, code)
    assert [told[1] for told in world.people.told] == [code]
    assert world.posts() == []


def test_the_order_is_free_again_after_a_question(world):
    world.say(TUTORIAL, ("NO-SUCH", 1), return_id="RMA-1")
    world.say(TUTORIAL, ("WS12-M-Orange", 1), return_id="RMA-2")

    world.work()

    assert len(world.posts()) == 1


def test_an_answer_about_a_memo_that_nobody_asked_about_is_refused(world):
    received = world.say(ONLINE, ("24-MB01", 1))
    world.work()
    (ours,) = world.memos(ONLINE)
    return_id = world.delivery(received).return_id

    for memo_id, told in ((999, "it has: 1 "), (ours["entity_id"], "known already")):
        with pytest.raises(BadRequest, match=told):
            answers.answer_memo(world.runtime, return_id, memo_id, "anna", is_this_return=True)


def test_a_refund_by_hand_is_asked_about_and_the_answer_ends_it(world):
    received = world.say(ONLINE, ("24-MB01", 1))
    by_hand(world, ONLINE, "24-MB01", 1)
    world.work()
    asked = world.state(received)
    (memo,) = world.memos(ONLINE)
    return_id = world.delivery(received).return_id

    answers.answer_memo(world.runtime, return_id, memo["entity_id"], "anna", is_this_return=True)
    world.work()

    assert asked == (DeliveryState.NEEDS_PERSON, "foreign-memo")
    assert world.state(received) == (DeliveryState.DONE, "nothing-left")


@pytest.mark.parametrize(("after", "magento_behind"), [(0.2, 0), (10, 20)], ids=["within a second", "clock behind"])
def test_a_refund_by_hand_right_after_the_return_is_asked_about_whatever_the_clocks_say(world, after, magento_behind):
    world.clock.advance(0.7)
    received = world.say(ONLINE, ("24-MB01", 1))
    world.clock.advance(after - magento_behind)
    by_hand(world, ONLINE, "24-MB01", 1)
    world.clock.advance(magento_behind)

    world.work()

    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "foreign-memo")


def by_hand(world, order, sku, quantity, *, item_id=None):
    """A refund that somebody makes in Magento's admin: no marker, booked offline."""
    client = world.client()
    token = client._transport  # the store's own session, to post what the product never would
    body = {
        "items": [{"order_item_id": item_id or world.item(order, sku), "qty": quantity}],
        "arguments": {"shipping_amount": 0},
    }
    answer = token.post_once(f"/V1/order/{world.orders[order]}/refund", body, read_timeout_seconds=10)
    assert answer.status == 200
    world.requests.clear()


def test_an_amount_over_the_limit_waits_for_a_yes_to_exactly_this_plan(tmp_path):
    world = World(tmp_path, policy_changes={"review_amount_over": Decimal(50)})
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work()
    asked = world.state(received)
    case = world.runtime.store.returns.case(world.delivery(received).return_id)

    answers.approve(world.runtime, case.id, case.plan_fingerprint, "anna")
    world.work()

    assert asked == (DeliveryState.NEEDS_PERSON, "amount-over-limit")
    assert world.paid_back(ONLINE) == dollars(68)
    assert world.state(received) == (DeliveryState.DONE, "refunded")


# --- waiting, stopping, shadow, caps --------------------------------------------------------------------------------


def test_an_order_on_hold_is_refunded_after_its_release(world):
    received = world.say(HELD, ("24-WG085", 1))
    world.work()
    waiting, reason = world.state(received), world.delivery(received).reason

    world.sandbox.shop.unhold(world.orders[HELD])
    world.work_until_idle()

    assert waiting == (DeliveryState.WAITING, "magento-not-ready")
    assert reason == "the order is on hold; Magento refuses refunds until it is released"
    assert world.state(received) == (DeliveryState.DONE, "refunded")


def test_waiting_for_ever_ends_with_a_person(world):
    received = world.say(NOT_INVOICED, ("24-WG085", 1))

    world.work_until_idle(at_most_seconds=400_000)

    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "magento-not-ready")


def test_what_a_person_wakes_after_a_week_is_not_given_up_at_once(world):
    received = world.say(HELD, ("24-WG085", 1))
    world.work_until_idle(at_most_seconds=400_000)
    world.clock.advance(7 * 86_400)

    answers.retry(world.runtime, world.delivery(received).return_id, "anna")
    world.work()
    waiting = world.state(received)
    world.sandbox.shop.unhold(world.orders[HELD])
    world.work_until_idle()

    assert waiting == (DeliveryState.WAITING, "magento-not-ready")
    assert world.state(received) == (DeliveryState.DONE, "refunded")


@pytest.mark.parametrize("where", ["store_changes", "source_changes"])
def test_shadow_mode_plans_and_shows_and_sends_nothing(tmp_path, where):
    world = World(tmp_path, **{where: {"mode": "shadow"}})
    received = world.say(TUTORIAL, ("WS12-M-Orange", 1))

    world.work()

    case = world.runtime.store.returns.case(world.delivery(received).return_id)
    assert world.posts() == []
    assert world.state(received) == (DeliveryState.SHADOWED, "shadow")
    assert json.dumps(case.plan).count("RR-") >= 1


def test_one_switch_stops_all_sends_and_lets_them_go_on(world):
    answers.stop(world.runtime, "all", "anna", "gateway trouble")
    received = world.say(TUTORIAL, ("WS12-M-Orange", 1))
    world.work()
    stopped = world.state(received)

    answers.go(world.runtime, "all", "anna")
    world.work_until_idle()

    assert stopped == (DeliveryState.WAITING, "stopped")
    assert world.state(received) == (DeliveryState.DONE, "refunded")


def test_one_return_under_two_names_of_its_order_is_shown_to_a_person_by_both(world):
    answers.stop(world.runtime, "all", "anna", "gateway trouble")
    world.say(ONLINE, ("24-MB01", 1))
    world.work()
    again = world.say(world.orders[ONLINE], ("24-MB01", 1))

    world.work()

    assert world.state(again) == (DeliveryState.NEEDS_PERSON, "marker-taken")
    assert "refundry show ret_2 and refundry show ret_1" in world.delivery(again).reason


def test_the_days_cap_holds_the_next_refund_for_a_person(tmp_path):
    world = World(tmp_path, store_changes={"caps": Caps(refunds=1)})
    world.say(TUTORIAL, ("WS12-M-Orange", 1), return_id="RMA-1")
    over = world.say(ONLINE, ("24-MB01", 1), return_id="RMA-2")

    world.work()

    assert len(world.posts()) == 1
    assert world.state(over) == (DeliveryState.NEEDS_PERSON, "daily-cap")


def test_an_event_dated_years_ahead_does_not_hide_the_next_one(world):
    world.say(ONLINE, ("24-MB01", 1), occurred_at="2099-01-01T00:00:00Z")
    world.work()
    world.clock.advance(60)
    following = world.say(ONLINE, ("24-MB01", 2))

    world.work()

    assert world.state(following) == (DeliveryState.DONE, "refunded")
    assert world.paid_back(ONLINE) == dollars(34, 34)


def test_a_return_before_the_start_date_stays_history(tmp_path):
    world = World(tmp_path, policy_changes={"ignore_returns_before": MONDAY})
    old = world.say(TUTORIAL, ("WS12-M-Orange", 1), occurred_at="2026-11-01T00:00:00Z")

    world.work()

    assert world.state(old) == (DeliveryState.IGNORED, "before-start")
    assert world.calls() == []


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (b"not json", DeliveryState.UNREADABLE),
        (b"", DeliveryState.UNREADABLE),
        (b"\xff\xfe", DeliveryState.UNREADABLE),
        (b"[" * 100_000, DeliveryState.UNREADABLE),
        (b'{"type": "return.approved", "id": NaN}', DeliveryState.UNREADABLE),
        (b'{"type": "return.created", "id": "e", "return": {"id": "r"}}', DeliveryState.IGNORED),
    ],
    ids=str,
)
def test_an_authentic_body_that_asks_for_nothing_is_kept_with_the_reason(world, body, state):
    received = world.post(body, "msg_x")

    world.work()

    delivery = world.delivery(received)
    assert (delivery.state, delivery.body) == (state, body)
    assert delivery.reason
