"""What goes into and comes out of the sandbox store, without a socket.

A simulator hands a `Request` straight to `SandboxStore.handle`; the Flask server makes one from the wire. Both get the
same `Answer`, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request as Magento's PHP would see it.

    `path` carries the query as sent, percent-encoded or not. Header names are matched whatever their case. `scheme` and
    `host` (with a port, where it is not the scheme's own) are what an OAuth 1.0a signature is checked against.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    scheme: str = "http"
    host: str = "localhost"

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class ConnectionDropped(Exception):
    """The caller gets no answer: the server closes the socket. What Magento had done by then stays done."""
