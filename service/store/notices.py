"""How whoever stores work wakes idle workers on any host, by PostgreSQL's LISTEN and NOTIFY.

A notice is a hint and no more, like a ring on SQLite (bell.py). It is not part of the transaction that stores the work:
PostgreSQL lets transactions with a notice commit one by one, which would cost intake three quarters of its rate
(docs/decisions/0022). One thread of each process says them after the commit, many as one.
Source: https://www.postgresql.org/docs/current/sql-notify.html.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from contextlib import closing, suppress

from sqlalchemy.pool import PoolProxiedConnection

from service.store.bell import Listener

_log = logging.getLogger("refundry.store")

_CHANNEL = "refundry_work"

#: Between two notices of one process; the first one goes at once.
_PAUSE_SECONDS = 0.005

#: After the server hung up.
_RETRY_SECONDS = 1.0

_Connect = Callable[[], PoolProxiedConnection]


class Announcer:
    """One process's notices. The thread starts with the first of them, and never fails anybody who announces."""

    def __init__(self, connect: _Connect) -> None:
        self._connect = connect
        self._asked = threading.Event()
        self._ending = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def announce(self) -> None:
        self._asked.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Say what is still to be said, and end."""
        if self._thread is not None:
            self._ending.set()
            self._asked.set()
            self._thread.join(timeout=_RETRY_SECONDS)

    def _run(self) -> None:
        while not self._ending.is_set():
            # Nobody's work depends on a notice.
            with suppress(Exception), closing(self._connect()) as connection:
                self._say_until_closed(connection)
            self._ending.wait(_RETRY_SECONDS)

    def _say_until_closed(self, connection: PoolProxiedConnection) -> None:
        cursor = connection.cursor()
        # A notice alone writes nothing that has to survive the server.
        cursor.execute("SET synchronous_commit = off")
        while self._asked.wait():
            self._asked.clear()
            cursor.execute(f"NOTIFY {_CHANNEL}")
            if self._ending.wait(_PAUSE_SECONDS):
                return


def listen(connect: _Connect) -> Listener:
    """A listener that every process's `Announcer` on the same database wakes; it listens until it is closed."""
    heard, telling = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    threading.Thread(target=_hear, args=(connect, telling), name="listening", daemon=True).start()
    return Listener(heard)


def _hear(connect: _Connect, telling: int) -> None:
    """Pass notices on to a pipe until nobody reads it any more; workers poll while the server cannot be heard."""
    while not _is_closed(telling, 0):
        try:
            with closing(connect()) as connection:
                _hear_one_connection(connection, telling)
        except BrokenPipeError:
            break
        except Exception as error:  # noqa: BLE001 -- workers look by themselves meanwhile, whatever it is
            _log.warning(
                "nobody can wake this worker, it looks by itself", extra={"reason": " ".join(str(error).split())}
            )
            _is_closed(telling, _RETRY_SECONDS)
    os.close(telling)


def _hear_one_connection(connection: PoolProxiedConnection, telling: int) -> None:
    driver = connection.driver_connection
    assert driver is not None
    driver.execute(f"LISTEN {_CHANNEL}")
    _tell(telling)  # whatever was said while nobody listened
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    poll.register(telling, 0)  # its reader is gone
    while all(descriptor != telling for descriptor, _ in poll.poll()):
        for _ in driver.notifies(timeout=0):
            _tell(telling)


def _tell(telling: int) -> None:
    # A full pipe wakes as well as one byte.
    with suppress(BlockingIOError):
        os.write(telling, b"\0")


def _is_closed(telling: int, seconds: float) -> bool:
    """Whether nobody reads the pipe, waiting so long for that."""
    poll = select.poll()
    poll.register(telling, 0)
    return bool(poll.poll(seconds * 1000))
