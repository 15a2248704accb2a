"""Stores that are left alone, as the workers tell each other, and claims that pass their deliveries over."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import create_engine

from service.store import migrate
from service.store.inbox import _CLAIM, _NEXT_BY_SOURCE
from tests.store.examples import LEASE_SECONDS, NOW, at, delivery


def pause(store, until, *, reason="it answered 503", name="main", now=NOW):
    store.pauses.set(name, until, reason, worker="worker-1", now=now)


def claim(store, now=NOW, **passing_over):
    claimed = store.inbox.claim("worker-1", now, LEASE_SECONDS, **passing_over)
    return claimed and claimed.delivery.delivery_key


def test_a_pause_is_known_to_all(store):
    pause(store, at(60))

    known = store.pauses.all()["main"]

    assert (known.until, known.reason, known.worker, known.set_at) == (at(60), "it answered 503", "worker-1", NOW)


@pytest.mark.parametrize(("second", "kept"), [(30, 60), (60, 60), (90, 90)])
def test_the_longer_of_two_pauses_stands(store, second, kept):
    pause(store, at(60))
    pause(store, at(second))

    assert store.pauses.all()["main"].until == at(kept)


def test_a_pause_ends_when_its_time_is_over_and_somebody_was_answered(store):
    pause(store, at(60))
    store.pauses.end("main", at(59))
    during = list(store.pauses.all())
    store.pauses.end("main", at(60))

    assert (during, store.pauses.all()) == (["main"], {})


def test_the_journal_has_each_pause_once_with_its_end(store):
    pause(store, at(60))
    pause(store, at(120))
    store.pauses.end("main", at(120))
    store.pauses.end("main", at(130))

    said = [(entry.what, entry.text) for entry in store.journal.of()]
    assert said == [
        ("store.paused", "store main is left alone: it answered 503"),
        ("store.answers", "store main answers again"),
    ]


# --- passing over -----------------------------------------------------------------------------------------------------


def test_deliveries_of_a_source_that_is_passed_over_wait_and_the_next_are_claimed(store):
    store.inbox.receive(delivery("a1", source="a"))
    store.inbox.receive(delivery("b1", source="b", received_at=at(1)))

    claimed = [claim(store, at(2), passing_over={"a"}) for _ in range(2)]

    assert claimed == ["b1", None]
    assert claim(store, at(2)) == "a1"


def test_the_oldest_of_all_sources_comes_first(store):
    for key, source, seconds in (("b2", "b", 2), ("a3", "a", 3), ("c1", "c", 1), ("b4", "b", 4)):
        store.inbox.receive(delivery(key, source=source, received_at=at(seconds)))

    assert [claim(store, at(5)) for _ in range(5)] == ["c1", "b2", "a3", "b4", None]


def test_what_is_not_due_or_claimed_already_does_not_hide_another_source_s(store):
    store.inbox.receive(delivery("a1", source="a"))
    claim(store)
    store.inbox.receive(delivery("a9", source="a", received_at=at(9)))
    store.inbox.receive(delivery("b2", source="b", received_at=at(2)))

    assert [claim(store, at(3)), claim(store, at(3))] == ["b2", None]


def test_the_oldest_due_is_told_without_what_is_passed_over(store):
    store.inbox.receive(delivery("a1", source="a", received_at=at(1)))
    store.inbox.receive(delivery("b2", source="b", received_at=at(2)))

    assert store.inbox.oldest_due(at(5)) == at(1)
    assert store.inbox.oldest_due(at(5), passing_over={"a"}) == at(2)
    assert store.inbox.oldest_due(at(5), passing_over={"a", "b"}) is None
    assert store.inbox.oldest_due(NOW) is None


@pytest.mark.parametrize("statement", [_NEXT_BY_SOURCE, _CLAIM], ids=["the next of each source", "a claim"])
def test_a_backlog_is_passed_over_by_the_index_and_never_looked_at_or_sorted(tmp_path, statement):
    migrate(f"sqlite:///{tmp_path}/refundry.db")
    compiled = statement.compiled(create_engine("sqlite://").dialect)
    with closing(sqlite3.connect(f"{tmp_path}/refundry.db")) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", [0] * len(compiled.order))]

    on_deliveries = [step for step in plan if "deliveries" in step and "INTEGER PRIMARY KEY" not in step]
    assert on_deliveries
    assert all("INDEX ix_deliveries_due_of_source" in step for step in on_deliveries)
    assert not [step for step in plan if "TEMP B-TREE" in step]
