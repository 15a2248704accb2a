"""The schema's versions: made once, before any process serves, and only ever forward.

Two processes that create tables and switch to WAL at their start race each other; `refundry migrate` runs before them,
and they refuse a database that is not at their version.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine
from sqlalchemy import exc as sql

from service.errors import StoreUnavailable
from service.store.clashes import SchemaMismatch
from service.store.engine import file_turn, is_sqlite, lock_path, make_engine, read_url, shown

#: A migration of a large table may take minutes; a second `migrate` waits for it rather than fail.
_PATIENCE_SECONDS = 600.0


def migrate(database_url: str) -> None:
    """Bring the database to this program's version, creating it where there is none; never back from a newer one."""
    url = read_url(database_url)
    try:
        if is_sqlite(url):
            _create_for_us_alone(Path(str(url.database)))
        with _turn(url):
            _refuse_newer(url, _read_version(url))
            _upgrade(url)
    except (sql.DBAPIError, OSError) as error:
        raise _unreachable(url, error) from error


def _create_for_us_alone(file: Path) -> None:
    """An empty file that only this user may read, where there is none: it will hold customers' data."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def is_current(database_url: str) -> bool:
    """Whether the database is at exactly this program's version. False, too, where there is none yet."""
    url = read_url(database_url)
    return _read_version(url) == _newest()


def check_current(url: URL) -> None:
    """SchemaMismatch, with the remedy, unless the database is at exactly this program's version."""
    version, newest = _read_version(url), _newest()
    if version == newest:
        return
    _refuse_newer(url, version)
    raise SchemaMismatch(
        f"{shown(url)} has schema {version or 'none'}, this program needs {newest}: run refundry migrate"
    )


def _refuse_newer(url: URL, version: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if version is not None and version not in known:
        raise SchemaMismatch(
            f"{shown(url)} has schema {version}, which is newer than this program's"
            f" {_newest()}: run the newer program, or restore a backup made by this one"
        )


def _upgrade(url: URL) -> None:
    engine = make_engine(url, once=True)
    try:
        if is_sqlite(url):
            _switch_to_wal(engine)
        with engine.begin() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _switch_to_wal(engine: Engine) -> None:
    # Beside SQLAlchemy, which would begin a transaction, and inside one it is not possible. The file remembers it.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _turn(url: URL) -> AbstractContextManager[None]:
    # PostgreSQL's DDL is transactional and locks what it changes.
    return file_turn(lock_path(url), patience_seconds=_PATIENCE_SECONDS) if is_sqlite(url) else nullcontext()


def _read_version(url: URL) -> str | None:
    if is_sqlite(url) and not Path(str(url.database)).exists():
        return None  # connecting would create an empty file
    engine = make_engine(url, once=True).execution_options(kind="reads")
    try:
        with engine.connect() as connection:
            return _version_of(connection)
    except (sql.DBAPIError, OSError) as error:
        raise _unreachable(url, error) from error
    finally:
        engine.dispose()


def _version_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _newest() -> str | None:
    return _scripts().get_current_head()


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
