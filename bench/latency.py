"""From acknowledgement to credit memo, idle, against the sum of Magento's own answers: `make latency`.

Web and worker are real processes on SQLite, and so are the sockets. Magento is the sandbox, which answers each kind of
call as late as the real one did: the median of `elapsed_s` in the recordings. What is left of the time is ours. One
refund at a time, each from an idle worker, because an idle one is what a shop has on most days.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import http.client
import json
import re
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bench.messages import SECRET
from bench.ours import PATH, TOKEN, set_up
from bench.processes import wait_until
from service.sandbox.command import SandboxServer, build_sandbox
from service.sandbox.orders_to_try import ORDERS_TO_TRY
from tests.recordings import FOLDER, WITHOUT, recording_files

#: The one whose integration token is taken as bearer, and the faster of the two that were recorded.
VERSION = "2.4.1"

#: Idle means idle: longer than a worker's poll, so that no refund rides on the one before.
_BETWEEN_SECONDS = 1.2

_STORE = """
base_url = "{magento}"
token_env = "BENCH_TOKEN"
magento_version = "2.4.1"

[payments]
online = ["sandbox*"]
"""

#: Route → the order that is copied, and what comes back of it.
_ROUTES = {"offline": ("000000101", "WS12-M-Orange"), "online": ("000000102", "24-MB01")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    kind: str
    began: float
    ended: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One refund; times in seconds."""

    route: str
    calls: tuple[Call, ...]
    acknowledged: float

    @property
    def memo_seconds(self) -> float:
        """From the acknowledgement to the end of the refund's own answer."""
        return self._refund.ended - self.acknowledged

    @property
    def magento_seconds(self) -> float:
        return sum(call.ended - call.began for call in self.calls if call.ended <= self._refund.ended)

    @property
    def ratio(self) -> float:
        return self.memo_seconds / self.magento_seconds

    @property
    def before_first_call_seconds(self) -> float:
        return self.calls[0].began - self.acknowledged

    @property
    def _refund(self) -> Call:
        return next(call for call in self.calls if call.kind.startswith("POST") and call.kind.endswith("/refund"))


def kind_of(method: str, path: str) -> str:
    """As GET /orders, POST /order/N/refund: a call without its ids, its store and its query."""
    below = re.sub(r"^/rest(/[a-z]\w*)?/V1", "", path.partition("?")[0])
    return f"{method} {re.sub(r'[0-9]+', 'N', below)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """One answered call of the recordings."""

    kind: str
    has_fields: bool
    seconds: float
    size_bytes: int


def recorded_calls(folder: Path = FOLDER) -> list[Recorded]:
    """Every call of VERSION that was answered 200; recordings whose calls overlap or hang on purpose are left out."""
    calls = []
    for file in recording_files(folder):
        recording = json.loads(file.read_bytes())
        if recording["magento_version"] == VERSION and not file.name.startswith(("concurrent-", "gateway-slow")):
            for exchange in recording["exchanges"]:
                answer, asked = exchange["response"], exchange["request"]
                if answer and answer["status"] == 200:
                    calls.append(
                        Recorded(
                            kind=kind_of(asked["method"], asked["path"]),
                            has_fields="fields=" in asked["path"],
                            seconds=exchange["elapsed_s"],
                            size_bytes=len(json.dumps(answer.get("body"))),
                        )
                    )
    return calls


def latencies_of(calls: Iterable[Recorded]) -> dict[str, float]:
    """Seconds by kind of call: the median."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for call in calls:
        seconds[call.kind].append(call.seconds)
    return {kind: statistics.median(each) for kind, each in seconds.items()}


def fields_lines(calls: Sequence[Recorded]) -> Iterator[str]:
    """What `fields=` saves, as recorded: bytes, and no time (docs/decisions/0021)."""
    yield "recorded          fields=  calls  median ms  median bytes"
    for kind in ("GET /orders", "GET /orders/N", "GET /creditmemos"):
        for has_fields in (False, True):
            mine = [call for call in calls if (call.kind, call.has_fields) == (kind, has_fields)]
            size = statistics.median(call.size_bytes for call in mine)
            said = "yes" if has_fields else "no"
            yield f"{kind:<17} {said:<7} {len(mine):>6} {_ms(call.seconds for call in mine):>10} {size:>13.0f}"


