"""How whoever stores work wakes an idle worker on the same machine: a named pipe beside the SQLite file.

A ring is a hint and no more. A worker looks for work every poll_seconds by itself, so a pipe that cannot be made (some
network and container file systems have none) costs that long and loses nothing. Not a socket, because a pipe belongs to
no process: any number of workers may listen, and nothing has to be tidied up after one that was killed.
"""

from __future__ import annotations

import os
import select
import stat
from contextlib import suppress
from pathlib import Path

#: As much as a Linux pipe holds: one read empties it.
_PIPE_BYTES = 65_536


class Listener:
    """What one worker process waits on while there is nothing to do. `nudge` may be called from any thread."""

    def __init__(self, outside: int | None = None) -> None:
        #: A descriptor that becomes readable when there may be work; this listener closes it. None: nobody rings.
        self._outside = outside
        self._inside, self._nudging = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, seconds: float) -> None:
        """Return when there may be work, when nudged, or after so long; early for no reason now and then."""
        watched = [self._inside] if self._outside is None else [self._inside, self._outside]
        for descriptor in select.select(watched, [], [], max(0.0, seconds))[0]:
            # Another process that listens may have emptied it first.
            with suppress(BlockingIOError):
                os.read(descriptor, _PIPE_BYTES)

    def nudge(self) -> None:
        """Have this process' own waiter return now."""
        # A full pipe wakes as well as one byte.
        with suppress(BlockingIOError):
            os.write(self._nudging, b"\0")

    def close(self) -> None:
        for descriptor in (self._inside, self._nudging, self._outside):
            if descriptor is not None:
                os.close(descriptor)


def listen_beside(database: Path) -> Listener:
    """A listener that `ring_beside` the same file wakes, where the file system has named pipes."""
    path = _path(database)
    with suppress(FileExistsError, OSError):
        os.mkfifo(path, 0o600)
    with suppress(OSError):
        if stat.S_ISFIFO(path.stat().st_mode):
            # Open for writing too: without a writer a pipe is readable all the time, at its end.
            return Listener(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    return Listener()


def ring_beside(database: Path) -> None:
    """Tell whoever listens that there is work, once it is committed. Costs some microseconds and never fails."""
    # Refused when nobody listens, missing when nobody ever has; full when it was rung often enough.
    with suppress(OSError):
        descriptor = os.open(_path(database), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"\0")
        finally:
            os.close(descriptor)


def _path(database: Path) -> Path:
    return Path(f"{database}.bell")
