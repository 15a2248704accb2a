"""Whether it stays as fast with a million stored deliveries: intake, claims, list pages, restart, memory.

All rows are a backlog: received, due, each with its entry in the journal, and half of a return each on top, planned and
quiet but for the last ten that need a person. SQLite writes them by itself; keys are random, as senders' are.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import load, messages
from bench.intake import send_for
from bench.ours import SOURCE, Refundry, set_up
from bench.processes import Running, is_listening, wait_until
from service.core.lifecycle import DeliveryState
from service.core.returns import Ignored
from service.settings import load_settings
from service.sources import Limits, parse
from service.store import Store, open_store
from service.store.content import plain

_CLAIMS = 300
_PAGES = 20
_CONNECTIONS = 32

#: Of a stored body; the shortest that senders send.
BODY_BYTES = 500

_DELIVERIES = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO deliveries (source, delivery_key, body_sha256, body, headers, received_at, state, due_at, worker, fence,
    attempts, wake_asked, reason_code, reason, redeliveries)
SELECT :source, lower(hex(randomblob(16))), lower(hex(randomblob(32))), zeroblob(:bytes), '{}', :now - :last + i,
    'received', :now - :last + i, '', 0, 0, 0, '', '', 0 FROM n
"""
_JOURNAL = """
INSERT INTO journal (at, actor, what, text, data, delivery_id)
SELECT received_at, 'source ' || source, 'delivery.received', '500 bytes from ' || source, '{}', id
FROM deliveries WHERE id > :after
"""
_RETURNS = """
INSERT INTO returns (namespace, instance, store, source, return_key, order_key, order_increment_id, first_occurred_at,
    current_event_id, plan_verdict, needs_person, reason_code, reason, created_at, updated_at)
SELECT source, 'shop', 'main', source, delivery_key, '#' || id, CAST(id AS TEXT), received_at, id, 'refund', 0, '', '',
    received_at, received_at
FROM deliveries WHERE id > :after AND id % 2 = 0
"""
_EVENTS = """
INSERT INTO events (id, delivery_id, source, event_id, type, return_id, occurred_at, content)
SELECT r.current_event_id, r.current_event_id, r.source, r.return_key, 'return.approved', r.id,
    r.first_occurred_at, :content
FROM returns r WHERE r.current_event_id > :after
"""
_WAITING = "UPDATE returns SET needs_person = id IN (SELECT id FROM returns ORDER BY id LIMIT 10)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One curve's value at so many stored deliveries."""

    curve: str
    rows: int
    value: float


def measure(folder: Path, sizes: tuple[int, ...], *, seconds: float) -> Iterator[Point]:
    """The curves' points, size by size in one growing database."""
    ours = set_up(folder)
    file = folder / "refundry.db"
    stored = 0
    for rows in sizes:
        began = time.perf_counter()
        _fill(ours, stored, rows)
        stored = rows
        yield Point(
            curve="rows written by SQLite alone, per second", rows=rows, value=rows / (time.perf_counter() - began)
        )
        yield Point(curve="database, MB", rows=rows, value=file.stat().st_size / 1e6)
        for name, value in (*_of_store(ours), *_of_processes(ours, seconds)):
            yield Point(curve=name, rows=rows, value=value)


def _fill(ours: Refundry, before: int, rows: int) -> None:
    file = ours.folder / "refundry.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in ("synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        (after,) = connection.execute("SELECT coalesce(max(id), 0) FROM deliveries").fetchone()
        now = time.time_ns() // 1000
        given = {"first": before + 1, "last": rows, "source": SOURCE, "bytes": BODY_BYTES, "now": now, "after": after}
        given["content"] = _content(ours)
        connection.execute("BEGIN")
        for statement in (_DELIVERIES, _JOURNAL, _RETURNS, _EVENTS):
            connection.execute(statement, {name: given[name] for name in given if f":{name}" in statement})
        connection.execute(_WAITING)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _content(ours: Refundry) -> str:
    """One event as the store keeps it; the returns differ by their keys alone."""
    source = load_settings(ours.folder / "config", ours.environ).sources[SOURCE]
    events = parse(source, messages.body_of("scale"), (), Limits())
    assert not isinstance(events, Ignored), events
    return json.dumps(plain(events[0]))


