"""One lab per test process: making a database anew takes as long as many schedules."""

import pytest

from tests.simulation.world import open_lab


@pytest.fixture(scope="session")
def lab():
    with open_lab() as one:
        yield one
