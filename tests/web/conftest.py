import pytest

from service.app import create_app
from service.store import migrate
from tests.store.examples import Given
from tests.web.given import Clock, a_runtime


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(request):
    """The file; where the store matters a test is `on_both`."""
    return getattr(request, "param", "sqlite")


@pytest.fixture
def database_url(request, database, tmp_path):
    if database == "postgresql":
        return request.getfixturevalue("databases").empty()
    url = f"sqlite:///{tmp_path}/refundry.db"
    migrate(url)
    return url


@pytest.fixture
def runtime(database_url, clock):
    runtime = a_runtime(database_url, clock)
    yield runtime
    runtime.store.close()


@pytest.fixture
def store(runtime):
    return runtime.store


@pytest.fixture
def given(store):
    return Given(store)


@pytest.fixture
def client(runtime):
    return create_app(runtime).test_client()


@pytest.fixture
def reader(store, clock):
    """The headers of somebody who may read, but not raw bodies."""
    return {"Authorization": f"Bearer {store.keys.create('reader', ('read',), bytes(32), clock.now)}"}
