"""What can go wrong between a client and Magento, on purpose: rules that drop, delay, replace or spoil answers.

What matters to a client is whether the effect happened, so every kind says it: `lost-before` and `lost-after` look the
same on the wire and differ by a payment.

One line of text is one rule, `METHOD PATH KIND [key=value …]`:

    POST */refund lost-after times=1
    GET * latency seconds=0.5
    POST */refund 500-after after=2 times=1
    * * maintenance retry-after=30

A rule never touches the sandbox's own `/sandbox/…` addresses, so that it can always be lifted again.
Source: recordings/gateway-slow-client-timeout.json, gateway-decline.json, malformed-requests.json.
"""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol

from service.sandbox.http import JSON, Answer, ConnectionDropped, Request

Call = Callable[[Request], Answer]


class Kind(StrEnum):
    LATENCY = "latency"
    SLOW_GATEWAY = "slow-gateway"
    DECLINE = "decline"
    PAID_ROLLED_BACK = "paid-rolled-back"
    LOST_BEFORE = "lost-before"
    LOST_AFTER = "lost-after"
    STATUS_BEFORE = "status-before"
    STATUS_AFTER = "status-after"
    HTML_200_AFTER = "html-200-after"
    TRUNCATED = "truncated"
    MAINTENANCE = "maintenance"


#: What each kind does, for people; `refundry sandbox --help` and an unknown kind's error print it.
MEANINGS = {
    Kind.LATENCY: "waits `seconds`, then goes on as usual",
    Kind.SLOW_GATEWAY: "the payment gateway takes `seconds`",
    Kind.DECLINE: "the payment gateway declines",
    Kind.PAID_ROLLED_BACK: "the payment gateway pays, then Magento fails to save: no memo, and a 400",
    Kind.LOST_BEFORE: "the connection drops, nothing has happened",
    Kind.LOST_AFTER: "the connection drops without an answer, everything has happened",
    Kind.STATUS_BEFORE: "answers with `status`, nothing has happened; short: 503-before, 429, 401, 403",
    Kind.STATUS_AFTER: "answers with `status`, everything has happened; short: 500-after, 502-after",
    Kind.HTML_200_AFTER: "everything has happened, the answer is an HTML page with status 200",
    Kind.TRUNCATED: "everything has happened, half of the answer's body is sent",
    Kind.MAINTENANCE: "503 and an HTML page, until the rule is lifted",
}

#: These change how a request is served; the others decide what is answered, and the first of those wins.
_SETTINGS = (Kind.LATENCY, Kind.SLOW_GATEWAY, Kind.DECLINE, Kind.PAID_ROLLED_BACK)
_NEEDS_SECONDS = (Kind.LATENCY, Kind.SLOW_GATEWAY)
_NEEDS_STATUS = (Kind.STATUS_BEFORE, Kind.STATUS_AFTER)

_HTML = "text/html; charset=UTF-8"


