"""Schedules of chance: whatever the order of turns and whatever goes wrong, nothing doubled, lost or stuck."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from service.core.policy import PaymentRules
from tests.simulation.report import RunTally
from tests.simulation.schedules import story_of
from tests.simulation.shop import OFFLINE
from tests.simulation.trace import hash_of
from tests.simulation.world import WORKERS, World

ROOT = Path(__file__).parents[2]

#: A sample for every run of the tests; `make simulate` plays as many as it has time for.
SEEDS = range(96)


@pytest.mark.parametrize("first", SEEDS[::8])
def test_schedules_of_chance_leave_nothing_doubled_lost_or_stuck(lab, first):
    tally = RunTally()
    for seed in range(first, first + 8):
        world = World(lab, story_of(seed))

        world.run()

        tally.add(world, f"python -m tests.simulation replay {seed}")

    assert list(tally.faults()) == []
    assert len(WORKERS) >= 2


def test_a_schedule_that_is_none_fails(lab):
    world = World(lab, replace(story_of(0), strikes_from=()))
    world.run()
    tally = RunTally()

    tally.add(world, "again")

    assert list(tally.faults()) == ["no schedule: it has too few points, faults or deliveries\n    again"]


def test_a_product_that_asks_about_everything_fails(lab):
    before, tally = lab.settings, RunTally()
    store = before.stores["main"]
    asks = replace(store, policy=replace(store.policy, payments=PaymentRules()))
    lab.settings = replace(before, stores={"main": asks})
    try:
        for seed in (2, 3, 4):
            world = World(lab, offline(story_of(seed)))
            world.run()
            tally.add(world, "again")
    finally:
        lab.settings = before

    assert len(tally.failed) == 3
    assert "a person was asked about method-unknown where all is offline" in tally.failed[0]


def offline(story):
    return replace(story, hand_refunds=(), messages=tuple(replace(each, order=OFFLINE) for each in story.messages))


def test_a_share_of_questions_that_is_too_large_fails():
    assert list(RunTally(played=100, of=Counter({False: 100}), asked=Counter({False: 15})).faults()) == []
    assert "more than 15%" in next(RunTally(played=100, of=Counter({False: 100}), asked=Counter({False: 16})).faults())


def test_a_schedule_that_falls_over_is_told_with_its_command():
    tally = RunTally()

    tally.crashed(KeyError("oops"), "python -m tests.simulation replay 7")

    assert list(tally.faults()) == ["crashed: KeyError('oops')\n    python -m tests.simulation replay 7"]


def test_a_seed_gives_the_same_trace_in_every_process(lab):
    def hash_elsewhere(hash_seed):
        command = [sys.executable, "-m", "tests.simulation", "replay", "7"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        return next(line.removeprefix("trace ") for line in said.splitlines() if line.startswith("trace "))

    world = World(lab, story_of(7))
    world.run()

    assert {hash_elsewhere("1"), hash_elsewhere("2")} == {hash_of(world)}


def test_another_seed_gives_another_trace(lab):
    hashes = set()
    for seed in (1, 2, 3):
        world = World(lab, story_of(seed))
        world.run()
        hashes.add(hash_of(world))

    assert len(hashes) == 3
