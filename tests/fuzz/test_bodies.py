"""A short and blind part of the fuzzing of bodies, so that `make test` notices a target that does not run."""

import random

import pytest

from tests.fuzz.bodies import BODIES, body_seeds


@pytest.mark.parametrize("name", list(BODIES))
def test_a_kind_of_body_says_nothing_but_events_and_reasons(name):
    chance = random.Random(7)

    for seed in body_seeds(name):
        BODIES[name](seed)
        for _ in range(20):
            changed = bytearray(seed)
            for _ in range(3):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            BODIES[name](bytes(changed))
