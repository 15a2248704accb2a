import sqlite3
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from service.errors import SettingsError, StoreUnavailable
from service.store import SchemaMismatch, is_current, migrate, open_store
from service.store.engine import PATIENCE_SECONDS, make_engine, read_url
from service.store.migrate import _scripts, _upgrade
from service.store.tables import metadata
from tests.databases import on_postgresql, on_sqlite
from tests.store.beside import scalar_of
from tests.store.examples import NOW


def test_migrating_creates_the_directory_and_the_database(database_url):
    assert not is_current(database_url)

    migrate(database_url)

    assert is_current(database_url)


def test_migrating_again_changes_nothing(store, given, database_url):
    claim = given.claim()

    migrate(database_url)

    assert store.inbox.delivery(claim.delivery.id).id == claim.delivery.id


@on_sqlite
def test_a_database_of_the_first_version_keeps_its_rows(database_url, tmp_path):
    (tmp_path / "var").mkdir()
    database = sqlite3.connect(f"{tmp_path}/var/refundry.db", isolation_level=None)
    database.executescript((Path(__file__).parent / "schema-0001.sql").read_text())
    database.close()

    migrate(database_url)

    store = open_store(database_url)
    (row,) = store.refunds.list()
    assert (row.marker, row.order_before) == ("RR-AAAAAAAAAAAAAAAA-01R", None)
    store.close()


def test_the_tables_are_what_the_migrations_make(database_url):
    migrate(database_url)

    with make_engine(read_url(database_url), once=True).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@on_postgresql
def test_what_is_made_longer_is_not_written_anew(database_url):
    _upgrade(read_url(database_url), "0006")
    before = _files(database_url)

    _upgrade(read_url(database_url), "0007")

    assert _files(database_url) == before


@on_sqlite
def test_partial_indexes_have_the_conditions_that_the_tables_say(database_url, tmp_path):
    migrate(database_url)
    database = sqlite3.connect(f"{tmp_path}/var/refundry.db")
    made = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    database.close()

    for table in metadata.tables.values():
        for index in table.indexes:
            condition = index.dialect_options["sqlite"]["where"]
            assert condition is None or str(condition) in made[index.name], index.name


@on_sqlite
def test_the_file_remembers_wal(database_url, tmp_path):
    migrate(database_url)
    database = sqlite3.connect(f"{tmp_path}/var/refundry.db")

    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


@on_sqlite
def test_every_connection_is_durable_and_patient(store):
    with store.database.write() as tx:
        pragmas = {
            name: scalar_of(tx, f"PRAGMA {name}")
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_a_database_that_was_not_migrated_is_not_opened(database_url, tmp_path):
    with pytest.raises(SchemaMismatch, match="run refundry migrate"):
        open_store(database_url)

    # Looking creates no file.
    assert not (tmp_path / "var").exists()


def test_a_newer_database_is_neither_opened_nor_migrated(database_url):
    migrate(database_url)
    _run(database_url, "UPDATE alembic_version SET version_num = '9999'")
    _run(database_url, "DELETE FROM facts")

    with pytest.raises(SchemaMismatch, match="9999, which is newer"):
        open_store(database_url)
    with pytest.raises(SchemaMismatch, match="9999, which is newer"):
        migrate(database_url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused_with_the_remedy(url):
    with pytest.raises(SettingsError, match="Name a file"):
        open_store(url)


def test_a_word_that_is_no_url_is_refused():
    with pytest.raises(SettingsError, match="is no database URL"):
        migrate("refundry.db")


def test_a_missing_driver_is_named_with_its_remedy_and_no_password():
    with pytest.raises(SettingsError, match="nosuch") as refused:
        migrate("nosuch://refundry:hunter2@db/refundry")

    assert "hunter2" not in str(refused.value)


def test_a_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "var").write_text("in the way")

    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        migrate(f"sqlite:///{tmp_path}/var/refundry.db")


@on_sqlite
def test_the_lock_file_is_for_its_owner_alone(store, tmp_path):
    store.beat("w1", NOW)

    mode = (tmp_path / "var" / "refundry.db.lock").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_the_database_is_readable_by_its_owner_alone(tmp_path):
    migrate(f"sqlite:///{tmp_path}/refundry.db")

    assert stat.S_IMODE((tmp_path / "refundry.db").stat().st_mode) == 0o600


def test_an_older_program_goes_on_with_a_newer_database_that_says_it_may(database_url):
    migrate(database_url)
    _run(database_url, "UPDATE alembic_version SET version_num = '9999'")
    _run(database_url, "UPDATE facts SET value = '0005' WHERE name = 'oldest-program'")

    migrate(database_url)

    assert is_current(database_url)
    with closing(open_store(database_url)) as store:
        store.health(NOW)


def test_an_older_program_says_which_one_a_newer_database_needs(database_url):
    migrate(database_url)
    _run(database_url, "UPDATE alembic_version SET version_num = '9999'")
    _run(database_url, "UPDATE facts SET value = '9998' WHERE name = 'oldest-program'")

    with pytest.raises(SchemaMismatch, match="needs one of 9998 at least"):
        open_store(database_url)


def test_the_newest_version_says_which_programs_may_run_on_it():
    scripts = list(_scripts().walk_revisions())

    for script in scripts:
        if script.revision >= "0005":
            assert "0005" <= script.module.oldest_program <= script.revision


@on_postgresql
def test_a_busy_database_is_migrated_while_others_go_on(database, databases):
    url = databases.new(migrated=False)
    _upgrade(read_url(url), "0001")
    waits = []
    with psycopg.connect(url) as reader, ThreadPoolExecutor(3) as threads:
        reader.execute("SELECT count(*) FROM deliveries")  # and holds what that locked
        migrating = [threads.submit(migrate, url) for _ in range(2)]
        while not _is_waited_for(url):
            time.sleep(0.02)
        for number in range(20):
            began = time.monotonic()
            _run(url, _AN_OLD_PROGRAM_S_DELIVERY.format(number))
            waits.append(time.monotonic() - began)
        assert not any(each.done() for each in migrating)
        reader.rollback()
        for each in migrating:
            each.result(30)

    assert is_current(url)
    assert max(waits) < PATIENCE_SECONDS
    with closing(open_store(url)) as store:
        assert len(store.inbox.list()) == 20


_AN_OLD_PROGRAM_S_DELIVERY = """
INSERT INTO deliveries (source, delivery_key, body_sha256, body, headers, received_at, state, worker, fence, attempts,
    wake_asked, reason_code, reason, redeliveries)
VALUES ('warehouse', 'd{0}', '', '', '{{}}', 0, 'done', '', 0, 0, false, '', '', 0)
"""


def _files(url):
    """In which file PostgreSQL keeps each table and index; one that is written anew is in another."""
    with psycopg.connect(url) as other:
        return dict(
            other.execute(
                "SELECT relname, relfilenode FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                " WHERE nspname = 'public' AND relkind IN ('r', 'i')"
            )
        )


def _is_waited_for(url):
    with psycopg.connect(url) as other:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        return other.execute(waiting).fetchone()[0]


def _run(database_url, statement):
    with make_engine(read_url(database_url), once=True).begin() as connection:
        connection.exec_driver_sql(statement)
