"""What a process sees of the network: answers of the sandbox store, late, spoilt or not at all.

A client that dies or gives up does not stop Magento: what was begun goes on without anybody who listens.
Source: recordings/gateway-slow-client-timeout.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from service.sandbox import faults as sandbox
from service.sandbox.http import Answer, Request
from tests.simulation.boundaries import PAID_ROLLED_BACK, Boundary, Fault, boundary_at
from tests.simulation.processes import Process

#: (method, end or part of the path, place in BOUNDARIES); the first that fits.
_PLACES = (
    ("POST", "/integration/admin/token", "POST /integration/admin/token"),
    ("POST", "/refund", "POST /refund"),
    ("POST", "/emails", "POST /emails"),
    ("GET", "/V1/orders", "GET /orders"),
    ("GET", "/V1/invoices", "GET /invoices"),
    ("GET", "/V1/creditmemos", "GET /creditmemos"),
    ("GET", "/V1/creditmemo/", "GET /creditmemo"),
)

#: Later than the longest lease over a call, and within settle_seconds of it.
MAGENTO_WORKS_SECONDS = 280

_BEFORE = {
    Fault.S400: 400,
    Fault.S401: 401,
    Fault.S403: 403,
    Fault.S404: 404,
    Fault.S409: 409,
    Fault.S429: 429,
    Fault.S500_BEFORE: 500,
    Fault.S502_BEFORE: 502,
}

#: As the sandbox's own rules make them.
_SPOILS = {
    **{fault: sandbox.Fault(kind=sandbox.Kind.STATUS_BEFORE, status=status) for fault, status in _BEFORE.items()},
    Fault.S500_AFTER: sandbox.Fault(kind=sandbox.Kind.STATUS_AFTER, status=500),
    Fault.S502_AFTER: sandbox.Fault(kind=sandbox.Kind.STATUS_AFTER, status=502),
    Fault.BAD_JSON: sandbox.Fault(kind=sandbox.Kind.STATUS_AFTER, status=200, body='{"items": [{"entity_id": 1'),
    Fault.HTML: sandbox.Fault(kind=sandbox.Kind.HTML_200_AFTER),
    Fault.TRUNCATED: sandbox.Fault(kind=sandbox.Kind.TRUNCATED),
    Fault.PAID_500: sandbox.Fault(kind=sandbox.Kind.STATUS_AFTER, status=500),
}


class Magento(Protocol):
    """The store of a schedule, as requests reach it."""

    def serve(self, asked: Request, client: str, *, saves: bool = True) -> Answer:
        """From its beginning to its end, with turns for others in between; `saves` False: it fails once it has paid."""

    def begin(self, asked: Request, client: str, *, goes_on_after_seconds: float) -> None:
        """Its first step now, and the rest later, whoever has gone by then."""

    def wait(self, seconds: float) -> None: ...

    @property
    def lease_seconds(self) -> float: ...


class SimulatedSession(requests.Session):
    """In place of requests' own way from a call to an answer, which real sockets try in tests/magento."""

    def __init__(self, process: Process, magento: Magento) -> None:
        super().__init__()
        self._process, self._magento = process, magento

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: dict[str, str],
        auth: Callable[[Any], Any] | None,
        timeout: tuple[float, float],
        **_options: Any,
    ) -> requests.Response:
        request = _Unsent(method, url, {**headers}, data)
        if auth is not None:
            auth(request)
        asked = _asked(request)
        path = asked.path.partition("?")[0]
        fault = self._process.arrive(_boundary(method, path), f"{method} {path}")
        return _Response(self._exchange(asked, fault, read_timeout_seconds=timeout[1]))

    def _exchange(self, asked: Request, fault: Fault | None, *, read_timeout_seconds: float) -> Answer:
        magento, name = self._magento, self._process.name
        if fault is Fault.REFUSED:
            raise _refused()
        if fault is Fault.RESET_BEFORE:
            raise _reset()
        if fault is Fault.CRASH_AMID:
            magento.begin(asked, name, goes_on_after_seconds=MAGENTO_WORKS_SECONDS)
            self._process.die()
        if fault is Fault.TIMEOUT_AMID:
            magento.begin(asked, name, goes_on_after_seconds=MAGENTO_WORKS_SECONDS)
        if fault in {Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AMID}:
            magento.wait(read_timeout_seconds)
            raise requests.ReadTimeout
        answer = self._served(asked, fault)
        self._process.check_alive()
        if fault is Fault.CRASH_AFTER:
            self._process.die()
        if fault in {Fault.RESET_AFTER, Fault.PAID_LOST}:
            raise _reset()
        if fault is Fault.TIMEOUT_AFTER:
            magento.wait(read_timeout_seconds)
            raise requests.ReadTimeout
        if fault is Fault.SLOW:
            # Bytes that trickle keep a connection open past every read time-out.
            magento.wait(magento.lease_seconds + 60)
        return answer

    def _served(self, asked: Request, fault: Fault | None) -> Answer:
        def call(request: Request) -> Answer:
            return self._magento.serve(request, self._process.name, saves=fault not in PAID_ROLLED_BACK)

        rules = [_SPOILS[fault]] if fault in _SPOILS else []
        return sandbox.build_faults(rules).apply(asked, call) if rules else call(asked)


def _boundary(method: str, path: str) -> Boundary:
    for wanted, part, place in _PLACES:
        if method == wanted and part in path:
            return boundary_at(place)
    return boundary_at(f"{method} {path}")


class _Unsent:
    """As much of a request as signing it and sending it look at."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, body


def _asked(request: _Unsent) -> Request:
    parts = urlsplit(request.url)
    return Request(
        method=request.method,
        path=parts.path + (f"?{parts.query}" if parts.query else ""),
        headers=request.headers,
        body=request.body or b"",
        scheme=parts.scheme,
        host=parts.netloc,
    )


class _Response(requests.Response):
    """A body that ends too early when fewer bytes came than were promised."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = CaseInsensitiveDict({"Content-Type": answer.content_type, **answer.headers})
        self._answer = answer

    def iter_content(self, *_: Any) -> Iterator[bytes]:
        yield self._answer.body
        if int(self.headers.get("Content-Length", 0)) > len(self._answer.body):
            raise requests.exceptions.ChunkedEncodingError(ProtocolError("IncompleteRead"))

    def close(self) -> None:
        pass


def _reset() -> requests.ConnectionError:
    return requests.ConnectionError(
        ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    )


def _refused() -> requests.ConnectionError:
    reason = NewConnectionError(HTTPConnection("shop.example"), "refused: Connection refused")
    return requests.ConnectionError(MaxRetryError(HTTPConnectionPool("shop.example"), "", reason))
