"""The baton: one at a time, in an order that the seed alone decides, and time only when nobody runs."""

import pytest

from tests.simulation.scheduler import Scheduler


def order_of_turns(seed):
    scheduler = Scheduler(seed, horizon_seconds=100)
    turns = []

    def take_turns(name):
        for number in range(10):
            turns.append(f"{name}{number}")
            scheduler.point(name)

    for name in "abc":
        scheduler.spawn(name, lambda mine=name: take_turns(mine))
    scheduler.run()
    return turns


def test_a_seed_decides_the_order_and_every_actor_comes_to_its_end():
    assert order_of_turns("one") == order_of_turns("one")
    assert order_of_turns("one") != order_of_turns("two")
    assert len(order_of_turns("one")) == 30


def test_time_moves_to_the_first_who_wakes():
    scheduler = Scheduler("", horizon_seconds=10_000)
    woke = []

    def nap(seconds):
        scheduler.sleep(seconds)
        woke.append((seconds, scheduler.seconds))

    for seconds in (300, 2, 40):
        scheduler.spawn("sleeper", lambda mine=seconds: nap(mine))
    scheduler.run()

    assert woke == [(2, 2), (40, 40), (300, 300)]


def test_a_schedule_ends_when_all_that_are_left_wait_to_be_woken():
    scheduler = Scheduler("", horizon_seconds=100)
    scheduler.spawn("waits", lambda: scheduler.sleep(None))

    scheduler.run()

    assert not scheduler.overran


def test_a_schedule_that_goes_on_for_ever_is_told():
    scheduler = Scheduler("", horizon_seconds=100)

    def for_ever():
        while True:
            scheduler.sleep(10)

    scheduler.spawn("polls", for_ever)
    scheduler.run()

    assert scheduler.overran


def test_what_an_actor_raises_ends_the_schedule_and_reaches_the_caller():
    scheduler = Scheduler("", horizon_seconds=100)
    scheduler.spawn("waits", lambda: scheduler.sleep(50))
    scheduler.spawn("fails", lambda: {}["gone"])

    with pytest.raises(KeyError, match="gone"):
        scheduler.run()
