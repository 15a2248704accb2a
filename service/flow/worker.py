"""The worker: claim, process, back off; threads of one process, any number of processes.

A process of its own, never a thread inside gunicorn's workers: those are forked, timed out and restarted with refunds
in flight. On SIGTERM nothing new is claimed, the call in flight is waited for, and what is left of its delivery is
handed back for the next worker; what cannot even be handed back in time is found by that one when the lease ends.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import FrameType

from service.core.lifecycle import DeliveryState
from service.errors import Conflict, LeaseLost, StoreUnavailable
from service.flow.drift import claim_check, take_look
from service.flow.outcome import Ended
from service.flow.process import backoff, process_delivery, write_down
from service.flow.retention import MOST_PURGED, PURGE_EVERY, purge_old
from service.flow.turns import Turns
from service.runtime import Runtime
from service.store import Claim, DriftCheck, format_id

_log = logging.getLogger("refundry.worker")

#: A delivery that fails by a fault of ours this often stops holding a worker and waits for a person.
_TRIES_OF_A_FAULT = 5

#: While the database cannot be reached: long enough not to storm it, short enough to be back at once.
_STORE_PAUSE_SECONDS = 2.0

#: Beats are written this often; readiness calls a worker dead after several.
BEAT_SECONDS = 10.0


class Worker:
    """One process's threads. `run` returns after `stop`, with nothing in flight; a worker runs once."""

    def __init__(self, runtime: Runtime, *, name: str | None = None) -> None:
        self._stopping = threading.Event()
        self._runtime = replace(runtime, is_ending=self._stopping.is_set)
        #: Held by the one thread that looks for work: idle threads would ask the database as often, for nothing.
        self._turn = threading.Lock()
        self._looking_back = threading.Lock()
        self._turns = Turns(self._runtime)
        self._listener = runtime.store.listen()
        self._purge_at: datetime | None = None
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._loop, args=(f"{self.name}/{number}",), name=f"worker-{number}")
            for number in range(1, self._most_at_once() + 1)
        ]
        _log.info("worker started", extra={"worker": self.name, "threads": len(threads)})
        for thread in threads:
            thread.start()
        while not self._stopping.wait(BEAT_SECONDS if self._beat() else _STORE_PAUSE_SECONDS):
            self._purge()
        for thread in threads:
            thread.join()
        self._listener.close()
        _log.info("worker stopped", extra={"worker": self.name})

    def _most_at_once(self) -> int:
        """Threads for every store, so that no store waits for another's; those that wait for work cost nothing."""
        settings = self._runtime.settings
        return settings.service.worker_threads * max(1, len(settings.stores))

    def stop(self) -> None:
        self._stopping.set()
        self._listener.nudge()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT: finish what is in flight, claim nothing more."""

        def on_signal(_signum: int, _frame: FrameType | None) -> None:
            self.stop()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    def _beat(self) -> bool:
        try:
            self._runtime.store.beat(self.name, self._runtime.clock())
        except StoreUnavailable as error:
            _log.warning("database not available", extra={"reason": error.message})
            return False
        return True

    def _purge(self) -> None:
        now = self._runtime.clock()
        if self._purge_at is not None and now < self._purge_at:
            return
        self._purge_at = now + PURGE_EVERY
        try:
            purged = purge_old(self._runtime)
        except Exception:  # noqa: BLE001 -- what cannot be forgotten now must not end the worker
            _log.exception("fault while purging old bodies", extra={"worker": self.name})
            return
        if purged >= MOST_PURGED:
            self._purge_at = now
        if purged:
            _log.info("old bodies purged", extra={"worker": self.name, "bodies": purged})

    def _loop(self, name: str) -> None:
        while not self._stopping.is_set():
            try:
                with self._turn:
                    job = self._wait_for_job(name)
                job()
            except StoreUnavailable as error:
                _log.warning("database not available", extra={"worker": name, "reason": error.message})
                self._stopping.wait(_STORE_PAUSE_SECONDS)
            except Exception:  # noqa: BLE001 -- without its threads a worker would go on to say that it is alive
                _log.exception("fault while looking for work", extra={"worker": name})
                self._stopping.wait(_STORE_PAUSE_SECONDS)

    def _wait_for_job(self, name: str) -> Callable[[], None]:
        """The next thing to do, once there is one; nothing at all when the worker is told to stop."""
        while not self._stopping.is_set():
            claim = self._turns.claim(name)
            if claim is not None:
                return partial(self._carry, claim)
            check = self._claim_look()
            if check is not None:
                return partial(self._look_back, check, name)
            self._listener.wait(self._runtime.settings.service.poll_seconds)
        return _nothing

    def _carry(self, claim: Claim) -> None:
        try:
            _carry(self._runtime, self._turns, claim)
        finally:
            # Its store has room again, and the thread that looks for work may have passed it over.
            self._listener.nudge()

    def _claim_look(self) -> DriftCheck | None:
        """A look that is due, with `_looking_back` held for it: `_look_back` lets it go. None: not held."""
        if not self._looking_back.acquire(blocking=False):
            return None
        check = None
        try:
            check = claim_check(self._runtime)
        finally:
            # After an error as well: kept, it would silently end the looks of this process for good.
            if check is None:
                self._looking_back.release()
        return check

    def _look_back(self, check: DriftCheck, name: str) -> None:
        """One later look at a time: a store that is slow to read must not take every thread from the deliveries."""
        try:
            take_look(self._runtime, check, name)
        finally:
            self._looking_back.release()


def work_once(runtime: Runtime, worker: str) -> bool:
    """Claim one due delivery and carry it; False when none was due. Only StoreUnavailable gets out."""
    turns = Turns(runtime)
    claim = turns.claim(worker)
    if claim is None:
        return False
    _carry(runtime, turns, claim)
    return True


def _nothing() -> None:
    """What is left to do when a worker stops."""


def _carry(runtime: Runtime, turns: Turns, claim: Claim) -> None:
    extra = {
        "delivery": format_id("delivery", claim.delivery.id),
        "worker": claim.worker,
        "attempt": claim.delivery.attempts,
    }
    with turns.carrying(claim):
        try:
            ended = process_delivery(runtime, claim)
            _log.info("delivery carried", extra={**extra, "state": ended.state.value, "code": ended.code})
        except LeaseLost as error:
            _log.warning("lease lost, another worker goes on", extra={**extra, "reason": error.message})
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 -- the one place: a fault of ours in one delivery must not hold up the others
            _log.exception("fault while carrying a delivery", extra=extra)
            _put_aside(runtime, claim)


def _put_aside(runtime: Runtime, claim: Claim) -> None:
    """Give a delivery back after a fault of ours, again and again, and then to a person."""
    tries = claim.delivery.attempts
    if tries >= _TRIES_OF_A_FAULT:
        ended = Ended.needs_person("fault", f"this service failed on it {tries} times; its log says how")
    else:
        due_at = runtime.clock() + backoff(runtime, claim)
        ended = Ended(state=DeliveryState.WAITING, code="fault", reason="failed", due_at=due_at)
    try:
        write_down(runtime, claim, ended)
    except (LeaseLost, Conflict) as error:
        _log.warning("left to its lease", extra={"reason": error.message})