class Magento:
    """The sandbox as a WSGI application that takes its time, and knows when each call began and ended."""

    def __init__(self, app: Callable[..., Iterable[bytes]], latencies: dict[str, float]) -> None:
        self._app = app
        self._latencies = latencies
        self._default = statistics.median(latencies.values())
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.perf_counter()
        body = list(self._app(environ, start_response))
        kind = kind_of(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        time.sleep(max(0.0, self._latencies.get(kind, self._default) - (time.perf_counter() - began)))
        with self._lock:
            self._calls.append(Call(kind=kind, began=began, ended=time.perf_counter()))
        return body

    def take(self) -> tuple[Call, ...]:
        with self._lock:
            taken, self._calls = tuple(self._calls), []
        return taken

    def has_read_back(self) -> bool:
        with self._lock:
            return any(call.kind == "GET /creditmemo/N" for call in self._calls)


def measure(count: int, latencies: dict[str, float]) -> list[Measured]:
    sandbox = build_sandbox(
        now=datetime.now(UTC) - timedelta(days=7), magento_version=VERSION, orders=_orders(count), token=TOKEN
    )
    magento = Magento(sandbox.app(), latencies)
    with tempfile.TemporaryDirectory() as folder, SandboxServer(magento) as server:  # type: ignore[arg-type]
        refundry = set_up(Path(folder), magento=server.url)
        Path(folder, "config", "stores", "main.toml").write_text(_STORE.format(magento=server.url))
        web, worker = refundry.start_web(), refundry.start_worker()
        try:
            wait_until(lambda: b"worker started" in worker.log.read_bytes(), "no worker", process=worker)
            return [_refund(refundry.port, magento, route, number) for number in range(count) for route in _ROUTES]
        finally:
            worker.stop()
            web.stop()


def _orders(count: int) -> list[Any]:
    by_number = {spec.increment_id: spec for spec in ORDERS_TO_TRY}
    return [
        replace(by_number[copied], increment_id=_number(route, each))
        for each in range(count)
        for route, (copied, _) in _ROUTES.items()
    ]


def _number(route: str, each: int) -> str:
    return f"{1 if route == 'offline' else 2}{each:08d}"


def _refund(port: int, magento: Magento, route: str, number: int) -> Measured:
    time.sleep(_BETWEEN_SECONDS)
    order = _number(route, number)
    event = {
        "type": "return.approved",
        "id": f"evt_{order}",
        "occurred_at": datetime.now(UTC).isoformat(),
        "return": {"id": f"RMA-{order}"},
        "order": {"increment_id": order},
        "lines": [{"sku": _ROUTES[route][1], "quantity": 1, "disposition": "sellable"}],
    }
    raw = json.dumps(event).encode()
    magento.take()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", PATH, raw, _signed(order, raw))
    answer = connection.getresponse()
    answer.read()
    acknowledged = time.perf_counter()
    connection.close()
    if answer.status != 202:
        raise RuntimeError(f"{order}: {answer.status}, wanted 202")
    ends = time.monotonic() + 30
    while not magento.has_read_back():
        if time.monotonic() > ends:
            raise RuntimeError(f"{order}: no memo after 30 s; calls: {[call.kind for call in magento.take()]}")
        time.sleep(0.005)
    return Measured(route=route, calls=magento.take(), acknowledged=acknowledged)


def _signed(name: str, raw: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    signature = base64.b64encode(hmac.digest(SECRET, f"msg_{name}.{timestamp}.".encode() + raw, "sha256")).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": f"msg_{name}",
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Acknowledgement to memo against Magento's own time, idle.")
    parser.add_argument("--refunds", type=int, default=20, help="of each route")
    parser.add_argument("--at-most", type=float, help="exit code 1 when a median ratio is above this")
    asked = parser.parse_args()
    calls = recorded_calls()
    if not calls:
        raise SystemExit(WITHOUT)
    for line in fields_lines(calls):
        click.echo(line)
    measured = measure(asked.refunds, latencies_of(calls))
    click.echo("route    calls Magento ms to memo ms to first call ms ratio: median  worst")
    ratios = []
    for route in _ROUTES:
        mine = [each for each in measured if each.route == route]
        ratios.append(statistics.median(each.ratio for each in mine))
        click.echo(
            f"{route:<8} {len(mine[0].calls):>5} {_ms(each.magento_seconds for each in mine):>10}"
            f" {_ms(each.memo_seconds for each in mine):>10} {_ms(each.before_first_call_seconds for each in mine):>16}"
            f" {ratios[-1]:>13.3f} {max(each.ratio for each in mine):>6.3f}"
        )
        click.echo(
            "         " + ", ".join(f"{call.kind} {(call.ended - call.began) * 1000:.0f}" for call in mine[0].calls)
        )
    if asked.at_most and max(ratios) > asked.at_most:
        raise SystemExit(f"above {asked.at_most}")


def _ms(seconds: Iterable[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f}"


if __name__ == "__main__":
    main()
