"""Where the way of a webhook leaves the process, and what can go wrong there: two tables, and their gaps.

Every boundary × every fault is either applied or listed with the reason why it cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    DOOR = "a sender's request"
    PURE = "our own work"
    COMMIT = "a transaction"
    LOOK = "a look into the database"
    READ = "a read from Magento"
    SIGN_IN = "signing in to Magento"
    REFUND = "the refund call"
    EMAIL = "the call for an e-mail"
    TELL = "telling people"


@dataclass(frozen=True, kw_only=True, slots=True)
class Boundary:
    name: str
    kind: Kind
    #: Where in the product: a method of the store, or a request as "METHOD path".
    place: str
    #: Whether it lies before the refund call on the way of a webhook.
    precedes_call: bool
    #: Only where money goes through a gateway.
    online_only: bool = False
    #: Only passed after something went wrong: no single fault can be the first thing that happens there.
    is_detour: bool = False


def _before(name: str, kind: Kind, place: str, *, online_only: bool = False) -> Boundary:
    return Boundary(name=name, kind=kind, place=place, precedes_call=True, online_only=online_only)


def _after(name: str, kind: Kind, place: str, *, online_only: bool = False, is_detour: bool = False) -> Boundary:
    return Boundary(
        name=name, kind=kind, place=place, precedes_call=False, online_only=online_only, is_detour=is_detour
    )


#: In the order in which a webhook passes them.
BOUNDARIES: tuple[Boundary, ...] = (
    _before("receive", Kind.DOOR, "webhook"),
    _before("verify", Kind.PURE, "clock of receive"),
    _before("insert", Kind.COMMIT, "Inbox.receive"),
    _before("acknowledge", Kind.DOOR, "answer"),
    _before("claim", Kind.COMMIT, "Inbox.claim"),
    _before("freeze", Kind.COMMIT, "Returns.frozen_namespace"),
    _before("record", Kind.COMMIT, "Returns.record_event"),
    _before("look", Kind.LOOK, "any read transaction"),
    _before("slot", Kind.COMMIT, "Refunds.take_slot"),
    _before("sign in", Kind.SIGN_IN, "POST /integration/admin/token"),
    _before("read order", Kind.READ, "GET /orders"),
    _before("bind order", Kind.COMMIT, "Refunds.bind_order"),
    _before("read invoices", Kind.READ, "GET /invoices", online_only=True),
    _before("read memos", Kind.READ, "GET /creditmemos"),
    _before("plan", Kind.COMMIT, "Returns.save_plan"),
    _before("extend lease", Kind.COMMIT, "Inbox.extend"),
    _before("sending", Kind.COMMIT, "Refunds.mark_sending"),
    _after("refund", Kind.REFUND, "POST /refund"),
    _after("evidence", Kind.COMMIT, "Refunds.record_answer"),
    _after("outcome", Kind.COMMIT, "Refunds.mark_done"),
    _after("read back", Kind.READ, "GET /creditmemo"),
    _after("receipt", Kind.COMMIT, "Refunds.save_receipt"),
    _after("ask e-mail", Kind.COMMIT, "Refunds.set_email_state", online_only=True),
    _after("e-mail", Kind.EMAIL, "POST /emails", online_only=True),
    _after("notify", Kind.TELL, "Notifier.refunded"),
    _after("flag", Kind.COMMIT, "Returns.flag", is_detour=True),
    _after("finish", Kind.COMMIT, "Inbox.finish"),
    _after("claim look", Kind.COMMIT, "Checks.claim"),
    _after("finish look", Kind.COMMIT, "Checks.finish"),
)

#: Other transactions of the store that can be met: the name of the boundary whose place they take.
ALIASES = {
    "Refunds.mark_refused": "outcome",
    "Refunds.mark_not_sent": "outcome",
    "Refunds.mark_unknown": "outcome",
    "Refunds.mark_resend": "outcome",
    "Refunds.flag": "flag",
    "Refusals.count": "insert",
    "Refunds.release": "flag",
    "Pauses.set": "flag",
    "Pauses.end": "flag",
    "Checks.postpone": "finish look",
    "Checks.alarm": "finish look",
}

_BY_NAME = {boundary.name: boundary for boundary in BOUNDARIES}
_BY_PLACE = {boundary.place: boundary for boundary in BOUNDARIES}
_BY_PLACE |= {place: _BY_NAME[name] for place, name in ALIASES.items()}


def boundary_named(name: str) -> Boundary:
    return _BY_NAME[name]


def boundary_at(place: str) -> Boundary:
    """A transaction that no row names is a gap in the table, and fails whoever meets it."""
    if place not in _BY_PLACE:
        raise LookupError(f"{place} is no boundary: give it a row in BOUNDARIES or ALIASES")
    return _BY_PLACE[place]


class Fault(StrEnum):
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    CRASH_AMID = "crash amid"
    TIMEOUT_BEFORE = "time-out before"
    TIMEOUT_AFTER = "time-out after"
    TIMEOUT_AMID = "time-out amid"
    REFUSED = "connection refused"
    RESET_BEFORE = "reset before"
    RESET_AFTER = "reset after"
    S400 = "400"
    S401 = "401"
    S403 = "403"
    S404 = "404"
    S409 = "409"
    S429 = "429"
    S500_BEFORE = "500 before"
    S500_AFTER = "500 after"
    S502_BEFORE = "502 before"
    S502_AFTER = "502 after"
    BAD_JSON = "bad JSON"
    HTML = "a page with 200"
    TRUNCATED = "truncated"
    PAID_400 = "paid, rolled back, 400"
    PAID_500 = "paid, rolled back, 500"
    PAID_LOST = "paid, rolled back, no answer"
    SLOW = "slower than the lease"
    PAUSED = "paused past the lease"
    BUSY = "database busy"
    DISK_FULL = "disk full"
    CLOCK_FORWARD = "clock an hour on"
    CLOCK_BACK = "clock an hour back"


#: In words, for the report.
MEANINGS = {
    Fault.CRASH_BEFORE: "the process dies; nothing of it has happened, an open transaction is rolled back",
    Fault.CRASH_AFTER: "the process dies; all of it has happened",
    Fault.CRASH_AMID: "the process dies while Magento works, and Magento goes on",
    Fault.TIMEOUT_BEFORE: "no answer in time; nothing has happened",
    Fault.TIMEOUT_AFTER: "no answer in time; it had happened",
    Fault.TIMEOUT_AMID: "no answer in time, and Magento does it later, after the lease and within settle_seconds",
    Fault.REFUSED: "no connection is made",
    Fault.RESET_BEFORE: "the connection breaks; nothing has happened",
    Fault.RESET_AFTER: "the connection breaks; it had happened",
    Fault.PAID_400: "the gateway has paid, Magento fails to save its memo and says so with its usual text",
    Fault.PAID_500: "the gateway has paid, Magento fails to save its memo, and a 500 is all that is said",
    Fault.PAID_LOST: "the gateway has paid, Magento fails to save its memo, and the connection breaks",
    Fault.SLOW: "it takes longer than the lease and succeeds, while others go on",
    Fault.PAUSED: "our machine stands still before the first byte until the lease is over, and then sends",
    Fault.BUSY: "no turn to write in time",
    Fault.DISK_FULL: "the transaction cannot be written, or the database not be read",
    Fault.CLOCK_FORWARD: "the clock of all our processes is put on by an hour",
    Fault.CLOCK_BACK: "the clock of all our processes is put back by an hour",
}

_CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
_CLOCKS = (Fault.CLOCK_FORWARD, Fault.CLOCK_BACK)
_DATABASE = (Fault.BUSY, Fault.DISK_FULL)
_LOST_BEFORE = (Fault.TIMEOUT_BEFORE, Fault.REFUSED, Fault.RESET_BEFORE)
_SAID_BEFORE = (
    Fault.S400,
    Fault.S401,
    Fault.S403,
    Fault.S404,
    Fault.S409,
    Fault.S429,
    Fault.S500_BEFORE,
    Fault.S502_BEFORE,
)
_SPOILT = (Fault.BAD_JSON, Fault.HTML, Fault.TRUNCATED)
_AFTER_EFFECT = (Fault.TIMEOUT_AFTER, Fault.RESET_AFTER, Fault.S500_AFTER, Fault.S502_AFTER)

#: The gateway's payment is not undone with Magento's transaction. Source: recordings/concurrent-identical-online.json.
PAID_ROLLED_BACK = (Fault.PAID_400, Fault.PAID_500, Fault.PAID_LOST)
_HTTP = (*_CRASHES, *_LOST_BEFORE, *_SAID_BEFORE, *_SPOILT, Fault.SLOW, *_CLOCKS)

APPLICABLE: dict[Kind, tuple[Fault, ...]] = {
    Kind.DOOR: (*_CRASHES, Fault.TIMEOUT_BEFORE, Fault.RESET_BEFORE, Fault.SLOW, *_CLOCKS),
    Kind.PURE: (Fault.CRASH_BEFORE, Fault.SLOW, *_CLOCKS),
    Kind.COMMIT: (*_CRASHES, *_DATABASE, Fault.SLOW, *_CLOCKS),
    Kind.LOOK: (*_CRASHES, Fault.DISK_FULL, Fault.SLOW, *_CLOCKS),
    Kind.READ: _HTTP,
    Kind.SIGN_IN: _HTTP,
    Kind.REFUND: (*_HTTP, *_AFTER_EFFECT, *PAID_ROLLED_BACK, Fault.TIMEOUT_AMID, Fault.CRASH_AMID, Fault.PAUSED),
    Kind.EMAIL: (*_HTTP, *_AFTER_EFFECT),
    Kind.TELL: (*_CRASHES, Fault.SLOW, *_CLOCKS),
}

_DETOUR = "passed only after something else went wrong: met as the second of a pair, and in schedules"
_NO_EFFECT = "has no effect that could have happened before the answer was lost: the same as `before`"
_NOT_HTTP = "no HTTP request is made there"
_NO_DATABASE = "the database is not touched there"

#: Why a fault cannot happen at a kind of boundary; `_reason` asks for the first row that holds.
_REASONS: tuple[tuple[tuple[Kind, ...], tuple[Fault, ...], str], ...] = (
    ((Kind.READ, Kind.SIGN_IN), (*_AFTER_EFFECT, Fault.TIMEOUT_AMID, Fault.CRASH_AMID), f"it {_NO_EFFECT}"),
    ((Kind.EMAIL,), (Fault.TIMEOUT_AMID, Fault.CRASH_AMID), "an e-mail is asked for once, whatever comes of it"),
    (
        (Kind.DOOR,),
        (Fault.TIMEOUT_AFTER, Fault.RESET_AFTER, Fault.TIMEOUT_AMID, Fault.CRASH_AMID),
        "`acknowledge` is the same moment seen from the other side: stored, and the sender does not hear it",
    ),
    ((Kind.DOOR,), (*_SAID_BEFORE, *_SPOILT, Fault.S500_AFTER, Fault.S502_AFTER), "it is we who answer there"),
    ((Kind.DOOR,), (Fault.REFUSED,), "we are not there: the sender comes again, as after `reset before`"),
    ((Kind.PURE,), (Fault.CRASH_AFTER,), "the same moment as a crash before `insert`"),
    ((Kind.COMMIT, Kind.LOOK, Kind.PURE, Kind.TELL), (*_LOST_BEFORE, *_SAID_BEFORE, *_SPOILT), _NOT_HTTP),
    (
        (Kind.COMMIT, Kind.LOOK, Kind.PURE, Kind.TELL),
        (*_AFTER_EFFECT, Fault.TIMEOUT_AMID, Fault.CRASH_AMID),
        _NOT_HTTP,
    ),
    (tuple(kind for kind in Kind if kind is not Kind.REFUND), PAID_ROLLED_BACK, "only a refund reaches the gateway"),
    (tuple(kind for kind in Kind if kind is not Kind.REFUND), (Fault.PAUSED,), f"as `{Fault.SLOW}`: nothing is sent"),
    ((Kind.LOOK,), (Fault.BUSY,), "readers never wait for writers (WAL)"),
    ((Kind.DOOR, Kind.PURE, Kind.READ, Kind.SIGN_IN, Kind.REFUND, Kind.EMAIL, Kind.TELL), _DATABASE, _NO_DATABASE),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Strike:
    """One fault at the first passage of a boundary."""

    boundary: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.boundary}: {self.fault}"


def applicable(*, online: bool, detours: bool = False) -> Iterator[Strike]:
    for boundary in BOUNDARIES:
        if (online or not boundary.online_only) and (detours or not boundary.is_detour):
            faults = APPLICABLE[boundary.kind]
            yield from (
                Strike(boundary=boundary.name, fault=fault)
                for fault in faults
                if online or fault not in PAID_ROLLED_BACK
            )


def inapplicable() -> Iterator[tuple[Strike, str]]:
    """What is not tried, each with its reason; LookupError where nobody has given one."""
    for boundary in BOUNDARIES:
        for fault in Fault:
            if boundary.is_detour and fault in APPLICABLE[boundary.kind]:
                yield Strike(boundary=boundary.name, fault=fault), _DETOUR
            if fault not in APPLICABLE[boundary.kind]:
                yield Strike(boundary=boundary.name, fault=fault), _reason(boundary.kind, fault)


def _reason(kind: Kind, fault: Fault) -> str:
    for kinds, faults, reason in _REASONS:
        if kind in kinds and fault in faults:
            return reason
    raise LookupError(f"why can '{fault}' not happen at {kind}? Give the reason in _REASONS, or apply it")
