import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from service.errors import SettingsError, StoreUnavailable
from service.store import SchemaMismatch, is_current, migrate, open_store
from service.store.engine import make_engine, read_url
from service.store.tables import metadata
from tests.databases import on_sqlite
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


def _run(database_url, statement):
    with make_engine(read_url(database_url), once=True).begin() as connection:
        connection.exec_driver_sql(statement)
