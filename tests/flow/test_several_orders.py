"""One delivery that returns goods of several orders: each is refunded in turn, and one's trouble is not the other's."""

from contextlib import closing
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.flow.outcome import Ended, together
from tests.flow.world import MONDAY, World, a_line, dollars

TUTORIAL, ONLINE, TWO_PRICES = "000000101", "000000102", "000000110"


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path):
    url = request.getfixturevalue("databases").empty() if request.param == "postgresql" else ""
    with closing(World(tmp_path, url=url)) as world:
        yield world


def of_order(order, sku, quantity="1"):
    return a_line(sku, quantity) | {"order": {"increment_id": order}}


def test_every_order_of_a_return_is_refunded_once(world):
    received = world.say(TUTORIAL, ("WS12-M-Orange", 1), lines=[a_line("WS12-M-Orange"), of_order(ONLINE, "24-MB01")])

    world.work()
    world.say(TUTORIAL, lines=[a_line("WS12-M-Orange"), of_order(ONLINE, "24-MB01")])
    world.work()

    assert [Decimal(memo["base_grand_total"]) for memo in world.memos()] == dollars(22, 34)
    assert len(world.posts()) == 2
    assert world.state(received) == (DeliveryState.DONE, "refunded")
    assert f"order #{ONLINE}: 34.00 USD given back" in world.delivery(received).reason


def test_a_question_about_one_order_does_not_hold_up_the_other(world):
    received = world.say(TWO_PRICES, lines=[a_line("OPT-2"), of_order(ONLINE, "24-MB01")])

    world.work()

    assert world.paid_back() == dollars(34)
    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "same-sku-different-price")
    assert [case.needs_person for case in world.runtime.store.returns.list()] == [False, True]


def test_what_waits_comes_again_before_the_other_order_s_question_is_asked(world):
    world.fault("POST */invoice/*/refund lost-after times=1")
    received = world.say(TWO_PRICES, lines=[a_line("OPT-2"), of_order(ONLINE, "24-MB01")])

    world.work()
    assert world.state(received)[0] is DeliveryState.WAITING
    world.work_until_idle()

    assert world.paid_back() == dollars(34)
    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "same-sku-different-price")


def test_the_same_event_with_another_order_in_it_is_raised(world):
    world.say(TUTORIAL, ("WS12-M-Orange", 1), event_id="evt_1")
    more = world.say(TUTORIAL, event_id="evt_1", lines=[a_line("WS12-M-Orange"), of_order(ONLINE, "24-MB01")])

    world.work()

    assert world.state(more) == (DeliveryState.NEEDS_PERSON, "event-clash")


@pytest.mark.parametrize(
    ("states", "taken"),
    [
        (("done", "needs_person"), "needs_person"),
        (("needs_person", "waiting"), "waiting"),
        (("ignored", "done"), "done"),
        (("done", "shadowed"), "shadowed"),
    ],
)
def test_a_delivery_ends_as_its_most_pressing_order_does(states, taken):
    endings = [
        (f"#{number}", Ended(state=DeliveryState(state), reason=state, due_at=MONDAY if state == "waiting" else None))
        for number, state in enumerate(states)
    ]

    ended = together(endings)

    assert ended.state == taken
    assert ended.reason == f"order #0: {states[0]}; order #1: {states[1]}"
    assert (ended.due_at is not None) is (taken == "waiting")
