"""One database as this process reaches it: connections, transactions, and turns among SQLite's writers.

SQLite takes one writer at a time, and its own waiting is a poll of up to 100 ms that is not fair; writers therefore
queue in their process, and processes take turns by a lock file beside the database. Nothing is opened before first use,
and everything anew after a fork: a SQLite connection must not be carried across one. PostgreSQL's writers wait for
each other by row, in the server.
Source: https://www.sqlite.org/howtocorrupt.html §2.6, https://www.sqlite.org/wal.html.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy import exc as sql
from sqlalchemy.pool import NullPool, PoolProxiedConnection

from service.errors import SettingsError, StoreUnavailable
from service.store import notices, postgresql
from service.store.bell import Listener, listen_beside, ring_beside
from service.store.statements import Row, Statement, Transaction, translated
from service.store.writer import GroupWriter, Work

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: How long a writer waits for its turn and for SQLite's own lock: long enough for every commit ahead of it on a slow
#: disk, and well within the time-out of whoever sent the webhook.
PATIENCE_SECONDS = 5.0

#: What says that the statement was wrong rather than that the database could not be reached or written.
_OUR_FAULT = (sql.IntegrityError, sql.DataError, sql.ProgrammingError)

#: How often a transaction that another one overtook is begun: each time it finds what was committed meanwhile.
_MOST_RACES = 4

#: Before a deadlock's loser comes again: the winner needs its lock first, or both end up where they were.
_WAY_FOR_WINNER_SECONDS = 0.02

#: More connections than one process has threads; they are opened one by one, as they are needed.
_MOST_CONNECTIONS = 64

_REMEDIES = {
    "sqlite": "Check the disk, its space and its rights",
    "postgresql": "Check that the server runs, that this host may connect, and that its disk has space",
}


class _Overtaken(StoreUnavailable):
    """The database undid the transaction in favour of another; the same again finds its rows."""


class Database:
    """Transactions on one database. Safe to share between threads and to carry across a fork."""

    def __init__(self, url: URL, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.url = url
        self._patience_seconds = patience_seconds
        # A forked child leaves its parent's entry alone: closing those connections would drop the parent's locks.
        self._processes: dict[int, _Process] = {}

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def has_one_writer(self) -> bool:
        """Whether writers wait for each other, so that a look beforehand is worth its while."""
        return is_sqlite(self.url)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One consistent view; never waits for writers."""
        with self._unavailable(), self._here().transaction("reads") as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction, committed at the end or not at all. Not to be nested, and nothing slow belongs inside."""
        here = self._here()
        with self._unavailable(), here.turn(), here.transaction("writes") as tx:
            yield tx

    def write_one(self, statement: Statement, **values: Any) -> Row | None:
        """The first row of one statement that is a transaction by itself: PostgreSQL is asked once, not three times."""
        here = self._here()
        with self._unavailable(), here.turn(), here.transaction("is_one_statement") as tx:
            return tx.first(statement, **values)

    def write_again_on_race(self, work: Callable[[Transaction], _Result]) -> _Result:
        """`work` in a transaction, again if another one inserted the same row first: now it will find that row."""
        for _ in range(_MOST_RACES - 1):
            try:
                with self.write() as tx:
                    return work(tx)
            except sql.IntegrityError:
                continue
            except _Overtaken:
                time.sleep(_WAY_FOR_WINNER_SECONDS)
        with self.write() as tx:
            return work(tx)

    def write_grouped(self, work: Work[_Item, _Result], item: _Item) -> _Result:
        """`item`'s result once it is on disk; where the database is SQLite, many threads' items share one commit."""
        if self.has_one_writer:
            return self._here().group_writer.submit(work, item)
        return self.write_again_on_race(lambda tx: work(tx, [item])[0])

    def listen(self) -> Listener:
        """What an idle worker waits on; `announce` wakes it, in any process of this machine or of this PostgreSQL."""
        return listen_beside(self._file()) if is_sqlite(self.url) else notices.listen(self._here().connect_once)

    def announce(self) -> None:
        """Wake a worker: there may be work, and it is committed."""
        if is_sqlite(self.url):
            ring_beside(self._file())
        else:
            self._here().announcer.announce()

    def _file(self) -> Path:
        return Path(str(self.url.database))

    def close(self) -> None:
        here = self._processes.pop(os.getpid(), None)
        if here is not None:
            here.group_writer.close()
            here.announcer.close()
            here.engine.dispose()

    def _here(self) -> _Process:
        pid = os.getpid()
        # setdefault is atomic, so two threads end up with the same one; the other's was never connected.
        return self._processes.get(pid) or self._processes.setdefault(
            pid, _Process(self.url, self.write, self._patience_seconds)
        )

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except sql.DBAPIError as error:
            if isinstance(error, _OUR_FAULT):
                raise
            if postgresql.was_overtaken(error.orig):
                raise _Overtaken(f"{self}: another transaction went first ({error.orig}); try again") from error
            raise self._as_unavailable(error.orig or error) from error
        except (sql.TimeoutError, OSError) as error:
            raise self._as_unavailable(error) from error

    def _as_unavailable(self, error: BaseException) -> StoreUnavailable:
        said = " ".join(str(error).split())
        return StoreUnavailable(f"{self} cannot be used now: {said}. {_REMEDIES[self.url.get_backend_name()]}")


class _Process:
    """What one process holds open."""

    def __init__(
        self, url: URL, write: Callable[[], AbstractContextManager[Transaction]], patience_seconds: float
    ) -> None:
        self.engine = make_engine(url, patience_seconds=patience_seconds)
        self.group_writer = GroupWriter(write, patience_seconds=2 * patience_seconds)
        self._once = make_engine(url, patience_seconds=patience_seconds, once=True)
        self.announcer = notices.Announcer(self.connect_once)
        self._begins = _BEGINS[url.get_backend_name()]
        self._lock_path = lock_path(url) if is_sqlite(url) else None
        self._patience_seconds = patience_seconds
        self._mutex = threading.Lock()

    @contextmanager
    def transaction(self, kind: str) -> Iterator[Transaction]:
        begin = self._begins[kind]
        dialect = self.engine.dialect
        try:
            connection = self.engine.raw_connection()
        except dialect.loaded_dbapi.Error as error:
            raise translated(error, dialect) from error
        try:
            cursor = connection.cursor()
            if begin:
                cursor.execute(begin)
            yield Transaction(cursor, dialect)
            connection.commit()
        except BaseException as error:
            _roll_back(connection)
            if isinstance(error, dialect.loaded_dbapi.Error):
                raise translated(error, dialect) from error
            raise
        finally:
            connection.close()

    def connect_once(self) -> PoolProxiedConnection:
        """A connection beside the pool, for a thread that keeps it."""
        return self._once.raw_connection()

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._lock_path is None else self._sqlite_turn(self._lock_path)

    @contextmanager
    def _sqlite_turn(self, path: Path) -> Iterator[None]:
        if not self._mutex.acquire(timeout=self._patience_seconds):
            raise StoreUnavailable(
                f"no turn to write within {self._patience_seconds} s: this process writes too slowly"
            )
        try:
            with file_turn(path, patience_seconds=self._patience_seconds):
                yield
        finally:
            self._mutex.release()


#: What begins a transaction. A SQLite writer says at once that it is one: a reader that turns into a writer may be
#: refused. A PostgreSQL reader keeps the view that its first statement had; one statement needs no begin there.
_BEGINS: Mapping[str, Mapping[str, str]] = {
    "sqlite": {"reads": "BEGIN", "writes": "BEGIN IMMEDIATE", "is_one_statement": "BEGIN IMMEDIATE"},
    "postgresql": {
        "reads": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "writes": "BEGIN",
        "is_one_statement": "",
    },
}


def _roll_back(connection: PoolProxiedConnection) -> None:
    """Leave nothing half done; a connection that cannot even do that is not used again."""
    try:
        connection.rollback()
    except Exception:  # noqa: BLE001 -- whatever it says, the error that brought us here says more
        connection.invalidate()


def make_engine(url: URL, *, patience_seconds: float = PATIENCE_SECONDS, once: bool = False) -> Engine:
    """An engine with our settings; `once`: keeps no connection, for a single use before a fork."""
    options: dict[str, Any] = {"poolclass": NullPool}
    if not once:
        options = {"pool_size": _MOST_CONNECTIONS, "max_overflow": 0, "pool_timeout": patience_seconds}
        options |= {"pool_use_lifo": True}
    if not is_sqlite(url):
        options |= {"connect_args": postgresql.connect_args(url, patience_seconds=patience_seconds)}
        options |= {"use_native_hstore": False}  # which would be looked for with each engine
    try:
        # Without this a fault's traceback would carry bodies into the log.
        engine = create_engine(url, hide_parameters=True, **options)
    except (ModuleNotFoundError, sql.NoSuchModuleError) as error:
        said = f"its driver is not there ({error})"
        raise _bad_url(shown(url), said, "Install it, as in: pip install 'psycopg[binary]'") from error
    (_set_up_sqlite(engine, patience_seconds) if is_sqlite(url) else postgresql.set_up(engine))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # For migrations, which SQLAlchemy runs; ours are begun above.
        kind = connection.get_execution_options().get("kind", "writes")
        connection.exec_driver_sql(_BEGINS[url.get_backend_name()][kind])

    return engine


def read_url(database_url: str) -> URL:
    """The URL as SQLAlchemy takes it; SettingsError when we cannot keep a state there."""
    try:
        url = make_url(database_url)
    except sql.ArgumentError as error:
        raise _bad_url(database_url, "is no database URL", "Write sqlite:///var/refundry.db") from error
    if url.drivername in {"postgresql", "postgres", postgresql.DRIVER}:
        return url.set(drivername=postgresql.DRIVER)
    if not is_sqlite(url):
        raise _bad_url(
            shown(url), f"{url.drivername} is not supported", "Write sqlite:///<file> or postgresql://<host>/<database>"
        )
    if not url.database or ":memory:" in url.database or url.database.startswith("file:"):
        raise _bad_url(
            database_url,
            "a database in memory is not supported: web and worker are two processes, and state must survive both",
            "Name a file, as in sqlite:///var/refundry.db",
        )
    return url


def shown(url: URL) -> str:
    """As an operator wrote it, without its password."""
    return url.render_as_string(hide_password=True).replace(postgresql.DRIVER, "postgresql", 1)


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def lock_path(url: URL) -> Path:
    return Path(f"{url.database}.lock")


@contextmanager
def file_turn(path: Path, *, patience_seconds: float) -> Iterator[None]:
    """Exclusive among processes while it lasts; the kernel gives it back if the holder dies."""
    # A descriptor of its own each time: flock belongs to the open file, which a forked child would share.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(descriptor, path, patience_seconds)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, path: Path, patience_seconds: float) -> None:
    # Polled, as flock itself has no time-out and a stopped process would hold up every other for ever. One
    # millisecond is less than a commit, so turns stay nearly fair.
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"another process has held {path} for more than {patience_seconds} s; see which with: fuser {path}"
                ) from None
            time.sleep(0.001)


def _set_up_sqlite(engine: Engine, patience_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver would begin transactions by itself, late and DEFERRED, and refuse to wait when such a one turns
        # into a writer's. We say BEGIN ourselves, below.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {int(patience_seconds * 1000)}",
            "foreign_keys = ON",
            # NORMAL survives a killed process but not a power cut, and what was acknowledged must survive both.
            "synchronous = FULL",
            # What is purged is overwritten, not only marked as free.
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")


def _bad_url(value: str, message: str, remedy: str) -> SettingsError:
    return SettingsError(message, file="config/service.toml", key="database_url", value=value, remedy=remedy)
