"""What a process sees of the network: answers of the sandbox store, late, spoilt or not at all.

A client that dies or gives up does not stop Magento: what was begun goes on without anybody who listens.
Source: recordings/gateway-slow-client-timeout.json.
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from service.sandbox import faults as sandbox
from service.sandbox.http import Answer, Request
from tests.simulation.boundaries import Boundary, Fault, boundary_at
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
}


class Magento(Protocol):
    """The store of a schedule, as requests reach it."""

    def serve(self, asked: Request, client: str) -> Answer:
        """From its beginning to its end, with turns for others in between."""

    def begin(self, asked: Request, client: str, *, goes_on_after_seconds: float) -> None:
        """Its first step now, and the rest later, whoever has gone by then."""

    def wait(self, seconds: float) -> None: ...

    @property
    def lease_seconds(self) -> float: ...


class SimulatedNetwork(BaseAdapter):
    def __init__(self, process: Process, magento: Magento) -> None:
        super().__init__()
        self._process, self._magento = process, magento

    def send(self, request: requests.PreparedRequest, timeout: Any = None, **_options: Any) -> requests.Response:
        asked = _asked(request)
        path = asked.path.partition("?")[0]
        boundary = _boundary(asked.method, path)
        fault = self._process.arrive(boundary, f"{asked.method} {path}")
        return _response(request, self._exchange(request, asked, fault, read_timeout_seconds=timeout[1]))

    def close(self) -> None:
        pass

    def _exchange(
        self, request: requests.PreparedRequest, asked: Request, fault: Fault | None, *, read_timeout_seconds: float
    ) -> Answer:
        magento, name = self._magento, self._process.name
        if fault is Fault.REFUSED:
            raise _refused(request)
        if fault is Fault.RESET_BEFORE:
            raise _reset(request)
        if fault is Fault.CRASH_AMID:
            magento.begin(asked, name, goes_on_after_seconds=MAGENTO_WORKS_SECONDS)
            self._process.die()
        if fault is Fault.TIMEOUT_AMID:
            magento.begin(asked, name, goes_on_after_seconds=MAGENTO_WORKS_SECONDS)
        if fault in {Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AMID}:
            magento.wait(read_timeout_seconds)
            raise requests.ReadTimeout(request=request)
        answer = self._served(asked, fault)
        self._process.check_alive()
        if fault is Fault.CRASH_AFTER:
            self._process.die()
        if fault is Fault.RESET_AFTER:
            raise _reset(request)
        if fault is Fault.TIMEOUT_AFTER:
            magento.wait(read_timeout_seconds)
            raise requests.ReadTimeout(request=request)
        if fault is Fault.SLOW:
            # Bytes that trickle keep a connection open past every read time-out.
            magento.wait(magento.lease_seconds + 60)
        return answer

    def _served(self, asked: Request, fault: Fault | None) -> Answer:
        def call(request: Request) -> Answer:
            return self._magento.serve(request, self._process.name)

        rules = [_SPOILS[fault]] if fault in _SPOILS else []
        return sandbox.build_faults(rules).apply(asked, call) if rules else call(asked)


def _boundary(method: str, path: str) -> Boundary:
    for wanted, part, place in _PLACES:
        if method == wanted and part in path:
            return boundary_at(place)
    return boundary_at(f"{method} {path}")


def _asked(request: requests.PreparedRequest) -> Request:
    parts = urlsplit(request.url or "")
    body = request.body or b""
    return Request(
        method=request.method or "",
        path=parts.path + (f"?{parts.query}" if parts.query else ""),
        headers=dict(request.headers),
        body=body.encode() if isinstance(body, str) else body,
        scheme=parts.scheme,
        host=parts.netloc,
    )


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers.update({"Content-Type": answer.content_type, **answer.headers})
    promised = int(answer.headers.get("Content-Length", len(answer.body)))
    response.raw = HTTPResponse(body=_Body(answer.body, promised), preload_content=False)
    response.url, response.request = request.url, request
    return response


class _Body:
    """A body that ends too early when fewer bytes came than were promised."""

    def __init__(self, content: bytes, promised: int) -> None:
        self._left, self._is_cut, self.closed = content, promised > len(content), False

    def read(self, amount: int | None = -1) -> bytes:
        amount = len(self._left) if amount is None or amount < 0 else amount
        part, self._left = self._left[:amount], self._left[amount:]
        if not part and self._is_cut:
            raise ProtocolError("IncompleteRead")
        return part

    def close(self) -> None:
        self.closed = True


def _reset(request: requests.PreparedRequest) -> requests.ConnectionError:
    broken = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    return requests.ConnectionError(broken, request=request)


def _refused(request: requests.PreparedRequest) -> requests.ConnectionError:
    reason = NewConnectionError(HTTPConnection("shop.example"), "refused: Connection refused")
    broken = MaxRetryError(HTTPConnectionPool("shop.example"), request.url or "", reason)
    return requests.ConnectionError(broken, request=request)
