"""Waiting for work: how soon a worker hears of it, and that it misses nothing where no bell can ring."""

import multiprocessing
import threading
import time
from contextlib import closing

import pytest

from service.store.bell import Listener, listen_beside, ring_beside

SOON, LATE = 0.5, 5.0


@pytest.fixture
def database(tmp_path):
    return tmp_path / "refundry.db"


def seconds_waited(listener, at_most=LATE):
    began = time.monotonic()
    listener.wait(at_most)
    return time.monotonic() - began


def test_a_ring_ends_the_wait(database):
    with closing(listen_beside(database)) as listener:
        threading.Timer(0.05, ring_beside, [database]).start()

        assert 0.02 < seconds_waited(listener) < SOON


def test_a_ring_before_the_wait_is_not_lost(database):
    with closing(listen_beside(database)) as listener:
        ring_beside(database)

        assert seconds_waited(listener) < SOON


def test_another_process_hears_it(database):
    with closing(listen_beside(database)) as listener:
        ringer = multiprocessing.get_context("spawn").Process(target=ring_beside, args=(database,))
        ringer.start()

        assert seconds_waited(listener, 30) < 30
        ringer.join()


def test_one_ring_wakes_one_of_several_listeners_at_least(database):
    with closing(listen_beside(database)) as one, closing(listen_beside(database)) as other:
        waited = []
        threads = [
            threading.Thread(target=lambda each=each: waited.append(seconds_waited(each))) for each in (one, other)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        ring_beside(database)
        for thread in threads:
            thread.join()

    assert min(waited) < SOON


def test_many_rings_end_one_wait(database):
    with closing(listen_beside(database)) as listener:
        for _ in range(70_000):
            ring_beside(database)
        listener.wait(LATE)

        assert seconds_waited(listener, 0.1) >= 0.09


def test_nobody_need_listen(database):
    ring_beside(database)

    listen_beside(database).close()
    ring_beside(database)

    with closing(listen_beside(database)) as listener:
        assert seconds_waited(listener, 0.1) >= 0.09


def test_a_nudge_ends_the_wait_where_nobody_can_ring(tmp_path):
    with closing(listen_beside(tmp_path / "no such folder" / "refundry.db")) as listener:
        threading.Timer(0.05, listener.nudge).start()

        assert seconds_waited(listener) < SOON


def test_a_file_in_the_bell_s_place_is_left_alone(database):
    database.with_name("refundry.db.bell").write_text("mine")

    with closing(listen_beside(database)) as listener:
        assert seconds_waited(listener, 0.1) >= 0.09

    assert database.with_name("refundry.db.bell").read_text() == "mine"


def test_a_wait_ends_by_itself():
    with closing(Listener()) as listener:
        assert 0.09 <= seconds_waited(listener, 0.1) < SOON
