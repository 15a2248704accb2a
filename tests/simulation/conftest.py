"""One lab per test process, and no log: each fault would be told that was made on purpose."""

import logging

import pytest

from tests.simulation.world import open_lab


@pytest.fixture(scope="session")
def lab():
    with open_lab() as one:
        yield one


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
