"""What was acknowledged is on disk, whatever happens to the process; what cannot be stored is not acknowledged."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import StoreUnavailable
from service.store import open_store
from service.store.engine import file_turn
from tests.databases import on_sqlite
from tests.store.beside import scalar_of
from tests.store.examples import LEASE_SECONDS, NOW, delivery

RECEIVER = """
import sys, threading
from datetime import UTC, datetime
from service.store import NewDelivery, open_store

store = open_store(sys.argv[1])
lock = threading.Lock()

def receive(thread):
    for number in range(100_000):
        key = f"{thread}-{number}"
        new = NewDelivery(source="warehouse", delivery_key=key, body=key.encode(), received_at=datetime.now(UTC))
        received = store.inbox.receive(new)
        with lock:
            print(received.delivery_id, key, flush=True)

for thread in range(8):
    threading.Thread(target=receive, args=(thread,)).start()
"""


def test_every_delivery_acknowledged_before_a_kill_is_there_afterwards(store, database_url):
    child = subprocess.Popen([sys.executable, "-c", RECEIVER, database_url], stdout=subprocess.PIPE, text=True)
    acknowledged = [child.stdout.readline() for _ in range(300)]
    os.kill(child.pid, signal.SIGKILL)
    # The last line may be cut off: that sender never saw its acknowledgement.
    acknowledged += [line for line in child.stdout if line.endswith("\n")]
    child.wait()
    child.stdout.close()

    for line in acknowledged:
        delivery_id, key = line.split()
        assert store.inbox.delivery(int(delivery_id)).delivery_key == key


@on_sqlite
def test_threads_share_commits_and_each_gets_its_own_answer(store):
    commits = []
    with store.database.write():  # nobody can commit meanwhile, so that they pile up behind it
        pool = ThreadPoolExecutor(16)
        answers = [pool.submit(store.inbox.receive, delivery(f"d{number}")) for number in range(16)]
        threading.Event().wait(0.2)
        commits = [answer.done() for answer in answers]
    received = [answer.result() for answer in answers]
    pool.shutdown()

    assert not any(commits)
    keys = [store.inbox.delivery(each.delivery_id).delivery_key for each in received]
    assert keys == [f"d{number}" for number in range(16)]


@on_sqlite
def test_a_row_that_cannot_be_written_costs_the_others_nothing(store):
    with store.database.write():
        pool = ThreadPoolExecutor(3)
        good = pool.submit(store.inbox.receive, delivery("good"))
        bad = pool.submit(store.inbox.receive, delivery(None))
        other = pool.submit(store.inbox.receive, delivery("other"))
        threading.Event().wait(0.1)

    assert store.inbox.delivery(good.result().delivery_id).delivery_key == "good"
    assert store.inbox.delivery(other.result().delivery_id).delivery_key == "other"
    with pytest.raises(Exception, match="NOT NULL"):
        bad.result()
    pool.shutdown()


@pytest.fixture
def impatient(store, database_url):
    impatient = open_store(database_url, patience_seconds=0.2)
    yield impatient
    impatient.close()


@on_sqlite
def test_a_database_locked_by_another_program_is_unavailable_and_then_not(impatient, tmp_path):
    stranger = sqlite3.connect(tmp_path / "var" / "refundry.db", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked"):
        impatient.inbox.receive(delivery())
    with pytest.raises(StoreUnavailable, match="locked"):
        impatient.health(NOW)

    stranger.close()
    impatient.health(NOW)
    assert not impatient.inbox.receive(delivery()).duplicate


@on_sqlite
def test_a_process_that_keeps_its_turn_makes_the_others_unavailable(impatient, tmp_path):
    with (
        file_turn(tmp_path / "var" / "refundry.db.lock", patience_seconds=1),
        pytest.raises(StoreUnavailable, match="another process has held"),
    ):
        impatient.health(NOW)


@on_sqlite
def test_a_thread_that_keeps_its_turn_makes_the_others_unavailable(impatient):
    with impatient.database.write(), ThreadPoolExecutor(1) as pool, pytest.raises(StoreUnavailable, match="no turn"):
        pool.submit(impatient.health, NOW).result()


@on_sqlite
def test_a_full_disk_is_unavailable_and_nothing_is_half_written(impatient):
    full = delivery("large", body=b"x" * 1_000_000)

    with impatient.database.write() as tx:
        pages = scalar_of(tx, "PRAGMA page_count")
    # Per connection, and the pool gives the same one again.
    with impatient.database.read() as tx:
        scalar_of(tx, f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        impatient.inbox.receive(full)

    assert impatient.inbox.list() == ()


def test_reading_does_not_wait_for_a_writer(impatient):
    impatient.inbox.receive(delivery())

    with impatient.database.write(), ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(impatient.inbox.list).result()) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_uses_connections_of_its_own(store):
    store.inbox.receive(delivery("parent"))

    child = os.fork()
    if child == 0:
        try:
            store.inbox.receive(delivery("child"))
            store.inbox.claim("w", NOW, LEASE_SECONDS)
            os._exit(0)
        except BaseException:  # noqa: BLE001 -- the parent's pytest must not go on in the child
            os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    store.inbox.receive(delivery("parent again"))
    assert [each.delivery_key for each in store.inbox.list()] == ["parent again", "child", "parent"]


def test_closing_lets_the_store_be_used_again(store):
    store.inbox.receive(delivery("before"))
    store.close()

    assert store.inbox.receive(delivery("after")).delivery_id == 2
