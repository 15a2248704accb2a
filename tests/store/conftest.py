"""A store in a real SQLite file and in a real PostgreSQL database; `on_sqlite` and `on_postgresql` choose one."""

import pytest

from service.store import migrate, open_store
from tests.store.examples import Given


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """Which of the two this test is on."""
    return request.param


@pytest.fixture
def database_url(request, database, tmp_path):
    """Of a database that nobody has migrated yet."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path}/var/refundry.db"
    if "store" in request.fixturenames:
        return request.getfixturevalue("databases").empty()
    return request.getfixturevalue("databases").new(migrated=False)


@pytest.fixture
def store(database, database_url):
    if database == "sqlite":
        migrate(database_url)
    store = open_store(database_url)
    yield store
    store.close()


@pytest.fixture
def given(store):
    return Given(store)