def _of_store(ours: Refundry) -> Iterator[tuple[str, float]]:
    """In this process, by the store's own methods: milliseconds."""
    store = open_store(ours.database_url)
    try:
        yield from _claims(store)
        yield from _pages(store)
    finally:
        store.close()


def _claims(store: Store) -> Iterator[tuple[str, float]]:
    taken = []
    for _ in range(_CLAIMS):
        now = datetime.now(UTC)
        began = time.perf_counter()
        claim = store.inbox.claim("bench", now, 300)
        taken.append(time.perf_counter() - began)
        assert claim is not None, "the backlog is due"
        store.inbox.finish(claim, DeliveryState.IGNORED, now, reason_code="bench", reason="measured")
    yield "claim, p50 ms", load.percentile(taken, 50) * 1000
    yield "claim, p99 ms", load.percentile(taken, 99) * 1000


def _pages(store: Store) -> Iterator[tuple[str, float]]:
    newest = store.inbox.list(limit=1)[0].id
    pages: dict[str, Callable[[], object]] = {
        "list deliveries, ms": store.inbox.list,
        "list deliveries in the middle, ms": lambda: store.inbox.list(before=newest // 2),
        "list quarantine (none), ms": lambda: store.inbox.list(state=DeliveryState.UNREADABLE),
        "list returns, ms": store.returns.list,
        "list returns --needs-person, ms": lambda: store.returns.list(needs_person=True),
        "oldest due (readyz), ms": lambda: store.inbox.oldest_due(datetime.now(UTC)),
    }
    for name, read in pages.items():
        yield name, _median_ms(read)


def _median_ms(read: Callable[[], object]) -> float:
    taken = []
    for _ in range(_PAGES):
        began = time.perf_counter()
        read()
        taken.append((time.perf_counter() - began) * 1000)
        if sum(taken) > 3000:  # it is slow enough to tell
            break
    return load.percentile(taken, 50)


def _of_processes(ours: Refundry, seconds: float) -> Iterator[tuple[str, float]]:
    """Of a service that was just started: until the first answer and claim, then its intake and memory."""
    named = messages.names(f"scale{time.time_ns()}")
    began = time.perf_counter()
    web, worker = ours.start_web(waits=False), ours.start_worker()
    try:
        yield "restart until the first 202, s", _first_answer(ours.port, named, web, began)
        yield "restart until the first claim, s", _first_claim(ours, worker, began)
        yield "worker, resident MB", max(worker.resident_bytes()) / 1e6
        worker.stop()
        sent = send_for(ours.port, named, seconds=seconds, connections=_CONNECTIONS)
        yield "intake, acknowledged/s", sent.rate
        yield "intake, p99 ms", sent.percentile_ms(99)
        master, *others = sorted(web.resident_bytes())
        yield "web master, resident MB", master / 1e6
        yield "web process, resident MB", max(others) / 1e6
    finally:
        worker.stop()
        web.stop()


def _first_answer(port: int, named: Iterator[str], web: Running, began: float) -> float:
    wait_until(lambda: is_listening(port), "the web does not listen", process=web)
    sent = load.send(port, messages.requests(named, 1, path=f"/webhooks/{SOURCE}"), connections=1)
    assert sent.acknowledged == 1, f"the first delivery was answered {sent.statuses}"
    return time.perf_counter() - began


def _first_claim(ours: Refundry, worker: Running, began: float) -> float:
    del ours
    wait_until(lambda: b"delivery carried" in worker.log.read_bytes(), "no claim", process=worker)
    return time.perf_counter() - began
