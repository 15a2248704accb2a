"""Whose deliveries may be worked on now: none of a store that is left alone, and no more of one than it has room for.

Every store has as many threads of a worker as any other, so one that is slow or dead holds up its own deliveries and
nobody else's. What a call finds out about a store is kept in the database, for the other workers and for people.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from service.core.lifecycle import DeliveryState
from service.magento import MOST_PAUSE_SECONDS
from service.runtime import Runtime
from service.settings import Settings
from service.store import Claim, DeliverySummary, StorePause

_log = logging.getLogger("refundry.worker")


class Turns:
    """One process's; safe to share between threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        #: Deliveries in work, by store; "": of sources that are not configured any more.
        self._busy: Counter[str] = Counter()
        #: As of the last claim; whatever it says, a write looks again.
        self._pauses: Mapping[str, StorePause] = {}

    def claim(self, worker: str) -> Claim | None:
        """The oldest due delivery of a store that may be asked now, counted as in work until `carrying` ends."""
        service = self._runtime.settings.service
        now = self._runtime.clock()
        sources = sources_of(self._runtime.settings, self._closed(now))
        claim = self._runtime.store.inbox.claim(worker, now, service.lease_seconds, passing_over=sources)
        if claim is not None:
            with self._lock:
                self._busy[self._store_of(claim)] += 1
        return claim

    @contextmanager
    def carrying(self, claim: Claim) -> Iterator[None]:
        store = self._store_of(claim)
        try:
            yield
            self._tell(store, claim.worker)
        finally:
            with self._lock:
                self._busy[store] -= 1

    def _closed(self, now: datetime) -> set[str]:
        threads = self._runtime.settings.service.worker_threads
        self._pauses = self._runtime.store.pauses.all()
        closed = set(in_force(self._pauses, now))
        with self._lock:
            for name, magento in self._runtime.magento.items():
                if self._busy[name] >= min(threads, magento.room()):
                    closed.add(name)
        return closed

    def _store_of(self, claim: Claim) -> str:
        source = self._runtime.settings.sources.get(claim.delivery.source)
        return "" if source is None else source.store

    def _tell(self, store: str, worker: str) -> None:
        """Write down what this delivery's calls found out about its store."""
        magento = self._runtime.magento.get(store)
        if magento is None:
            return
        now, pauses = self._runtime.clock(), self._runtime.store.pauses
        mine, known = magento.pause, self._pauses.get(store)
        if mine is not None and (known is None or known.until < mine.until):
            pauses.set(store, mine.until, mine.reason, worker=worker, now=now)
            _log.warning("store left alone", extra={"store": store, "until": mine.until, "reason": mine.reason})
        elif mine is None and known is not None and known.until <= now:
            pauses.end(store, now)
            _log.info("store answers again", extra={"store": store})


def in_force(pauses: Mapping[str, StorePause], now: datetime) -> dict[str, StorePause]:
    """The pauses whose time is not over; one that is longer than any pause was written by a clock that ran ahead."""
    longest = timedelta(seconds=MOST_PAUSE_SECONDS)
    return {name: pause for name, pause in pauses.items() if timedelta(0) < pause.until - now <= longest}


def told_with_pause(runtime: Runtime, each: DeliverySummary, pauses: Mapping[str, StorePause]) -> str:
    """Why a delivery is as it is; one that could go on, but for its store, says so. `pauses`: those in force."""
    source = runtime.settings.sources.get(each.source)
    pause = pauses.get(source.store) if source is not None else None
    if pause is None or each.state not in (DeliveryState.RECEIVED, DeliveryState.WAITING):
        return each.reason
    return f"{pause_text(pause)}; before: {each.reason}" if each.reason else pause_text(pause)


def pause_text(pause: StorePause) -> str:
    return f"store {pause.store} is left alone until {pause.until:%H:%M:%S} UTC: {pause.reason}"


def sources_of(settings: Settings, stores: set[str]) -> set[str]:
    return {source.name for source in settings.sources.values() if source.store in stores}
