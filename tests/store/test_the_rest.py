"""Keys, switches, refusals, heartbeats and the journal."""

import hashlib

import pytest

from service.errors import BadRequest, Conflict, NotFound
from tests.store.beside import scalar_of
from tests.store.examples import NOW, at

SECRET = bytes(range(32))


def test_a_key_opens_with_its_token_until_it_is_revoked(store):
    token = store.keys.create("ci", ("read", "act"), SECRET, NOW)

    key = store.keys.check(token, at(1))
    assert (key.name, key.scopes, key.revoked_at) == ("ci", ("read", "act"), None)
    store.keys.revoke("ci", at(2))

    assert store.keys.check(token, at(3)) is None
    assert store.keys.all()[0].revoked_at == at(2)


@pytest.mark.parametrize("wrong", ["", "rfd_", "rfd_x", "nonsense", "\u00e9"])
def test_a_wrong_token_opens_nothing(store, wrong):
    store.keys.create("ci", ("read",), SECRET, NOW)

    assert store.keys.check(wrong, NOW) is None


def test_the_database_holds_a_digest_and_not_the_token(store):
    token = store.keys.create("ci", ("read",), SECRET, NOW)

    with store.database.read() as tx:
        assert scalar_of(tx, "SELECT key_hash FROM api_keys") == hashlib.sha256(token.encode()).hexdigest()


def test_use_is_noted_to_the_minute(store):
    token = store.keys.create("ci", ("read",), SECRET, NOW)

    for second in (0, 30, 59, 60):
        store.keys.check(token, at(second))

    assert store.keys.all()[0].last_used_at == at(60)


def test_a_name_is_used_once_and_a_short_secret_never(store):
    store.keys.create("ci", ("read",), SECRET, NOW)

    with pytest.raises(Conflict, match="'ci' already"):
        store.keys.create("ci", ("read",), SECRET[::-1], NOW)
    with pytest.raises(ValueError, match="31 bytes"):
        store.keys.create("other", ("read",), SECRET[:31], NOW)


def test_revoking_what_is_not_in_use_is_said(store):
    with pytest.raises(NotFound, match="'ci'"):
        store.keys.revoke("ci", NOW)


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        ("all", True),
        ("store:main", True),
        ("source:warehouse", True),
        ("store:warehouse", False),
        ("source:main", False),
    ],
)
def test_a_switch_stops_its_scope_and_no_other(store, scope, stopped):
    assert store.switches.stopped_for("main", "warehouse") is None

    store.switches.stop(scope, "Ada", "stock count", NOW)

    switch = store.switches.stopped_for("main", "warehouse")
    assert (switch is not None) == stopped
    assert store.switches.all()[0].scope == scope


def test_going_on_takes_back_exactly_one_stop(store):
    store.switches.stop("all", "Ada", "stock count", NOW)
    store.switches.stop("store:main", "Ada", "moving", NOW)

    assert store.switches.go("all", "Bo", at(1))
    assert not store.switches.go("all", "Bo", at(2))

    assert store.switches.stopped_for("main", "warehouse").scope == "store:main"
    assert [(each.what, each.actor) for each in store.journal.of()] == [
        ("switch.stopped", "Ada"),
        ("switch.stopped", "Ada"),
        ("switch.started", "Bo"),
    ]


def test_stopping_again_gives_the_new_reason(store):
    store.switches.stop("all", "Ada", "stock count", NOW)
    store.switches.stop("all", "Bo", "fire drill", at(1))

    (switch,) = store.switches.all()
    assert (switch.actor, switch.reason, switch.stopped_at) == ("Bo", "fire drill", at(1))


@pytest.mark.parametrize("scope", ["", "everything", "store:", "shop:main"])
def test_a_scope_that_is_none_is_refused(store, scope):
    with pytest.raises(BadRequest, match="store:NAME"):
        store.switches.stop(scope, "Ada", "", NOW)
    with pytest.raises(BadRequest):
        store.switches.go(scope, "Ada", NOW)


def test_refusals_are_counted_for_good_and_the_last_ones_shown(store):
    for number in range(205):
        store.refusals.count("warehouse", 401, f"refusal {number}", 10, at(number))
    store.refusals.count("warehouse", 413, "too large", 2_000_000, at(205))

    recent = store.refusals.recent()
    assert len(recent) == 200
    assert (recent[0].reason, recent[0].size_bytes, recent[0].at) == ("too large", 2_000_000, at(205))
    assert recent[-1].reason == "refusal 6"
    assert [(each.source, each.status, each.count) for each in store.refusals.counts()] == [
        ("warehouse", 401, 205),
        ("warehouse", 413, 1),
    ]
    assert len(store.refusals.recent(limit=3)) == 3


def test_a_check_of_health_is_no_worker_s_heartbeat(store):
    store.health(NOW)
    assert store.last_beat() is None

    store.beat("w1", at(1))
    store.beat("w2", at(2))
    store.beat("w1", at(3))

    assert [(beat.worker, beat.at) for beat in store.beats()] == [("w1", at(3)), ("w2", at(2))]
    assert store.last_beat() == at(3)


def test_the_journal_keeps_what_no_table_does(store):
    store.journal.add(now=NOW, actor="Ada", what="reconcile.accepted", text="3 unknown markers", data={"store": "main"})

    (entry,) = store.journal.of()
    assert (entry.at, entry.actor, entry.what) == (NOW, "Ada", "reconcile.accepted")
    assert (entry.text, entry.data, entry.return_id) == ("3 unknown markers", {"store": "main"}, None)


def test_the_journal_s_newest_entries_come_in_order(store):
    for number in range(5):
        store.journal.add(now=at(number), actor="Ada", what="x", text=str(number), return_id=1)
    store.journal.add(now=NOW, actor="Ada", what="x", text="of another", return_id=2)

    assert [entry.text for entry in store.journal.of(return_id=1, limit=3)] == ["2", "3", "4"]
