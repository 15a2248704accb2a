"""What holds a refund back though it could be made: the day's limits and the switch."""

from datetime import timedelta
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.flow import answers
from service.settings import Caps
from tests.flow.world import MONDAY, World, dollars

OFFLINE, ONLINE = "000000101", "000000102"
DONE, PERSON = DeliveryState.DONE, DeliveryState.NEEDS_PERSON
TUESDAY = MONDAY.replace(day=24, hour=0)


def tee(world):
    """22.00 USD, offline."""
    return world.say(OFFLINE, ("WS12-M-Orange", 1), return_id="RMA-1")


def bag(world, return_id="RMA-2"):
    """34.00 USD, online."""
    return world.say(ONLINE, ("24-MB01", 1), return_id=return_id)


@pytest.mark.parametrize(
    ("changes", "owner"), [("store_changes", "store main"), ("source_changes", "source warehouse")]
)
@pytest.mark.parametrize(
    ("caps", "said"),
    [
        (Caps(refunds=2), None),
        (Caps(refunds=1), "has made its 1 refunds today; approve it"),
        (Caps(amount=Decimal(56)), None),
        (Caps(amount=Decimal("55.99")), "would reach 56.00 today, over its 55.99 USD; approve it"),
        (Caps(refunds=2, amount=Decimal("55.99")), "would reach 56.00 today, over its 55.99 USD; approve it"),
        (Caps(refunds=1, amount=Decimal(100)), "has made its 1 refunds today; approve it"),
    ],
    ids=str,
)
def test_the_first_refund_over_a_limit_of_the_day_waits_for_a_person(tmp_path, changes, owner, caps, said):
    world = World(tmp_path, **{changes: {"caps": caps}})
    first, second = tee(world), bag(world)

    world.work()

    assert world.state(first) == (DONE, "refunded")
    assert world.state(second) == ((PERSON, "daily-cap") if said else (DONE, "refunded"))
    assert said is None or world.delivery(second).reason == f"{owner} {said}"


@pytest.mark.parametrize(
    ("sent_at", "counts"),
    [
        (TUESDAY - timedelta(microseconds=1), False),
        (TUESDAY, True),
        (TUESDAY + timedelta(minutes=30), True),
    ],
    ids=["the day before", "midnight", "half past"],
)
def test_the_days_limit_counts_from_midnight(tmp_path, sent_at, counts):
    world = World(tmp_path, store_changes={"caps": Caps(refunds=1)})
    world.clock.now = sent_at
    tee(world)
    world.work()
    world.clock.now = TUESDAY + timedelta(hours=12)

    second = bag(world)
    world.work()

    assert world.state(second)[0] is (PERSON if counts else DONE)


def test_a_yes_to_the_plan_passes_over_the_days_limit(tmp_path):
    world = World(tmp_path, store_changes={"caps": Caps(refunds=0)})
    received = bag(world)
    world.work()
    case = world.runtime.store.returns.case(world.delivery(received).return_id)

    answers.approve(world.runtime, case.id, case.plan_fingerprint, "anna")
    world.work()

    assert world.paid_back(ONLINE) == dollars(34)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("gateway trouble", "all sends for all were stopped by anna: gateway trouble"),
        ("", "all sends for all were stopped by anna: no reason given"),
    ],
)
def test_a_stopped_refund_says_who_stopped_it_and_looks_again_within_half_a_minute(tmp_path, why, said):
    world = World(tmp_path)
    answers.stop(world.runtime, "all", "anna", why)
    received = bag(world)

    world.work()

    delivery = world.delivery(received)
    assert (delivery.state, delivery.reason_code, delivery.reason) == (DeliveryState.WAITING, "stopped", said)
    assert delivery.due_at == world.clock.now + timedelta(seconds=30)
