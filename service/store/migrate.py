"""The schema's versions: made once, before any process serves, and only ever forward.

Two processes that create tables and switch to WAL at their start race each other; `refundry migrate` runs before them,
and they refuse a database that is not at their version. A newer one they go on with as long as the version that made it
says so: while several hosts are brought up to date in turn, the older programs still work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine
from sqlalchemy import exc as sql

from service.errors import StoreUnavailable
from service.store import postgresql
from service.store.clashes import SchemaMismatch
from service.store.engine import file_turn, is_sqlite, lock_path, make_engine, read_url, shown
from service.store.facts import OLDEST_PROGRAM, read_fact, write_fact

#: A migration of a large table may take minutes; a second `migrate` waits for it rather than fail.
_PATIENCE_SECONDS = 600.0

#: How often tables that are in use are tried, and how long the others may go on in between: for some minutes.
_MOST_TRIES = 100
_TRY_AGAIN_SECONDS = 1.0


def migrate(database_url: str) -> None:
    """Bring the database to this program's version, creating it where there is none; never back from a newer one."""
    url = read_url(database_url)
    try:
        if is_sqlite(url):
            _create_for_us_alone(Path(str(url.database)))
        with _turn(url):
            if not _is_newer_and_fits(url, _read_version(url)):
                _upgrade(url)
    except (sql.DBAPIError, OSError) as error:
        raise _unreachable(url, error) from error


def _create_for_us_alone(file: Path) -> None:
    """An empty file that only this user may read, where there is none: it will hold customers' data."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def is_current(database_url: str) -> bool:
    """Whether this program may run on the database as it is. False, too, where there is none yet."""
    url = read_url(database_url)
    version = _read_version(url)
    return version == _newest() or _is_newer_and_fits(url, version)


def check_current(url: URL) -> None:
    """SchemaMismatch, with the remedy, unless this program may run on the database as it is."""
    version, newest = _read_version(url), _newest()
    if version == newest or _is_newer_and_fits(url, version):
        return
    raise SchemaMismatch(
        f"{shown(url)} has schema {version or 'none'}, this program needs {newest}: run refundry migrate"
    )


def _is_newer_and_fits(url: URL, version: str | None) -> bool:
    """SchemaMismatch when a newer program has made the database into something that this one does not understand."""
    newest = _newest()
    if version is None or version in {script.revision for script in _scripts().walk_revisions()}:
        return False
    oldest = _ask(url, lambda connection: read_fact(connection, OLDEST_PROGRAM))
    # Versions are numbers of four digits, so that their text sorts as they follow each other.
    if oldest is not None and oldest <= newest:
        return True
    raise SchemaMismatch(
        f"{shown(url)} has schema {version}, which is newer than this program's {newest} and needs one of"
        f" {oldest or version} at least: run the newer program, or restore a backup made by this one"
    )


def _upgrade(url: URL, version: str = "head") -> None:
    """All versions up to `version`, in one transaction; begun anew where it would have kept others waiting."""
    for _ in range(_MOST_TRIES - 1):
        try:
            return _upgrade_at_once(url, version)
        except sql.OperationalError as error:
            if not postgresql.was_locked_out(error.orig):
                raise
            time.sleep(_TRY_AGAIN_SECONDS)
    return _upgrade_at_once(url, version)


def _upgrade_at_once(url: URL, version: str) -> None:
    engine = make_engine(url, once=True)
    try:
        if is_sqlite(url):
            _switch_to_wal(engine)
        with engine.begin() as connection:
            if not is_sqlite(url):
                postgresql.be_quick_to_lock(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, version)
            made = _scripts().get_revision(version)
            if (oldest := getattr(made.module, "oldest_program", None)) is not None:
                write_fact(connection, OLDEST_PROGRAM, oldest)
    finally:
        engine.dispose()


def _switch_to_wal(engine: Engine) -> None:
    # Beside SQLAlchemy, which would begin a transaction, and inside one it is not possible. The file remembers it.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


@contextmanager
def _turn(url: URL) -> Iterator[None]:
    if is_sqlite(url):
        with file_turn(lock_path(url), patience_seconds=_PATIENCE_SECONDS):
            yield
        return
    with postgresql.migration_turn(make_engine(url, once=True), patience_seconds=_PATIENCE_SECONDS):
        yield


def _read_version(url: URL) -> str | None:
    if is_sqlite(url) and not Path(str(url.database)).exists():
        return None  # connecting would create an empty file
    return _ask(url, lambda connection: MigrationContext.configure(connection).get_current_revision())


def _ask(url: URL, question: Callable[[Connection], str | None]) -> str | None:
    engine = make_engine(url, once=True).execution_options(kind="reads")
    try:
        with engine.connect() as connection:
            return question(connection)
    except (sql.DBAPIError, OSError) as error:
        raise _unreachable(url, error) from error
    finally:
        engine.dispose()


def _newest() -> str:
    return str(_scripts().get_current_head())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _unreachable(url: URL, error: Exception) -> StoreUnavailable:
    said = " ".join(str(error.orig if isinstance(error, sql.DBAPIError) else error).split())
    return StoreUnavailable(f"{shown(url)} cannot be opened: {said}. Check that it is there, and our rights to write")
