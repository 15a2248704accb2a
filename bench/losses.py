"""What is lost after an acknowledgement: everything is taken in, then something dies or the store closes.

Three trials. *Receiver killed*: SIGKILL to all that receives and works, right after the last acknowledgement, and a new
start. *Broker killed*: the same with what holds the queue. *Store closed*: it answers 503 from before the first event
until some time after the last. Counted is what the store was told once nothing moves any more.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench import load, messages
from bench.ours import PATH, Refundry, set_up
from bench.processes import Running, free_port, is_listening, running, wait_until

#: What the store takes for one refund.
STORE_SECONDS = 0.2

#: Of our service's clock in these trials: five minutes of a dead worker's lease pass in fifteen seconds.
SPEED = 20

_CONNECTIONS = 16


class System(Protocol):
    port: int

    def start(self, *, works: bool = True) -> None: ...
    def start_receiver(self, *, works: bool = True) -> None: ...
    def kill_receiver(self) -> None: ...
    def stop(self) -> None: ...


class Store(Protocol):
    """Where refunds arrive."""

    url: str

    def close_shop(self) -> None: ...
    def open_shop(self) -> None: ...
    def refunds(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    system: str
    trial: str
    acknowledged: int
    #: Acknowledged, and the store was never told.
    lost: int
    #: The store was told more than once.
    doubled: int
    #: How long was waited for what was still missing, from the last event that reached the store.
    waited_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    events: int
    closed_seconds: float
    #: Nothing has reached the store for this long: nothing more will.
    quiet_seconds: float


def try_receiver_killed(name: str, system: System, store: Store, trial: Trial) -> Loss:
    acknowledged = _send(system, trial)
    system.kill_receiver()
    system.start_receiver()
    return _count(name, "receiver killed", acknowledged, store, trial)


def try_broker_killed(name: str, system: Any, store: Store, trial: Trial) -> Loss:
    acknowledged = _send(system, trial)
    system.kill_broker()
    system.kill_receiver()
    system.start()
    return _count(name, "broker killed", acknowledged, store, trial)


def try_store_closed(name: str, system: System, store: Store, trial: Trial) -> Loss:
    store.close_shop()
    acknowledged = _send(system, trial)
    time.sleep(trial.closed_seconds)
    store.open_shop()
    return _count(name, f"store closed {trial.closed_seconds:.0f} s", acknowledged, store, trial)


def order_names(count: int) -> list[str]:
    return [f"{800_000_000 + number:09d}" for number in range(count)]


def _send(system: System, trial: Trial) -> list[str]:
    """The orders whose events were acknowledged."""
    orders = order_names(trial.events)
    acknowledged: list[str] = []
    requests = messages.requests(iter(orders), len(orders), path=getattr(system, "path", PATH))
    load.send(
        system.port,
        requests,
        connections=min(_CONNECTIONS, trial.events),
        heard=lambda number, _: acknowledged.append(orders[number]),
    )
    return acknowledged


def _count(name: str, trial_name: str, acknowledged: list[str], store: Store, trial: Trial) -> Loss:
    seen, moved_at = -1, time.monotonic()
    while True:
        refunds = store.refunds()
        missing = [order for order in acknowledged if not refunds.get(order)]
        if len(missing) != seen:
            seen, moved_at = len(missing), time.monotonic()
        if not missing or time.monotonic() - moved_at > trial.quiet_seconds:
            break
        time.sleep(0.5)
    return Loss(
        system=name,
        trial=trial_name,
        acknowledged=len(acknowledged),
        lost=len(missing),
        doubled=sum(1 for order in acknowledged if refunds.get(order, 0) > 1),
        waited_seconds=time.monotonic() - moved_at,
    )


# --- stores -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainStore:
    """Of the peers; see bench/shop.py."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close_shop(self) -> None:
        _ask(f"{self.url}/closed", "POST")

    def open_shop(self) -> None:
        _ask(f"{self.url}/open", "POST")

    def refunds(self) -> Mapping[str, int]:
        refunds: dict[str, int] = _ask(f"{self.url}/refunds")
        return refunds


@dataclass(frozen=True, kw_only=True, slots=True)
class Magento:
    """Ours: the sandbox store, whose credit memos are counted."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close_shop(self) -> None:
        _ask(f"{self.url}/sandbox/faults", "POST", b"* * maintenance")

    def open_shop(self) -> None:
        _ask(f"{self.url}/sandbox/faults", "DELETE")
        self.take_time()

    def take_time(self) -> None:
        _ask(f"{self.url}/sandbox/faults", "POST", f"POST */refund latency seconds={STORE_SECONDS}".encode())

    def refunds(self) -> Mapping[str, int]:
        return Counter(
            {order["increment_id"]: len(order["creditmemos"]) for order in _ask(f"{self.url}/sandbox/orders")}
        )


@contextmanager
def plain_store(folder: Path, environ: Mapping[str, str], *, seconds: float = STORE_SECONDS) -> Iterator[PlainStore]:
    port = free_port()
    command = (sys.executable, "-m", "bench.shop", str(port), str(seconds))
    with running(command, folder=folder, name="shop", environ=environ) as shop:
        wait_until(lambda: is_listening(port), "the shop does not listen", process=shop)
        yield PlainStore(port=port)


@contextmanager
def magento(folder: Path, environ: Mapping[str, str], orders: int) -> Iterator[Magento]:
    port = free_port()
    command = (sys.executable, "-m", "bench.sandbox", str(port), str(orders))
    with running(command, folder=folder, name="sandbox", environ=environ) as shop:
        wait_until(lambda: is_listening(port), "the sandbox does not listen", process=shop)
        store = Magento(port=port)
        store.take_time()
        yield store


@dataclass(kw_only=True, slots=True)
class Ours:
    """Web and worker, of which both are killed: what holds the queue is the database, and it has no process."""

    refundry: Refundry
    parts: list[Running]

    @property
    def port(self) -> int:
        return self.refundry.port

    def start(self, *, works: bool = True) -> None:
        self.start_receiver(works=works)

    def start_receiver(self, *, works: bool = True) -> None:
        if works:
            worker = self.refundry.start_worker()
            self.parts.append(worker)
            wait_until(
                lambda: b"worker started" in worker.log.read_bytes(), "the worker does not start", process=worker
            )
        self.parts.append(self.refundry.start_web())

    def kill_receiver(self) -> None:
        for part in self.parts:
            part.kill()
        self.parts.clear()

    def stop(self) -> None:
        for part in self.parts:
            part.stop()
        self.parts.clear()

    def resident_bytes(self) -> int:
        return sum(sum(part.resident_bytes()) for part in self.parts)


def ours(folder: Path, store: str, *, database_url: str | None = None, speed: float = SPEED) -> Ours:
    return Ours(refundry=set_up(folder, magento=store, database_url=database_url, speed=speed), parts=[])


_Try = Callable[[str, Any, Store, Trial], Loss]

TRIALS: tuple[_Try, ...] = (try_receiver_killed, try_broker_killed, try_store_closed)


def _ask(url: str, method: str = "GET", data: bytes | None = None) -> Any:
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "text/plain"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())
