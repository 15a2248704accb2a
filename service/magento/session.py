"""One HTTP exchange with a store, and the proof whether a request left this machine.

A refund is sent over a connection of its own: on a kept-alive one, a server that closes just then looks like a server
that took the request. Everything that goes wrong inside `connect()` (name, refusal, time-out, TLS) happens before the
first byte of the request; everything after it proves nothing.
Source: urllib3 2 HTTPConnectionPool._make_request, where TLS and read time-outs are otherwise one exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

# An order of a thousand lines is about 5 MB of JSON; more is not an order.
MAX_ANSWER_BYTES = 32 * 1024 * 1024

_CHUNK_BYTES = 64 * 1024

# Up to eleven days; a longer wish is no wish.
_SECONDS = re.compile(r"[0-9]{1,6}")

#: Makes a session that keeps up to so many connections.
SessionFactory = Callable[[int], requests.Session]


class AnswerTooLarge(requests.RequestException):
    """An answer over MAX_ANSWER_BYTES; what it said was not read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpCall:
    method: str
    url: str
    #: None: an address that asks for none.
    auth: AuthBase | None
    #: Serialised JSON; None: no body.
    body: bytes | None = None
    connect_timeout_seconds: float
    read_timeout_seconds: float
    #: True: the connection is not used for anything else.
    closes: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    status: int
    content_type: str
    body: bytes
    #: The header as it came.
    retry_after: str | None = None
    location: str | None = None
    #: When it was made, by its sender's clock: the Date header as it came.
    date: str | None = None

    def retry_after_seconds(self, now: datetime) -> float | None:
        """Magento's or the proxy's wish in seconds; the header holds seconds or a date."""
        said = (self.retry_after or "").strip()
        if _SECONDS.fullmatch(said):
            return float(said)
        moment = _read_date(said)
        return None if moment is None else max(0.0, (moment - now).total_seconds())

    @property
    def made_at(self) -> datetime | None:
        """When the answer was made, by its sender's clock, to the second."""
        return _read_date(self.date or "")


def _read_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def open_session(pool_connections: int = 1) -> requests.Session:
    """A session that takes nothing from the environment, keeps no cookies and never repeats a request by itself."""
    session = requests.Session()
    # Proxies and .netrc of the environment would send credentials where the settings do not say.
    session.trust_env = False
    # A kept PHP session cookie makes Magento answer one request at a time.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = "Refundry"
    adapter = _ProvingAdapter(max_retries=0, pool_maxsize=pool_connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def send_call(session: requests.Session, call: HttpCall) -> HttpAnswer:
    """One request, one answer, read to its end; no redirect is followed. Raises requests' exceptions and no others."""
    try:
        return _exchange(session, call)
    except requests.RequestException:
        raise
    except Exception as error:
        # Such as the ValueError of a Location that is no address: the request was sent, so this must not look like
        # a fault of ours that happened before.
        raise requests.RequestException(error) from error


def was_never_sent(error: requests.RequestException) -> bool:
    """Whether this failure proves that no byte of the request was sent."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    return isinstance(reason, NewConnectionError)


def failure_text(error: requests.RequestException) -> str:
    """What went wrong, without the address: its query may name people's orders."""
    if isinstance(error, requests.ReadTimeout):
        return "no answer in time"
    if was_never_sent(error):
        reason = error.args[0].reason
        return str(reason).partition(": ")[2]
    cause = error.args[-1] if error.args else error
    while isinstance(cause, Exception) and cause.args and isinstance(cause.args[-1], Exception):
        cause = cause.args[-1]
    return type(cause).__name__ if isinstance(cause, Exception) else str(cause)


def _exchange(session: requests.Session, call: HttpCall) -> HttpAnswer:
    headers = {"Connection": "close"} if call.closes else {}
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    with session.request(
        call.method,
        call.url,
        data=call.body,
        headers=headers,
        auth=call.auth,
        timeout=(call.connect_timeout_seconds, call.read_timeout_seconds),
        allow_redirects=False,
        stream=True,
    ) as response:
        return HttpAnswer(
            status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            body=_read_body(response),
            retry_after=response.headers.get("Retry-After"),
            location=response.headers.get("Location"),
            date=response.headers.get("Date"),
        )


def _read_body(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerTooLarge(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


class _ProvingConnection(HTTPConnection):
    def connect(self) -> None:
        with _naming_failures(self):
            super().connect()


class _ProvingTlsConnection(HTTPSConnection):
    def connect(self) -> None:
        with _naming_failures(self):
            super().connect()


@contextmanager
def _naming_failures(connection: HTTPConnection) -> Iterator[None]:
    try:
        yield
    except NewConnectionError:
        raise
    except Exception as error:
        raise NewConnectionError(connection, f"{type(error).__name__}: {error}") from error


class _ProvingPool(HTTPConnectionPool):
    ConnectionCls = _ProvingConnection


class _ProvingTlsPool(HTTPSConnectionPool):
    ConnectionCls = _ProvingTlsConnection


class _ProvingAdapter(HTTPAdapter):
    """Names every failure before the first byte of a request NewConnectionError, TLS included."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - the signature is requests'
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _ProvingPool, "https": _ProvingTlsPool}
