import os
import sqlite3
import stat
from datetime import timedelta

import pytest

from service.errors import BadRequest, Conflict
from service.store import SchemaMismatch, backup, open_store, restore
from tests.store.examples import NOW, at, delivery


@pytest.fixture
def database():
    return "sqlite"


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy.db"


def elsewhere(tmp_path):
    return f"sqlite:///{tmp_path}/elsewhere/refundry.db"


def test_a_copy_made_while_running_brings_back_everything_up_to_it(store, given, database_url, tmp_path, copy):
    _, _, row = given.unknown()
    backup(database_url, copy)
    store.inbox.receive(delivery("after the copy"))

    restore(elsewhere(tmp_path), copy, actor="Ada", now=NOW)

    restored = open_store(elsewhere(tmp_path))
    assert restored.refunds.row(row.id) == row
    assert len(restored.inbox.list()) == 1
    assert [(entry.what, entry.actor) for entry in restored.journal.of()][-2:] == [
        ("database.restored", "Ada"),
        ("guard.set", "Ada"),
    ]
    restored.close()


def test_online_refunds_wait_after_a_restore_at_every_installation_that_is_known(
    store, given, database_url, tmp_path, copy
):
    given.slot(instance="known to the copy")
    backup(database_url, copy)
    made(copy, at(60))

    restore(elsewhere(tmp_path), copy, actor="Ada", now=at(3600), instances=["configured"])

    restored = open_store(elsewhere(tmp_path))
    assert [guard.instance for guard in restored.guards.all()] == ["configured", "known to the copy"]
    assert {guard.known_until for guard in restored.guards.all()} == {NOW - timedelta(days=1)}
    restored.close()


def test_nothing_is_known_for_certain_that_is_later_than_the_copy(store, given, database_url, tmp_path, copy):
    given.slot()
    backup(database_url, copy)
    made(copy, at(-3600))

    restore(elsewhere(tmp_path), copy, actor="Ada", now=at(3600), instances=["configured"])

    restored = open_store(elsewhere(tmp_path))
    assert restored.guards.of("configured").known_until == at(-3600) - timedelta(days=1)
    restored.close()


def made(copy, moment):
    """As if the copy had been made then."""
    os.utime(copy, (moment.timestamp(), moment.timestamp()))


def test_a_restore_leaves_the_database_alone_in_its_directory(store, database_url, tmp_path, copy):
    backup(database_url, copy)

    restore(elsewhere(tmp_path), copy, actor="Ada", now=NOW)

    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["refundry.db"]


def test_a_restore_that_stops_half_way_leaves_nothing_that_could_be_started(store, database_url, tmp_path, copy):
    backup(database_url, copy)
    newer = sqlite3.connect(copy, isolation_level=None)
    newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.execute("DELETE FROM facts")
    newer.close()

    with pytest.raises(SchemaMismatch, match="9999"):
        restore(elsewhere(tmp_path), copy, actor="Ada", now=NOW)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_copy_is_for_its_owner_alone(store, database_url, copy):
    backup(database_url, copy)

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_nothing_is_overwritten_by_a_copy(store, database_url, copy):
    copy.write_text("an older copy")

    with pytest.raises(Conflict, match=r"copy\.db is there already"):
        backup(database_url, copy)

    assert copy.read_text() == "an older copy"


def test_nothing_is_overwritten_by_a_restore(store, database_url, copy):
    store.inbox.receive(delivery())
    backup(database_url, copy)

    with pytest.raises(Conflict, match="is there already"):
        restore(database_url, copy, actor="Ada", now=NOW)

    assert len(store.inbox.list()) == 1


def test_a_log_left_over_from_another_database_stops_a_restore(store, database_url, tmp_path, copy):
    backup(database_url, copy)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "refundry.db-wal").write_text("left over")

    with pytest.raises(Conflict, match=r"refundry\.db-wal"):
        restore(elsewhere(tmp_path), copy, actor="Ada", now=NOW)


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 1000], ids=["missing", "empty", "something else"])
def test_what_is_not_a_copy_of_ours_is_not_restored(tmp_path, copy, content):
    if content is not None:
        copy.write_bytes(content)

    with pytest.raises(BadRequest, match=r"copy\.db"):
        restore(elsewhere(tmp_path), copy, actor="Ada", now=NOW)

    assert not (tmp_path / "elsewhere").exists()


def test_a_damaged_copy_is_not_restored(store, database_url, tmp_path, copy):
    for number in range(50):
        store.inbox.receive(delivery(f"d{number}", body=os.urandom(500)))
    backup(database_url, copy)
    whole = copy.read_bytes()
    copy.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(BadRequest, match=r"copy\.db"):
        restore(elsewhere(tmp_path), copy, actor="Ada", now=NOW)


def test_there_is_nothing_to_copy_where_there_is_no_database(database_url, copy):
    with pytest.raises(SchemaMismatch):
        backup(database_url, copy)

    assert not copy.exists()


def test_postgresql_is_left_to_its_own_tools(copy):
    with pytest.raises(BadRequest, match="pg_dump"):
        backup("postgresql://refundry:hunter2@db/refundry", copy)
