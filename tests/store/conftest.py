"""A store in a real SQLite file."""

import pytest

from service.store import migrate, open_store
from tests.store.examples import Given


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path}/var/refundry.db"


@pytest.fixture
def store(database_url):
    migrate(database_url)
    store = open_store(database_url)
    yield store
    store.close()


@pytest.fixture
def given(store):
    return Given(store)
