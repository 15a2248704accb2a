"""Runs a few processes together: starts them, starts again what dies, and ends all of them when told to.

For one machine without systemd or containers. A child that keeps dying ends the whole, non-zero, so that whoever
started it sees a failure instead of a service that half works.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import FrameType

_log = logging.getLogger("refundry.serve")

#: How often the children are looked at.
_LOOK_SECONDS = 0.1

#: The first pause before a dead child is started again; each further one is twice as long.
_FIRST_PAUSE_SECONDS = 1.0

#: A child that lived this long was well, and its earlier deaths are forgotten.
_WELL_AFTER_SECONDS = 60.0

#: So many deaths in a row are not bad luck.
_MOST_DEATHS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    name: str
    command: tuple[str, ...]


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    #: When it is started (again), on the monotonic clock.
    due_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    children: Sequence[Child]
    environ: Mapping[str, str]
    #: How long the children may take to end before they are killed.
    grace_seconds: float
    first_pause_seconds: float = _FIRST_PAUSE_SECONDS
    #: False where this is not the main thread, which alone may; `stop` then ends it.
    watches_signals: bool = True
    _running: list[_Running] = field(init=False)
    _is_ending: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._running = [_Running(child=child) for child in self.children]

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or a child that keeps dying; the exit code: 0, or 1 for the last."""
        with self._signals() if self.watches_signals else nullcontext():
            try:
                return self._watch()
            finally:
                self._end_all()

    def stop(self) -> None:
        self._is_ending = True

    def _watch(self) -> int:
        while not self._is_ending:
            for running in self._running:
                if not self._is_well(running):
                    return 1
            time.sleep(_LOOK_SECONDS)
        return 0

    def _is_well(self, running: _Running) -> bool:
        """Start it if it is due, note it if it died; False when it has died too often."""
        now = time.monotonic()
        if running.process is None:
            if now >= running.due_at:
                self._start(running, now)
            return True
        code = running.process.poll()
        if code is None:
            return True
        running.process = None
        running.deaths = 1 if now - running.started_at > _WELL_AFTER_SECONDS else running.deaths + 1
        extra = {"child": running.child.name, "exit_code": code, "deaths": running.deaths}
        if running.deaths >= _MOST_DEATHS:
            _log.error("a process keeps dying, giving up", extra=extra)
            return False
        pause_seconds = self.first_pause_seconds * 2 ** (running.deaths - 1)
        running.due_at = now + pause_seconds
        _log.warning("a process died, starting it again", extra={**extra, "pause_seconds": pause_seconds})
        return True

    def _start(self, running: _Running, now: float) -> None:
        # A process group of its own: Ctrl-C in a terminal reaches us alone, and we end the children in our way.
        running.process = subprocess.Popen(  # noqa: S603 -- our own words
            running.child.command, env=dict(self.environ), process_group=0
        )
        running.started_at = now
        _log.info("started", extra={"child": running.child.name, "pid": running.process.pid})

    def _end_all(self) -> None:
        processes = [running.process for running in self._running if running.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + self.grace_seconds
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.error("did not end in time, killed", extra={"pid": process.pid})
                process.kill()
                process.wait()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_signal(_signum: int, _frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
