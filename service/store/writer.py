"""Group commit: many threads hand over their work, one thread commits it together, and each caller waits for that.

A commit costs a flush of the disk whatever it holds. The transaction begins before the queue is drained, so whoever
arrives while another process has its turn rides along.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from service.errors import StoreUnavailable
from service.store.statements import Transaction

_Result = TypeVar("_Result")

#: Bounds how long one transaction keeps other writers waiting; far more than threads that can wait at once.
_MOST_AT_ONCE = 256


class GroupWriter:
    """One process's queue of small writes. The thread starts with the first of them."""

    def __init__(self, write: Callable[[], AbstractContextManager[Transaction]], *, patience_seconds: float) -> None:
        self._write = write
        self._patience_seconds = patience_seconds
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[Transaction], _Result]) -> _Result:
        """`work`'s result, once committed. StoreUnavailable when that takes too long: it may still happen, unheard."""
        job = _Job(work)
        self._start()
        self._queue.put(job)
        try:
            return job.result.result(timeout=self._patience_seconds)
        except TimeoutError:
            job.result.cancel()
            raise StoreUnavailable(f"nothing could be committed within {self._patience_seconds} s") from None

    def close(self) -> None:
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                self._queue.put(None)
                self._thread.join(timeout=self._patience_seconds)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            if first.result.set_running_or_notify_cancel():
                self._commit(first)

    def _commit(self, first: _Job[Any]) -> None:
        group = [first]
        try:
            with self._write() as tx:
                group += self._waiting()
                results = [job.work(tx) for job in group]
        except StoreUnavailable as error:
            _fail(group, error)
        except Exception:  # noqa: BLE001 -- one caller's bad row must not cost the others theirs, nor stop the thread
            for job in group:
                self._commit_alone(job)
        else:
            for job, result in zip(group, results, strict=True):
                job.result.set_result(result)

    def _commit_alone(self, job: _Job[Any]) -> None:
        try:
            with self._write() as tx:
                result = job.work(tx)
        except Exception as error:  # noqa: BLE001 -- raised in the caller's thread, where it belongs
            _fail([job], error)
        else:
            job.result.set_result(result)

    def _waiting(self) -> list[_Job[Any]]:
        jobs: list[_Job[Any]] = []
        while len(jobs) < _MOST_AT_ONCE:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            if job.result.set_running_or_notify_cancel():
                jobs.append(job)
        return jobs


class _Job(Generic[_Result]):
    def __init__(self, work: Callable[[Transaction], _Result]) -> None:
        self.work = work
        self.result: Future[_Result] = Future()


def _fail(jobs: list[_Job[Any]], error: Exception) -> None:
    for job in jobs:
        job.result.set_exception(error)
