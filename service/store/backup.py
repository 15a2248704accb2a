"""A copy of the state while everything runs, and its return.

SQLite in WAL mode is more than one file, so that copying them by hand can tear a transaction apart; `VACUUM INTO`
writes one file as of one moment. PostgreSQL has its own tools. Whoever restores goes back in time: refunds made since
are known to Magento alone, which is why `refundry reconcile` follows.
Source: https://www.sqlite.org/lang_vacuum.html#vacuuminto.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL

from service.errors import BadRequest, Conflict, StoreUnavailable
from service.store.engine import is_sqlite, lock_path, read_url, shown
from service.store.guards import hold_back_all
from service.store.migrate import check_current, migrate
from service.store.store import open_store


def backup(database_url: str, copy: Path) -> None:
    """Write the state as of now to the new file `copy`; Conflict when there is a file of that name already."""
    url = _sqlite_url(database_url)
    check_current(url)
    _create(copy)
    try:
        _run(Path(str(url.database)), "VACUUM INTO ?", str(copy))
        _flush(copy)
    except (sqlite3.Error, OSError) as error:
        copy.unlink()
        raise StoreUnavailable(f"{copy} could not be written: {error}. Check the disk and its space") from error


def restore(database_url: str, copy: Path, *, actor: str, now: datetime, instances: Iterable[str] = ()) -> None:
    """Make `copy` the state, at this program's version; Conflict while there still is another state in its place.

    Online refunds of `instances`, and of every installation that the copy knows, wait from then on.
    """
    url = _sqlite_url(database_url)
    _check_copy(copy)
    database = Path(str(url.database))
    database.parent.mkdir(parents=True, exist_ok=True)
    # A write-ahead log left over from another database would be played into this one.
    for left_over in (database, *_companions(database)):
        if left_over.exists():
            raise _in_the_way(left_over)
    staged = database.with_name(f"{database.name}.restoring")
    _create(staged)
    try:
        shutil.copyfile(copy, staged)
        _bring_up_to_date(f"sqlite:///{staged}", copy, actor=actor, now=now, instances=instances)
        _flush(staged)
        _put_in_place(staged, database)
    finally:
        for left_over in (staged, *_companions(staged), lock_path(read_url(f"sqlite:///{staged}"))):
            left_over.unlink(missing_ok=True)


def _bring_up_to_date(database_url: str, copy: Path, *, actor: str, now: datetime, instances: Iterable[str]) -> None:
    """Before the copy is in its place: a service that found it there without its guard would send."""
    # No earlier than the copy was made: a file that was carried about may say a later time.
    copied_at = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
    migrate(database_url)
    store = open_store(database_url)
    try:
        with store.database.write() as tx:
            reason = f"restored from {copy}"
            hold_back_all(tx, reason, actor=actor, now=now, instances=instances, copied_at=copied_at)
    finally:
        store.close()


def _put_in_place(staged: Path, database: Path) -> None:
    try:
        os.link(staged, database)
    except FileExistsError as error:
        raise _in_the_way(database) from error
    _flush(database.parent)


def _companions(database: Path) -> tuple[Path, Path]:
    return database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")


def _sqlite_url(database_url: str) -> URL:
    url = read_url(database_url)
    if not is_sqlite(url):
        raise BadRequest(
            f"{shown(url)} is not an SQLite file: use the database's own tools,"
            " pg_dump and pg_restore, and run refundry restore --mark before the service is started again"
        )
    return url


def _check_copy(copy: Path) -> None:
    if not copy.is_file():
        raise BadRequest(f"{copy} is not a file; name one that refundry backup has written")
    try:
        has_schema = _run(copy, "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
        damage = _run(copy, "PRAGMA integrity_check")
    except sqlite3.Error as error:
        raise BadRequest(f"{copy} cannot be read as a backup: {error}") from error
    if (has_schema, damage) != (1, "ok"):
        raise BadRequest(f"{copy} is not a backup of ours, or is damaged ({damage}); name another")


def _run(database: Path, statement: str, *values: str) -> object:
    # Beside SQLAlchemy, which would begin a transaction: there is no vacuum inside one.
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        row = connection.execute(statement, values).fetchone()
    finally:
        connection.close()
    return None if row is None else row[0]


def _create(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise _in_the_way(path) from error
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error}") from error


def _in_the_way(path: Path) -> Conflict:
    return Conflict(f"{path} is there already; stop the service and move it away, or name another file")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