class BadFaultError(ValueError):
    """A fault rule that cannot be understood; the message says which part and what would do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One rule. `path` is a shell pattern over the path without its query; `after` lets that many pass first."""

    kind: Kind
    method: str = "*"
    path: str = "*"
    #: How often it strikes; None: always.
    times: int | None = None
    after: int = 0
    #: Only requests about this order, by increment_id. Empty: any.
    order: str = ""
    seconds: float = 0.0
    status: int = 0
    body: str | None = None
    retry_after: int | None = None

    def __post_init__(self) -> None:
        if self.kind in _NEEDS_SECONDS and self.seconds <= 0:
            raise BadFaultError(f"{self.kind} needs seconds greater than 0, e.g. seconds=1.5")
        if self.kind in _NEEDS_STATUS and not 200 <= self.status <= 599:
            raise BadFaultError(f"{self.kind} needs a status from 200 to 599, e.g. status=500")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise BadFaultError(f"times={self.times} after={self.after}: times is 1 or more, after 0 or more")

    def to_document(self) -> dict[str, object]:
        """The rule as `POST /sandbox/faults` takes it, defaults left out."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        defaults = {f.name: f.default for f in fields(self)}
        return {name: value for name, value in said.items() if value != defaults[name]}


def parse_fault(text: str) -> Fault:
    """A rule from one line of text, as on the command line."""
    try:
        words = shlex.split(text)
    except ValueError as unclosed:
        raise BadFaultError(f"fault {text!r}: {unclosed}; quotes come in pairs") from None
    if len(words) < 3:
        raise BadFaultError(
            f"fault {text!r}: write METHOD PATH KIND [key=value …], e.g. 'POST */refund lost-after times=1'"
        )
    method, path, kind, *pairs = words
    if without_value := next((pair for pair in pairs if "=" not in pair), None):
        raise BadFaultError(f"fault {text!r}: {without_value!r} is no key=value")
    said = dict(pair.split("=", 1) for pair in pairs)
    return read_fault({"method": method, "path": path, "kind": kind, **said})


def read_fault(document: Mapping[str, object]) -> Fault:
    """A rule from its JSON form. Numbers may be strings; `retry-after` and `retry_after` are the same key."""
    said = {key.replace("-", "_"): value for key, value in document.items()}
    if unknown := sorted(said.keys() - _READERS.keys()):
        raise BadFaultError(f"fault key {unknown[0]!r} is none of {', '.join(_READERS)}")
    if "kind" not in said:
        raise BadFaultError(f"a fault needs a kind, one of {', '.join(Kind)}")
    kind, status = _read_kind(str(said.pop("kind")))
    values = {key: _READERS[key](key, value) for key, value in said.items() if value is not None}
    if status:
        values["status"] = status
    return Fault(kind=kind, **values)  # type: ignore[arg-type]  # each value comes from its field's own reader


def _read_kind(word: str) -> tuple[Kind, int]:
    """`500-after` is short for status-after with status 500; without -before or -after nothing has happened."""
    number, _, moment = word.partition("-")
    if number.isdigit() and moment in {"", "before", "after"}:
        return (Kind.STATUS_AFTER if moment == "after" else Kind.STATUS_BEFORE), int(number)
    try:
        return Kind(word), 0
    except ValueError:
        known = "\n".join(f"  {kind}: {meaning}" for kind, meaning in MEANINGS.items())
        raise BadFaultError(f"fault kind {word!r} is none of\n{known}") from None


def _read_whole_number(key: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise BadFaultError(f"fault {key}={value!r}: a whole number is wanted") from None


def _read_seconds(key: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise BadFaultError(f"fault {key}={value!r}: a number of seconds is wanted, e.g. 1.5") from None


def _read_text(_key: str, value: object) -> str:
    return str(value)


def _read_method(_key: str, value: object) -> str:
    return str(value).upper()


_READERS: dict[str, Callable[[str, object], object]] = {
    "kind": _read_text,
    "method": _read_method,
    "path": _read_text,
    "times": _read_whole_number,
    "after": _read_whole_number,
    "order": _read_text,
    "seconds": _read_seconds,
    "status": _read_whole_number,
    "body": _read_text,
    "retry_after": _read_whole_number,
}


class Gateway(Protocol):
    """The part of the pretend payment gateway that faults reach into."""

    latency_seconds: float

    def decline_next(self, n: int) -> None: ...
    def roll_back_next(self, n: int) -> None: ...


def _no_order(_request: Request) -> str | None:
    return None


@dataclass(kw_only=True, slots=True)
class _Counted:
    fault: Fault
    seen: int = 0
    struck: int = 0

    def strikes(self) -> bool:
        """Counts a request that the rule is about; true when it is to be applied to this one."""
        self.seen += 1
        if self.seen <= self.fault.after or self.struck == self.fault.times:
            return False
        self.struck += 1
        return True

    @property
    def is_used_up(self) -> bool:
        return self.struck == self.fault.times


@dataclass(kw_only=True)
class Faults:
    """The rules in force. Safe to use from many threads at once.

    `order_of` finds the increment_id a request is about; without it no rule that names an order ever strikes.
    """

    gateway: Gateway | None = None
    order_of: Callable[[Request], str | None] = _no_order
    sleep: Callable[[float], None] = time.sleep
    _rules: list[_Counted] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _slowing: list[float] = field(default_factory=list)
    _usual_latency_seconds: float = 0.0

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._rules.append(_Counted(fault=fault))

    def lift(self) -> None:
        """Takes every rule away."""
        with self._lock:
            self._rules.clear()

    def in_force(self) -> tuple[Fault, ...]:
        """The rules that can still strike."""
        with self._lock:
            return tuple(rule.fault for rule in self._rules if not rule.is_used_up)

    def apply(self, request: Request, call: Call) -> Answer:
        """Serves `request` by `call`, with whatever the rules do to it."""
        settings, ending = self._choose(request)
        with ExitStack() as in_place:
            for fault in settings:
                in_place.enter_context(self._setting(fault))
            return _end(ending, request, call)

    def _choose(self, request: Request) -> tuple[list[Fault], Fault | None]:
        """The settings to put in place for this request, and the one rule that decides its answer."""
        path = request.path.partition("?")[0]
        settings: list[Fault] = []
        ending: Fault | None = None
        if path.startswith("/sandbox"):
            return settings, ending
        order = self.order_of(request)
        with self._lock:
            for rule in self._rules:
                is_setting = rule.fault.kind in _SETTINGS
                if not _is_about(rule.fault, request.method, path, order) or (ending and not is_setting):
                    continue
                if not rule.strikes():
                    continue
                if is_setting:
                    settings.append(rule.fault)
                else:
                    ending = rule.fault
        return settings, ending

    @contextmanager
    def _setting(self, fault: Fault) -> Iterator[None]:
        if fault.kind is Kind.SLOW_GATEWAY:
            with self._slow_gateway(fault.seconds):
                yield
            return
        if fault.kind is Kind.DECLINE:
            self._gateway().decline_next(1)
        elif fault.kind is Kind.PAID_ROLLED_BACK:
            self._gateway().roll_back_next(1)
        else:
            self.sleep(fault.seconds)
        yield

    def _gateway(self) -> Gateway:
        if self.gateway is None:
            raise BadFaultError(
                "decline, paid-rolled-back and slow-gateway need the sandbox's gateway: "
                "give Faults(gateway=store.gateway)"
            )
        return self.gateway

    @contextmanager
    def _slow_gateway(self, seconds: float) -> Iterator[None]:
        """Requests at once share the gateway: it is as slow as the slowest of them asks."""
        gateway = self._gateway()
        with self._lock:
            if not self._slowing:
                self._usual_latency_seconds = gateway.latency_seconds
            self._slowing.append(seconds)
            gateway.latency_seconds = max(self._slowing)
        try:
            yield
        finally:
            with self._lock:
                self._slowing.remove(seconds)
                gateway.latency_seconds = max(self._slowing, default=self._usual_latency_seconds)


def build_faults(
    rules: Iterable[Fault],
    *,
    gateway: Gateway | None = None,
    order_of: Callable[[Request], str | None] = _no_order,
    sleep: Callable[[float], None] = time.sleep,
) -> Faults:
    faults = Faults(gateway=gateway, order_of=order_of, sleep=sleep)
    for rule in rules:
        faults.add(rule)
    return faults


def _is_about(fault: Fault, method: str, path: str, order: str | None) -> bool:
    return (
        fault.method in {"*", method.upper()}
        and fnmatchcase(path, fault.path)
        and (not fault.order or fault.order == order)
    )


def _end(fault: Fault | None, request: Request, call: Call) -> Answer:
    if fault is None:
        return call(request)
    if fault.kind is Kind.LOST_BEFORE:
        raise ConnectionDropped
    if fault.kind in {Kind.STATUS_BEFORE, Kind.MAINTENANCE}:
        return _answer(fault)
    answer = call(request)
    if fault.kind is Kind.LOST_AFTER:
        raise ConnectionDropped
    return _cut_in_half(answer) if fault.kind is Kind.TRUNCATED else _answer(fault)


def _cut_in_half(answer: Answer) -> Answer:
    """Promises the whole body and sends half of it, so that the client sees the connection end too early."""
    promised = {**answer.headers, "Content-Length": str(len(answer.body))}
    return replace(answer, body=answer.body[: len(answer.body) // 2], headers=promised)


def _answer(fault: Fault) -> Answer:
    status = _STATUSES.get(fault.kind, fault.status)
    content_type, body = _BODIES.get(status, (_HTML, _page(f"Status {status}")))
    retry_after = _RETRY_AFTER_SECONDS.get(status) if fault.retry_after is None else fault.retry_after
    return Answer(
        status=status,
        content_type=content_type if fault.body is None else _guess_type(fault.body),
        body=(body if fault.body is None else fault.body).encode(),
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
    )


def _guess_type(body: str) -> str:
    return _HTML if body.lstrip().startswith("<") else JSON


def _page(title: str) -> str:
    return f"<!doctype html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


def _message(text: str, **parameters: str) -> str:
    return json.dumps({"message": text, "parameters": parameters} if parameters else {"message": text})


_STATUSES = {Kind.HTML_200_AFTER: 200, Kind.MAINTENANCE: 503}

_RETRY_AFTER_SECONDS = {429: 2, 503: 5}

#: What usually sends a status: 401, 404 and 500 Magento itself, the others a web server or firewall before it.
_BODIES = {
    200: (_HTML, _page("One moment, please")),
    401: (
        JSON,
        _message("The consumer isn't authorized to access %resources.", resources="Magento_Sales::creditmemo"),
    ),
    403: (_HTML, _page("403 Forbidden")),
    404: (JSON, _message("The entity that was requested doesn't exist. Verify the entity and try again.")),
    429: (_HTML, _page("429 Too Many Requests")),
    500: (JSON, _message("Internal Error. Details are available in Magento log file. Report ID: webapi-0000000000000")),
    502: (_HTML, _page("502 Bad Gateway")),
    503: (_HTML, _page("Service Temporarily Unavailable")),
    504: (_HTML, _page("504 Gateway Time-out")),
}
