"""Our processes as the simulator kills them: the product's store and clients, with a scheduling point at each I/O.

A transaction is one point: SQLite lets one writer at a time in, and a reader sees what was committed before it, so
turns inside a transaction change nothing. GroupWriter is left out, as it only joins what threads of one process write
at the same moment; tests/store and `make torture` have it at work.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy import exc as sql

import service.store
from service.store.engine import Database
from tests.simulation.boundaries import Boundary, Fault, Kind, boundary_at, boundary_named

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


class SimulatedDatabase(Database):
    """The product's, on the same kind of file, for one process after the other."""

    process: Process

    @contextmanager
    def write(self) -> Iterator[Connection]:
        process, place = self.process, _place()
        fault = process.arrive(boundary_at(place), place)
        with super().write() as connection:
            if fault is Fault.BUSY:
                raise _operational("database is locked")
            yield connection
            if fault is Fault.DISK_FULL:
                raise _operational("database or disk is full")
            if fault is Fault.CRASH_BEFORE:
                process.die()
        if fault is Fault.CRASH_AFTER:
            process.die()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        process = self.process
        fault = process.arrive(boundary_named("look"), f"{_place()} (look)")
        with super().read() as connection:
            if fault is Fault.DISK_FULL:
                raise _operational("disk I/O error")
            yield connection
        if fault is Fault.CRASH_AFTER:
            process.die()

    def write_grouped(self, work: Callable[[Connection], _Result]) -> _Result:
        return self.write_again_on_race(work)


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
