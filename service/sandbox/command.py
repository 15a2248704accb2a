"""`refundry sandbox`: a store in miniature on a port of this machine, with orders to try and faults on demand.

The same server runs in a thread for the demo and the tests. Werkzeug's threaded server is enough: it takes requests at
once, as concurrent refunds need, and closes a connection without an answer when a fault asks for it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from flask import Flask
from werkzeug.serving import make_server

from service.sandbox.access import Integration
from service.sandbox.faults import MEANINGS, Fault, Faults, build_faults
from service.sandbox.order_specs import LineSpec, OrderSpec
from service.sandbox.orders_to_try import ORDERS_TO_TRY, BuiltOrder, build
from service.sandbox.server import create_sandbox
from service.sandbox.store import SandboxStore
from service.sandbox.versions import DEFAULT_VERSION

#: Loopback only: the sandbox prints its credentials and keeps no secrets.
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080

#: How long stopping may take.
_POLL_SECONDS = 0.05

_COLUMNS = ("order", "payment", "lines", "why")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """A store with its orders, ready to be served or to be asked directly."""

    store: SandboxStore
    faults: Faults
    orders: tuple[BuiltOrder, ...]

    def app(self) -> Flask:
        return create_sandbox(self.store, faults=self.faults)


def build_sandbox(
    *,
    now: datetime,
    magento_version: str = DEFAULT_VERSION,
    faults: Iterable[Fault] = (),
    orders: Iterable[OrderSpec] = ORDERS_TO_TRY,
    token: str | None = None,
) -> Sandbox:
    """`token` replaces the integration's access token; `now` is when the orders were placed."""
    store = SandboxStore(
        magento_version=magento_version, integration=Integration() if token is None else Integration(token=token)
    )
    return Sandbox(
        store=store,
        faults=build_faults(faults, gateway=store.gateway, order_of=store.order_of),
        orders=build(store, orders, now=now),
    )


def run_sandbox(
    *,
    now: datetime,
    echo: Callable[[str], None],
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    magento_version: str = DEFAULT_VERSION,
    faults: Sequence[Fault] = (),
    orders: Sequence[OrderSpec] = ORDERS_TO_TRY,
    token: str | None = None,
) -> None:
    """Serves until it is interrupted, having said where, how to sign in and what there is to try."""
    sandbox = build_sandbox(now=now, magento_version=magento_version, faults=faults, orders=orders, token=token)
    server = SandboxServer(sandbox.app(), host=host, port=port)
    try:
        echo(f"Sandbox store, Magento {magento_version}, at {server.url}\n")
        echo(describe_access(sandbox.store))
        echo(describe_orders(orders))
        for fault in sandbox.faults.in_force():
            echo(f"fault in force: {fault.method} {fault.path} {fault.kind}: {MEANINGS[fault.kind]}")
        server.serve()
    finally:
        server.stop()


def describe_access(store: SandboxStore) -> str:
    """Every way to sign in, as a client's settings would hold it."""
    integration = store.access.integration
    username, password = next(iter(store.access.admins.items()))
    quirks = store.shop.quirks
    bearer = integration.token if quirks.takes_integration_token_as_bearer else "refused since Magento 2.4.4"
    rows = (
        ("admin", f"username {username}, password {password}"),
        ("bearer", bearer),
        ("oauth1", f"consumer key {integration.consumer_key}, secret {integration.consumer_secret}"),
        ("", f"access token {integration.token}, secret {integration.token_secret}"),
    )
    return "".join(f"  {name:<8}{value}\n" for name, value in rows)


def describe_orders(specs: Iterable[OrderSpec] = ORDERS_TO_TRY) -> str:
    """A table of the orders: increment_id, payment, lines and what each is good for."""
    rows = [_COLUMNS] + [
        (spec.increment_id, spec.payment, ", ".join(map(_describe_line, spec.lines)), spec.why) for spec in specs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n"
        for row in rows
    )


def _describe_line(line: LineSpec) -> str:
    what = line.variant or (f"{line.sku} ({line.option})" if line.option else line.sku)
    return what if line.qty == 1 else f"{line.qty} × {what}"


class SandboxServer:
    """Serves an app, in this thread or in one of its own: `with SandboxServer(app) as server: … server.url`.

    Port 0 takes any free port. The socket listens from the start, so a client may connect before `start`.
    """

    def __init__(self, app: Flask, *, host: str = DEFAULT_HOST, port: int = 0) -> None:
        # One line per request on standard error would drown what the demo has to say.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        # Werkzeug ends the process where a port is taken; opening the socket here raises OSError instead.
        with socket.create_server((host, port)) as listening:
            self._server = make_server(host, port, app, threaded=True, fd=listening.fileno())
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{self._server.host}:{self._server.port}"

    def serve(self) -> None:
        """Serves in this thread until interrupted."""
        self._server.serve_forever()

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
