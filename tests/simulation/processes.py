"""Our processes as the simulator kills them: the product's store and clients, with a scheduling point at each I/O.

A transaction is one point: SQLite lets one writer at a time in, and a reader sees what was committed before it, so
turns inside a transaction change nothing, and all processes can share one connection to a database in memory. Files,
turns among processes and GroupWriter are left out: tests/store and `make torture` have them at work.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from sqlalchemy import URL, create_engine
from sqlalchemy import exc as sql

import service.store
from service.store.engine import Database
from service.store.statements import Row, Statement, Transaction
from service.store.writer import Work
from tests.simulation.boundaries import Boundary, Fault, Kind, boundary_at, boundary_named

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_STORE = str(Path(service.store.__file__).parent)
_ENGINE = str(Path(_STORE) / "engine.py")


class Killed(BaseException):
    """kill -9: nothing of the product may catch it, and an open transaction is rolled back."""


class Events(Protocol):
    """What the world does when a process comes to a boundary."""

    def arrive(self, process: Process, boundary: Boundary, what: str) -> Fault | None:
        """Let others go first, then strike or not; a fault that is left to the caller comes back."""


class Process:
    """One of our processes, until it dies."""

    def __init__(self, name: str, events: Events) -> None:
        self.name = name
        self.is_alive = True
        self._events = events

    def arrive(self, boundary: Boundary, what: str) -> Fault | None:
        """The fault that strikes there and is the caller's to play; of a transaction, its crashes too."""
        self.check_alive()
        fault = self._events.arrive(self, boundary, what)
        self.check_alive()
        if fault is Fault.CRASH_BEFORE and boundary.kind is not Kind.COMMIT:
            self.die()
        return fault

    def die(self) -> NoReturn:
        self.is_alive = False
        raise Killed

    def check_alive(self) -> None:
        if not self.is_alive:
            raise Killed


class Memory:
    """A database in memory, with the schema and the settings of one that `migrate` has made."""

    def __init__(self, url: URL) -> None:
        self.dialect = create_engine("sqlite://").dialect
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        with closing(sqlite3.connect(str(url.database))) as made:
            made.backup(self.connection)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.cursor = self.connection.cursor()

    @contextmanager
    def transaction(self, begin: str) -> Iterator[Transaction]:
        self.cursor.execute(begin)
        try:
            yield Transaction(self.cursor, self.dialect)
        except BaseException:
            self.cursor.execute("ROLLBACK")
            raise
        self.cursor.execute("COMMIT")


class SimulatedDatabase(Database):
    """The product's, for one process after the other."""

    process: Process

    def __init__(self, url: URL, memory: Memory) -> None:
        super().__init__(url)
        self._memory = memory

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        process, place = self.process, _place()
        fault = process.arrive(boundary_at(place), place)
        with self._unavailable(), self._memory.transaction("BEGIN IMMEDIATE") as tx:
            if fault is Fault.BUSY:
                raise _operational("database is locked")
            yield tx
            if fault is Fault.DISK_FULL:
                raise _operational("database or disk is full")
            if fault is Fault.CRASH_BEFORE:
                process.die()
        if fault is Fault.CRASH_AFTER:
            process.die()

    def write_one(self, statement: Statement, **values: Any) -> Row | None:
        with self.write() as tx:
            return tx.first(statement, **values)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        process = self.process
        fault = process.arrive(_LOOK, f"{_place()} (look)")
        with self._unavailable(), self._memory.transaction("BEGIN") as tx:
            if fault is Fault.DISK_FULL:
                raise _operational("disk I/O error")
            yield tx
        if fault is Fault.CRASH_AFTER:
            process.die()

    def write_grouped(self, work: Work[_Item, _Result], item: _Item) -> _Result:
        return self.write_again_on_race(lambda tx: work(tx, [item])[0])


_LOOK = boundary_named("look")


def _operational(text: str) -> sql.OperationalError:
    return sql.OperationalError(None, None, sqlite3.OperationalError(text))


def _place() -> str:
    """The store's method that begins this transaction, as in "Refunds.take_slot": the outermost within the store."""
    frame: Any = sys._getframe(2)
    named = ""
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_STORE):
            if filename != _ENGINE:
                named = frame.f_code.co_qualname
        elif named:
            break
        frame = frame.f_back
    return named
