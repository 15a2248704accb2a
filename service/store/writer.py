"""Group commit: many threads hand over their work, one thread commits it together, and each caller waits for that.

A commit costs a flush of the disk whatever it holds. The transaction begins before the queue is drained, so whoever
arrives while another process has its turn rides along. Work of one sort is given to its function at once, which may
then need few statements for all of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from service.errors import StoreUnavailable
from service.store.statements import Transaction

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Does what is asked for each item, and gives a result for each, in order.
Work = Callable[[Transaction, Sequence[_Item]], Sequence[_Result]]

#: Bounds how long one transaction keeps other writers waiting; far more than threads that can wait at once.
_MOST_AT_ONCE = 256

#: Somewhat longer than a request takes to be read and verified, and all of them together shorter than most commits.
_STEP_SECONDS = 0.0005
_MOST_STEPS = 8


class GroupWriter:
    """One process's queue of small writes. The thread starts with the first of them."""

    def __init__(self, write: Callable[[], AbstractContextManager[Transaction]], *, patience_seconds: float) -> None:
        self._write = write
        self._patience_seconds = patience_seconds
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        #: The last commit was shared.
        self._had_company = False

    def submit(self, work: Work[_Item, _Result], item: _Item) -> _Result:
        """`item`'s result, once committed. StoreUnavailable when that takes too long: it may still happen, unheard."""
        job = _Job(work, item)
        self._start()
        self._queue.put(job)
        if not job.is_waiting.acquire(timeout=self._patience_seconds):
            job.is_given_up = True
            raise StoreUnavailable(f"nothing could be committed within {self._patience_seconds} s")
        if job.error is not None:
            raise job.error
        result: _Result = job.result
        return result

    def close(self) -> None:
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                self._queue.put(None)
                self._thread.join(timeout=self._patience_seconds)

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            if not first.is_given_up:
                self._gather()
                self._commit(first)

    def _gather(self) -> None:
        """Wait while more keep coming: each that rides along spares a commit. One sender alone is not kept waiting."""
        if not self._had_company and self._queue.empty():
            return
        waiting = -1
        for _ in range(_MOST_STEPS):
            if waiting == (waiting := self._queue.qsize()):
                return
            time.sleep(_STEP_SECONDS)

    def _commit(self, first: _Job) -> None:
        group = [first]
        try:
            with self._write() as tx:
                group += self._waiting()
                self._had_company = len(group) > 1
                _carry(tx, group)
        except StoreUnavailable as error:
            _end(group, error)
        except Exception:  # noqa: BLE001 -- one caller's bad row must not cost the others theirs, nor stop the thread
            for job in group:
                self._commit_alone(job)
        else:
            _end(group)

    def _commit_alone(self, job: _Job) -> None:
        try:
            with self._write() as tx:
                _carry(tx, [job])
        except Exception as error:  # noqa: BLE001 -- raised in the caller's thread, where it belongs
            _end([job], error)
        else:
            _end([job])

    def _waiting(self) -> list[_Job]:
        jobs: list[_Job] = []
        while len(jobs) < _MOST_AT_ONCE:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            if not job.is_given_up:
                jobs.append(job)
        return jobs


class _Job:
    """What one caller waits for: a bare lock, because a Future costs more than the row that it waits for."""

    __slots__ = ("error", "is_given_up", "is_waiting", "item", "result", "work")

    def __init__(self, work: Work[Any, Any], item: Any) -> None:
        self.work = work
        self.item = item
        self.result: Any = None
        self.error: Exception | None = None
        #: Nobody listens any more.
        self.is_given_up = False
        #: Held until there is a result or an error.
        self.is_waiting = threading.Lock()
        self.is_waiting.acquire()


def _carry(tx: Transaction, group: Sequence[_Job]) -> None:
    by_work: dict[Work[Any, Any], list[_Job]] = {}
    for job in group:
        by_work.setdefault(job.work, []).append(job)
    for work, jobs in by_work.items():
        for job, result in zip(jobs, work(tx, [job.item for job in jobs]), strict=True):
            job.result = result


def _end(group: Sequence[_Job], error: Exception | None = None) -> None:
    for job in group:
        job.error = error
        job.is_waiting.release()
