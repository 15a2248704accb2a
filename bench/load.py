"""The load generator: connections that each send the next request as soon as the last one was answered.

One thread and plain sockets, kept alive, so that it takes little of the machine that it shares with what it measures
(`own_seconds` says how much), and the same little for every system.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)

_BYTES = 65_536

#: Who has not answered within this is not measured but broken.
_PATIENCE_SECONDS = 60.0


@dataclass(kw_only=True, slots=True)
class Sent:
    """What came of one round. Latencies are in seconds, of answers with a status of success."""

    seconds: float = 0.0
    own_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    #: Connections that ended without an answer.
    broken: int = 0

    @property
    def acknowledged(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.acknowledged / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        return self.broken + sum(count for status, count in self.statuses.items() if not is_success(status))

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.latencies, percent) * 1000


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed; nan without any."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def is_success(status: int) -> bool:
    return 200 <= status < 300


def send(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float | None = None,
    heard: Callable[[int, float], None] | None = None,
) -> Sent:
    """Send `requests` over `connections` for `seconds`, or each of them once; what is in flight then is waited for.

    `heard` is told the number of each request that was answered with success, and when.
    """
    sent = Sent()
    began, cpu = time.perf_counter(), time.thread_time()
    until = None if seconds is None else began + seconds
    waiting = iter(enumerate(requests)) if seconds is None else _until(requests, until or 0)
    with selectors.DefaultSelector() as selector:
        open_ones = 0
        for _ in range(connections):
            open_ones += _next(_Connection(port=port), waiting, selector, sent)
        deadline = (until or began) + _PATIENCE_SECONDS
        while open_ones and time.perf_counter() < deadline:
            for key, _ in selector.select(timeout=1):
                connection: _Connection = key.data
                status = connection.receive()
                if status is None:
                    continue
                now = time.perf_counter()
                if seconds is None:
                    deadline = now + _PATIENCE_SECONDS
                if status:
                    sent.statuses[status] += 1
                    if is_success(status):
                        sent.latencies.append(now - connection.sent_at)
                        if heard is not None:
                            heard(connection.number, time.time())
                else:
                    sent.broken += 1
                open_ones += _next(connection, waiting, selector, sent) - 1
        for key in list(selector.get_map().values()):
            key.data.close()
            sent.broken += 1
    sent.seconds, sent.own_seconds = time.perf_counter() - began, time.thread_time() - cpu
    return sent


def _until(requests: Sequence[bytes], until: float) -> Iterator[tuple[int, bytes]]:
    for number, request in enumerate(cycle(requests)):
        if time.perf_counter() >= until:
            return
        # A repeat would be a redelivery, which is another, cheaper thing to take in.
        assert number < len(requests), f"the round needs more than {len(requests)} requests: make more of them"
        yield number, request


def _next(
    connection: _Connection,
    waiting: Iterator[tuple[int, bytes]],
    selector: selectors.BaseSelector,
    sent: Sent,
) -> int:
    """Send the next request over `connection`; 0 when there is none, or nobody to send it to."""
    for number, request in waiting:
        try:
            connection.send(number, request, selector)
        except OSError:
            connection.hang_up(selector)
            sent.broken += 1
            continue
        return 1
    connection.hang_up(selector)
    return 0


@dataclass(kw_only=True, slots=True)
class _Connection:
    port: int
    socket: socket.socket | None = None
    number: int = -1
    sent_at: float = 0.0
    received: bytes = b""
    closes: bool = False

    def send(self, number: int, request: bytes, selector: selectors.BaseSelector) -> None:
        if self.closes:
            self.hang_up(selector)
        self.number, self.received, self.sent_at = number, b"", time.perf_counter()
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(self.socket, selectors.EVENT_READ, self)
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """The answer's status; None while it is not whole, 0 when it never will be."""
        assert self.socket is not None
        try:
            part = self.socket.recv(_BYTES)
        except OSError:
            part = b""
        if not part:
            self.closes = True
            return 0
        self.received += part
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        if _CHUNKED.search(head):
            if not body.endswith(b"0\r\n\r\n"):
                return None
        elif (length := _LENGTH.search(head)) is not None and len(body) < int(length[1]):
            return None
        self.closes = _CLOSES.search(head) is not None
        return int(head[9:12])

    def hang_up(self, selector: selectors.BaseSelector) -> None:
        self.closes = False
        if self.socket is not None:
            selector.unregister(self.socket)
            self.close()

    def close(self) -> None:
        if self.socket is not None:
            with suppress(OSError):
                self.socket.close()
            self.socket = None
