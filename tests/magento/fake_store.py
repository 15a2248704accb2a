"""A Magento store on loopback that answers what a test tells it to, and misbehaves on the wire where asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from service.core.policy import StorePolicy
from service.settings import BearerAuth, Caps, Secret, StoreSettings

JSON = "application/json; charset=utf-8"

NOT_AUTHORIZED = {
    "message": "The consumer isn't authorized to access %resources.",
    "parameters": {"resources": "Magento_Sales::creditmemo"},
}
NO_SUCH_ENTITY = {"message": "The entity that was requested doesn't exist. Verify the entity and try again."}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    #: Cut off after so many bytes of the body.
    cut_at: int | None = None
    #: Reset the connection without a word.
    reset: bool = False
    #: Wait for the test to end before answering.
    hangs: bool = False


def says(document: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(
        status=status,
        body=json.dumps(document).encode(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


class FakeStore:
    def __init__(self, answer: Callable[[Seen], Reply]) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def requests_to(self, path_end: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith(path_end)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                seen = Seen(
                    method=self.command,
                    target=self.path,
                    headers=dict(self.headers.items()),
                    body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                    connection=self.client_address,
                )
                store.seen.append(seen)
                self._give(store.answer(seen))

            def do_POST(self) -> None:
                self.do_GET()

            def _give(self, reply: Reply) -> None:
                if reply.hangs:
                    store.over.wait(10)
                if reply.reset:
                    linger_zero = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.cut_at])
                if reply.cut_at is not None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

            def finish(self) -> None:
                with suppress(OSError, ValueError):  # the client or the test may have closed it
                    super().finish()

        return Handler


@contextmanager
def running(answer: Callable[[Seen], Reply]) -> Iterator[FakeStore]:
    store = FakeStore(answer)
    store.start()
    try:
        yield store
    finally:
        store.stop()


@contextmanager
def listening(meet: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where `meet` does as it likes with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    meet(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def in_turn(*replies: Reply) -> Callable[[Seen], Reply]:
    """Each reply once, the last one from then on."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_: Seen) -> Reply:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


def settings_for(url: str, **changes: Any) -> StoreSettings:
    values: dict[str, Any] = {
        "name": "main",
        "base_url": url,
        "instance": "shop",
        "auth": BearerAuth(token=Secret("tok-1")),
        "connect_timeout_seconds": 2,
        "read_timeout_seconds": 2,
        "refund_read_timeout_seconds": 2,
        "policy": StorePolicy(shipping={}),
        "caps": Caps(),
    }
    return StoreSettings(**values | changes)


def signature_as_magento_checks_it(seen: Seen, *, consumer_secret: str, token_secret: str) -> bool:
    """OAuth 1.0a HMAC-SHA256 over the raw query, split at & and =, written apart from the library that signs."""
    scheme, _, said = seen.headers["Authorization"].partition(" ")
    given = {}
    for pair in said.split(","):
        name, _, value = pair.strip().partition("=")
        given[name] = unquote(value.strip('"'))
    signed = {name: value for name, value in given.items() if name != "oauth_signature"}
    parts = urlsplit(seen.target)
    for pair in filter(None, parts.query.split("&")):
        name, value = pair.split("=")
        signed[unquote(name)] = unquote(value)
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in signed.items())
    parameters = "&".join(f"{name}={value}" for name, value in encoded)
    address = f"http://{seen.headers['Host']}{parts.path}"
    base = "&".join(_encoded(part) for part in (seen.method, address, parameters))
    key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}"
    expected = base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()).decode()
    return scheme == "OAuth" and given["oauth_signature"] == expected


def _encoded(text: str) -> str:
    """RFC 3986: letters, digits and -._~ stay."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in text.encode())
