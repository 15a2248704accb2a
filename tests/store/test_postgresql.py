"""What PostgreSQL does otherwise than a file: it hangs up, takes many writers at once, and wakes workers elsewhere."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select

from service.errors import StoreUnavailable
from service.store import migrate, open_store
from service.store.inbox import _receive
from service.store.statements import Statement, update_where
from service.store.statements import given as value
from service.store.tables import heartbeats
from tests.databases.server import Server
from tests.store.beside import scalar_of
from tests.store.examples import LEASE_SECONDS, NOW, at, delivery

SOON = 2.0


@pytest.fixture
def database():
    return "postgresql"


def beside(database_url):
    return psycopg.connect(database_url, autocommit=True)


def hang_up(database_url):
    """What a restart of the server does to those that are connected."""
    with beside(database_url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


# --- durability and limits --------------------------------------------------------------------------------------------


def test_every_connection_is_durable_and_has_its_limits(store):
    names = ("synchronous_commit", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with store.database.write() as tx:
        assert [scalar_of(tx, f"SHOW {name}") for name in names] == ["on", "5s", "30s", "30s"]


@pytest.mark.parametrize(("set_to", "becomes"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
def test_a_commit_that_waits_for_no_disk_is_never_taken_over_from_the_server(store, database_url, set_to, becomes):
    with beside(database_url) as other:
        name = other.execute("SELECT current_database()").fetchone()[0]
        other.execute(f"ALTER DATABASE {name} SET synchronous_commit = {set_to}")
        try:
            with closing(open_store(database_url)) as opened, opened.database.write() as tx:
                assert scalar_of(tx, "SHOW synchronous_commit") == becomes
        finally:
            other.execute(f"ALTER DATABASE {name} RESET synchronous_commit")


def test_a_server_that_flushes_nothing_is_told(store):
    assert [said.split(":")[0] for said in store.weaknesses()] == [
        "the server has fsync = off",
        "the server has full_page_writes = off",
    ]


def test_what_the_url_says_of_a_limit_goes_before(database_url, store):
    options = "?options=-c%20statement_timeout%3D90s&connect_timeout=7"
    with closing(open_store(database_url + options)) as opened, opened.database.read() as tx:
        assert scalar_of(tx, "SHOW statement_timeout") == "90s"


def test_a_reader_has_one_view_and_cannot_write(store):
    beats = Statement(select(heartbeats.c.name))
    with store.database.read() as tx:
        assert tx.scalars(beats) == []
        store.beat("w1", NOW)
        assert tx.scalars(beats) == []
        assert scalar_of(tx, "SHOW transaction_read_only") == "on"


def test_one_statement_leaves_the_same_rows_as_several(store):
    new = delivery("one", body="ä".encode())
    at_once = store.inbox.receive(new)
    with store.database.write() as tx:
        step_by_step = _receive(tx, replace(new, delivery_key="several"))

    rows = [store.inbox.delivery(each.delivery_id) for each in (at_once, step_by_step)]
    assert replace(rows[0], id=0, delivery_key="") == replace(rows[1], id=0, delivery_key="")
    said = [store.journal.of(delivery_id=row.id) for row in rows]
    assert [replace(entry, id=0, delivery_id=0) for entry in said[0]] == [
        replace(entry, id=0, delivery_id=0) for entry in said[1]
    ]


# --- a server that goes away ------------------------------------------------------------------------------------------


def test_connections_that_the_server_hung_up_are_replaced_unnoticed(store, database_url):
    store.inbox.receive(delivery("before"))

    hang_up(database_url)

    assert not store.inbox.receive(delivery("after")).duplicate
    assert len(store.inbox.list()) == 2


def test_a_transaction_that_is_cut_off_is_unavailable_and_leaves_nothing(store, database_url):
    store.beat("w1", NOW)

    with pytest.raises(StoreUnavailable, match="Check that the server runs"):
        _beat_twice(store, at(1), between=lambda: hang_up(database_url))

    assert store.last_beat() == NOW


def _beat_twice(store, now, *, between):
    touch = update_where(heartbeats, heartbeats.c.name == value("of"), sets=["at"])
    with store.database.write() as tx:
        tx.change(touch, of="w1", at=now)
        between()
        tx.change(touch, of="w1", at=now)


def test_a_server_that_is_killed_is_unavailable_by_name_and_then_goes_on(databases):
    server = Server(folder=databases.folder / "killed")
    server.create()
    server.start()
    try:
        url = server.url.replace("refundry@", "refundry:hunter2@") + "/postgres"
        migrate(url)
        with closing(open_store(url)) as store, closing(store.listen()) as listener:
            first = store.inbox.receive(delivery("first"))
            server.kill()
            with pytest.raises(StoreUnavailable) as refused:
                store.inbox.receive(delivery("lost"))
            assert "127.0.0.1" in refused.value.message
            assert "hunter2" not in refused.value.message

            server.start()

            claim = store.inbox.claim("w1", NOW, LEASE_SECONDS)
            assert claim.delivery.id == first.delivery_id
            assert [each.delivery_key for each in store.inbox.list()] == ["first"]
            _until_heard(store, listener)
    finally:
        server.stop()


def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(StoreUnavailable, match=r"postgresql://refundry:\*\*\*@127.0.0.1:1/x") as refused:
        open_store("postgresql://refundry:hunter2@127.0.0.1:1/x")

    assert "hunter2" not in refused.value.message


# --- waking workers ---------------------------------------------------------------------------------------------------


def _until_heard(store, listener, tries=5):
    """How long from the commit to the worker, in seconds; again where nobody was listening yet."""
    for number in range(tries):
        listener.wait(0.5)  # whatever was said before
        store.inbox.receive(delivery(f"heard-{number}-{time.monotonic()}"))
        committed_at = time.monotonic()
        listener.wait(SOON)
        if (waited := time.monotonic() - committed_at) < SOON:
            return waited
    raise AssertionError("nobody was woken")


def test_another_process_s_delivery_wakes_an_idle_worker(store, database_url):
    with closing(open_store(database_url)) as worker, closing(worker.listen()) as listener:
        assert _until_heard(store, listener) < SOON


def test_a_worker_that_was_hung_up_is_woken_again(store, database_url):
    with closing(open_store(database_url)) as worker, closing(worker.listen()) as listener:
        _until_heard(store, listener)

        hang_up(database_url)

        assert _until_heard(store, listener) < SOON


def test_a_listener_that_is_closed_listens_no_more(store, database_url):
    listener = store.listen()
    _until_heard(store, listener)

    listener.close()

    deadline = time.monotonic() + 10
    with beside(database_url) as other:
        while _listening(other) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _listening(other) == 0


def _listening(connection):
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    return connection.execute(sql).fetchone()[0]


# --- many writers -----------------------------------------------------------------------------------------------------


def test_workers_pass_each_other_s_deliveries(store, database_url):
    for number in range(2):
        store.inbox.receive(delivery(f"d{number}", received_at=at(number)))

    with beside(database_url) as other, other.transaction():
        other.execute("SELECT id FROM deliveries WHERE delivery_key = 'd0' FOR UPDATE")
        claim = store.inbox.claim("w1", at(5), LEASE_SECONDS)

    assert claim.delivery.delivery_key == "d1"


def test_a_row_that_stays_locked_is_unavailable_and_not_waited_for_for_ever(store, database_url):
    received = store.inbox.receive(delivery())
    with (
        closing(open_store(database_url, patience_seconds=0.2)) as impatient,
        beside(database_url) as other,
        other.transaction(),
    ):
        other.execute("SELECT id FROM deliveries FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            impatient.inbox.wake(now=NOW, actor="Ada", delivery_id=received.delivery_id)


def test_the_loser_of_a_deadlock_is_tried_again(store):
    for name in ("a", "b"):
        store.beat(name, NOW)
    touch = update_where(heartbeats, heartbeats.c.name == value("of"), sets=["at"])
    both_hold_one = threading.Barrier(2)
    tries = []

    def change(first, second):
        def work(tx):
            tries.append(first)
            tx.change(touch, of=first, at=at(1))
            if len(tries) <= 2:
                both_hold_one.wait(10)
            tx.change(touch, of=second, at=at(1))

        store.database.write_again_on_race(work)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(change, "a", "b"), pool.submit(change, "b", "a")]:
            done.result()

    assert len(tries) > 2
    assert {beat.at for beat in store.beats()} == {at(1)}


def test_a_frozen_transaction_gives_its_rows_back_within_the_limit(store, database_url):
    store.beat("w1", NOW)

    def frozen():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                store.beat("w1", at(9))
            except StoreUnavailable:
                continue
            return

    short = f"{database_url}?options=-c%20idle_in_transaction_session_timeout%3D200ms"
    with closing(open_store(short)) as other, pytest.raises(StoreUnavailable):
        _beat_twice(other, at(1), between=frozen)

    assert store.last_beat() == at(9)


# --- a database that came back ----------------------------------------------------------------------------------------


def test_online_refunds_wait_when_a_dump_was_restored(store, given, databases, database_url, tmp_path):
    given.case(given.claim(), instance="shop")
    assert not store.guards.notice_restore(now=NOW, instances=["shop"])
    restored_url = databases.new(migrated=False)
    databases.server.run_client("pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", database_url)
    databases.server.run_client("pg_restore", f"--dbname={restored_url}", str(tmp_path / "dump"))

    with closing(open_store(restored_url)) as restored:
        assert restored.guards.notice_restore(now=at(1), instances=["another shop"])
        assert not restored.guards.notice_restore(now=at(2), instances=["another shop"])

        guards = {guard.instance: guard for guard in restored.guards.all()}
        assert guards.keys() == {"another shop", "shop"}
        assert "as a dump is restored" in guards["shop"].reason
        assert (guards["shop"].set_at, guards["shop"].known_until) == (at(1), NOW - timedelta(days=1))
    assert not store.guards.notice_restore(now=at(3), instances=["shop"])
    assert store.guards.all() == ()


def test_no_more_than_an_ordinary_user_s_rights_are_needed(databases):
    url = databases.new(migrated=False)
    with beside(url) as owner:
        role = url.rpartition("/")[2]
        owner.execute(f"CREATE ROLE {role} LOGIN")
        owner.execute(f"ALTER DATABASE {role} OWNER TO {role}")
    plain = url.replace("//refundry@", f"//{role}@")

    migrate(plain)

    with closing(open_store(plain)) as store:
        assert not store.guards.notice_restore(now=NOW, instances=["shop"])
        store.inbox.receive(delivery())
        assert store.inbox.claim("w1", NOW, LEASE_SECONDS) is not None
