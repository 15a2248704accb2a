"""The worker forgets old bodies by the setting, and leaves the rest."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.lifecycle import DeliveryState
from service.flow.retention import purge_old
from service.store import migrate, open_store
from tests.store.examples import NOW, delivery

KEPT_DAYS = 90


class _Runtime:
    """As much of a runtime as purging looks at."""

    def __init__(self, store, *, days, is_ending=False):
        self.store, self.clock = store, lambda: NOW + timedelta(days=KEPT_DAYS + 1)
        self.settings = self.service = self
        self.keep_bodies_days = days
        self.is_ending = lambda: is_ending


@pytest.fixture
def store(tmp_path):
    url = f"sqlite:///{tmp_path}/refundry.db"
    migrate(url)
    store = open_store(url)
    for number in range(3):
        store.inbox.receive(replace(delivery(f"d{number}"), received_at=NOW))
        store.inbox.finish(store.inbox.claim("w1", NOW, 60), DeliveryState.IGNORED, NOW)
    yield store
    store.close()


def test_what_is_older_than_the_setting_is_forgotten(store):
    assert purge_old(_Runtime(store, days=KEPT_DAYS)) == 3
    assert purge_old(_Runtime(store, days=KEPT_DAYS)) == 0


def test_what_is_young_or_kept_for_ever_stays(store):
    assert purge_old(_Runtime(store, days=KEPT_DAYS + 2)) == 0
    assert purge_old(_Runtime(store, days=0)) == 0


def test_a_worker_that_is_to_end_begins_no_purge(store):
    assert purge_old(_Runtime(store, days=KEPT_DAYS, is_ending=True)) == 0
