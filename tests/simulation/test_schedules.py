"""Schedules of chance: whatever the order of turns and whatever goes wrong, nothing doubled, lost or stuck."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.history import check
from tests.simulation.schedules import story_of
from tests.simulation.trace import hash_of
from tests.simulation.world import WORKERS, World

ROOT = Path(__file__).parents[2]

#: A sample for every run of the tests; `make simulate` plays as many as it has time for.
SEEDS = range(96)


@pytest.mark.parametrize("first", SEEDS[::8])
def test_schedules_of_chance_leave_nothing_doubled_lost_or_stuck(lab, first):
    for seed in range(first, first + 8):
        world = World(lab, story_of(seed))

        world.run()

        again = f"python -m tests.simulation replay {seed}"
        assert check(world) == (), again
        assert len(world.story.messages) >= 2, again
        assert len(WORKERS) >= 2
        assert world.log.struck, again
        assert world.scheduler.points >= 40, again


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
