"""One schedule: senders, web, two workers and a shop, played to their end under one seed."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.core.lifecycle import DeliveryState
from service.core.policy import PaymentRules, ShippingRule, SourcePolicy, StorePolicy
from service.errors import RefundryError, StoreUnavailable
from service.flow.drift import check_once
from service.flow.receive import receive
from service.flow.worker import work_once
from service.magento import MagentoClient
from service.notify import Notifier
from service.runtime import Runtime
from service.sandbox.http import Answer, Request
from service.sandbox.shop import PAID, NotSavedError
from service.settings import (
    AdminAuth,
    Caps,
    Secret,
    ServiceSettings,
    Settings,
    SourceSettings,
    StandardWebhooksAuth,
    StoreSettings,
)
from service.sources import Incoming, sign
from service.store import DeliverySummary, RefundRow, Store, migrate
from service.store.engine import read_url
from service.store.store import store_on
from service.store.tables import metadata
from tests.simulation.boundaries import APPLICABLE, Boundary, Fault, Kind, Strike, boundary_at
from tests.simulation.processes import Killed, Memory, Process, SimulatedDatabase
from tests.simulation.scheduler import Scheduler
from tests.simulation.shop import MONDAY, hand_refund, open_shop
from tests.simulation.story import HandRefund, Message, Story
from tests.simulation.wire import SimulatedSession

BASE_URL = "http://shop.example"
WORKERS = ("worker-1", "worker-2")

#: The product's three days would be three hundred tries of whatever waits for a person's answer.
_GIVE_UP_SECONDS = 4 * 3600
_RETRY_MAX_SECONDS = 1800
_LEASE_SECONDS = 240

#: Fewer tries than the product's before an outcome can be known: each is the same look for the same memo.
_RETRY_FIRST_SECONDS = 30
_RETRY_FACTOR = 4.0

#: By then even a delivery that was given up is somebody's; whatever still waits waits for ever.
_HORIZON_SECONDS = 86_400

#: How often a sender tries; senders differ, but all give up some day.
_SENDER_TRIES = 30

_AN_HOUR = 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Paid:
    """A line of the gateway's ledger, and who asked for it."""

    order: str
    amount: Decimal
    client: str


@dataclass(kw_only=True, slots=True)
class Call:
    """A refund call of ours: its order's entity id, when it arrived, and when what it rests on was read."""

    order: int
    sent: int
    read: int
    #: The memo that it made.
    memo_id: int | None = None


@dataclass(kw_only=True)
class Log:
    """What really happened, as nobody in the play can see it; numbers are moments in the order of events."""

    acknowledged: list[Message] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    struck: list[Strike] = field(default_factory=list)
    #: Client → the order that it read last, by entity id, and the moment at which that reading was complete.
    read: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: (order entity id, moment) of each memo made by hand.
    hand_memos: list[tuple[int, int]] = field(default_factory=list)
    #: Each refund call that arrived, but those of staff.
    calls: list[Call] = field(default_factory=list)
    notifications: list[str] = field(default_factory=list)


class Lab:
    """What schedules share, as making it anew each time would take most of the time: a database, emptied for each."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'refundry.db'}"
        migrate(url)
        self.settings = _settings(url)
        self._memory = Memory(read_url(url))
        self._databases = {name: SimulatedDatabase(read_url(url), self._memory) for name in ("web", *WORKERS)}
        self._beside = self._memory.connection
        # Children first; to turn foreign keys off meanwhile would have SQLite prepare every statement anew.
        names = [table.name for table in reversed(metadata.sorted_tables)]
        self._emptying = [f"DELETE FROM {name}" for name in (*names, "sqlite_sequence")]

    def empty(self) -> None:
        self._beside.execute("BEGIN IMMEDIATE")
        for statement in self._emptying:
            self._beside.execute(statement)
        self._beside.execute("COMMIT")

    def connect(self, process: Process, slot: str) -> Store:
        """A store of its own: what a process remembers of the database dies with it."""
        self._databases[slot].process = process
        return store_on(self._databases[slot])

    def next_due(self) -> datetime | None:
        """When a worker will find something to do, if nobody says anything new."""
        (microseconds,) = self._beside.execute(
            "SELECT min(max(due_at, coalesce(lease_until, 0))) FROM"
            " (SELECT due_at, lease_until FROM deliveries"
            f" WHERE state IN ('{DeliveryState.RECEIVED}', '{DeliveryState.WAITING}')"
            " UNION ALL SELECT due_at, lease_until FROM drift_checks WHERE due_at IS NOT NULL)"
        ).fetchone()
        return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)

    def close(self) -> None:
        self._beside.close()


@contextmanager
def open_lab() -> Iterator[Lab]:
    with TemporaryDirectory(prefix="refundry-") as folder:
        lab = Lab(Path(folder))
        try:
            yield lab
        finally:
            lab.close()


class World:
    """`run` plays a story; `log`, `deliveries`, `refunds` and the shop tell what came of it."""

    def __init__(self, lab: Lab, story: Story) -> None:
        self.lab, self.story = lab, story
        self.settings = lab.settings if story.looks_later else _without_looks(lab.settings)
        self.scheduler = Scheduler(story.seed, horizon_seconds=_HORIZON_SECONDS)
        self.log = Log()
        self.clock_offset = timedelta(0)
        self._strikes = list(story.strikes)
        self._strikes_from = sorted(story.strikes_from)
        self._by_boundary = [refund for refund in story.hand_refunds if refund.at_boundary]
        self._processes = 0
        self._moment = 0
        self._web: tuple[Process, Runtime] | None = None
        self._web_back_at = 0.0
        lab.empty()
        self.sandbox = open_shop(
            story.magento_version,
            now=self._magento_seconds,
            stale_write_fails=lambda: self.scheduler.random.randrange(100) < story.deadlocks_percent,
        )
        self.sandbox.gateway.decline_next(story.gateway_declines)
        self.sandbox.gateway.latency_seconds = 0.3
        self.paid_before = len(self.sandbox.gateway.ledger)

    @property
    def lease_seconds(self) -> float:
        return self.settings.service.lease_seconds

    def now(self) -> datetime:
        return MONDAY + timedelta(seconds=self.scheduler.seconds) + self.clock_offset

    def _magento_seconds(self) -> float:
        return (MONDAY + timedelta(seconds=self.scheduler.seconds)).timestamp()

    def wait(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)

    def run(self) -> None:
        for name in WORKERS:
            self._start_worker(name, after_seconds=0)
        for message in self.story.messages:
            self.scheduler.spawn(
                f"sender {message.key}", lambda said=message: self._send(said), after_seconds=message.at_seconds
            )
        for refund in self.story.hand_refunds:
            if not refund.at_boundary:
                self.scheduler.spawn(
                    "admin", lambda made=refund: self._refund_by_hand(made), after_seconds=refund.at_seconds
                )
        self.scheduler.run()

    # --- what can be seen afterwards ----------------------------------------------------------------------------------

    @cached_property
    def deliveries(self) -> tuple[DeliverySummary, ...]:
        return self._onlooker().inbox.list(limit=100)

    @cached_property
    def refunds(self) -> tuple[RefundRow, ...]:
        return self._onlooker().refunds.list(limit=100)

    def _onlooker(self) -> Store:
        return self.lab.connect(Process("onlooker", _Nothing()), "web")

    # --- boundaries ---------------------------------------------------------------------------------------------------

    def arrive(self, process: Process, boundary: Boundary, what: str) -> Fault | None:
        """A scheduling point, and maybe a fault; what concerns everybody is played here, the rest by the caller."""
        self.scheduler.point(what)
        for refund in [each for each in self._by_boundary if each.at_boundary == boundary.name]:
            self._by_boundary.remove(refund)
            self._refund_by_hand(refund)
        if not process.is_alive:
            return None
        fault = self._strike(boundary)
        if fault is None:
            return None
        self.log.struck.append(Strike(boundary=boundary.name, fault=fault))
        self.scheduler.say(f"!! {boundary.name}: {fault}")
        if fault in {Fault.CLOCK_FORWARD, Fault.CLOCK_BACK}:
            self._put_clock(_AN_HOUR if fault is Fault.CLOCK_FORWARD else -_AN_HOUR)
            return None
        answers_late = fault is Fault.SLOW and boundary.kind in {Kind.READ, Kind.SIGN_IN, Kind.REFUND, Kind.EMAIL}
        if fault in {Fault.SLOW, Fault.PAUSED} and not answers_late:
            self.wait(self.lease_seconds + 60)
            return None
        return fault

    def _strike(self, boundary: Boundary) -> Fault | None:
        if self._strikes and self._strikes[0].boundary == boundary.name:
            return self._strikes.pop(0).fault
        if self._strikes_from and self.scheduler.points >= self._strikes_from[0]:
            self._strikes_from.pop(0)
            return self.scheduler.random.choice(APPLICABLE[boundary.kind])
        return None

    def _put_clock(self, seconds: float) -> None:
        self.clock_offset += timedelta(seconds=seconds)
        self.scheduler.wake("worker", self.settings.service.poll_seconds)
        # Whoever came to the boundary takes a moment, in which the others see the new time.
        self.wait(5)

    # --- senders and web ----------------------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        for _ in range(_SENDER_TRIES):
            if self._deliver(message):
                return
            self.wait(self.scheduler.random.uniform(5, 60))

    def _deliver(self, message: Message) -> bool:
        """Whether the sender heard that it was stored."""
        if self.scheduler.seconds < self._web_back_at:
            return False
        process, runtime = self._web or self._start_web()
        source = self.settings.sources["warehouse"]
        raw = _body(message)
        try:
            if process.arrive(boundary_at("webhook"), f"webhook {message.key}") in _UNHEARD:
                return False
            receive(runtime, source.name, Incoming(raw=raw, headers=sign(source, raw, self.now(), message.key)))
            self.scheduler.wake("worker", self.settings.service.poll_seconds)
            fault = process.arrive(boundary_at("answer"), f"answer {message.key}")
            if fault in _UNHEARD:
                return False
            self.log.acknowledged.append(message)
            if fault is Fault.CRASH_AFTER:
                process.die()
        except RefundryError as refused:
            self.scheduler.say(f"not stored: {refused.kind}")
            return False
        except Killed:
            self._web_died()
            return message in self.log.acknowledged
        return True

    def _start_web(self) -> tuple[Process, Runtime]:
        process = Process("web", self)

        def clock() -> datetime:
            process.arrive(boundary_at("clock of receive"), "verify")
            return self.now()

        self._web = process, self._runtime(process, "web", clock)
        return self._web

    def _web_died(self) -> None:
        self.scheduler.say("web died")
        self._web = None
        self._web_back_at = self.scheduler.seconds + 5

    # --- workers ------------------------------------------------------------------------------------------------------

    def _start_worker(self, slot: str, *, after_seconds: float) -> None:
        self._processes += 1
        process = Process(f"{slot}.{self._processes}", self)
        self.scheduler.spawn(process.name, lambda: self._work(process, slot), after_seconds=after_seconds)

    def _work(self, process: Process, slot: str) -> None:
        runtime = self._runtime(process, slot, self.now)
        try:
            while True:
                self._work_once(process, runtime)
        except Killed:
            self.scheduler.say("died")
            self._start_worker(slot, after_seconds=self.scheduler.random.uniform(1, 20))

    def _work_once(self, process: Process, runtime: Runtime) -> None:
        due_at = self.lab.next_due()
        if due_at is None or due_at > self.now():
            poll_seconds = self.scheduler.random.random() * runtime.settings.service.poll_seconds
            self.scheduler.sleep(None if due_at is None else (due_at - self.now()).total_seconds() + poll_seconds)
            return
        try:
            if not work_once(runtime, process.name) and not check_once(runtime, process.name):
                # Due, and its store is left alone.
                self.scheduler.sleep(runtime.settings.service.poll_seconds)
        except StoreUnavailable as error:
            self.scheduler.say(f"{error.kind}: pauses")
            self.scheduler.sleep(2)

    def _runtime(self, process: Process, slot: str, clock: Any) -> Runtime:
        settings = self.settings
        session = SimulatedSession(process, self)
        client = MagentoClient(
            settings.stores["main"], now=self.now, sleep=self.wait, session_factory=lambda _: session
        )
        return Runtime(
            settings=settings,
            store=self.lab.connect(process, slot),
            magento={"main": client},
            notifier=_People(process, self.log),
            clock=clock,
        )

    # --- Magento ------------------------------------------------------------------------------------------------------

    def serve(self, asked: Request, client: str, *, saves: bool = True) -> Answer:
        return self._finish(self._watched(asked, client, saves=saves), asked, client)

    def begin(self, asked: Request, client: str, *, goes_on_after_seconds: float) -> None:
        steps = self._watched(asked, client)
        next(steps, None)
        self.scheduler.spawn(
            f"magento for {client}", lambda: self._end(steps, asked, client), after_seconds=goes_on_after_seconds
        )

    def _end(self, steps: Generator[Any, None, Answer], asked: Request, client: str) -> None:
        self._finish(steps, asked, client)

    def _finish(self, steps: Generator[Any, None, Answer], asked: Request, client: str) -> Answer:
        while True:
            try:
                point = next(steps)
            except StopIteration as done:
                answer: Answer = done.value
                path = asked.path.partition("?")[0]
                self.scheduler.point(f"{client} is answered {answer.status} to {asked.method} {path}")
                return answer
            self.scheduler.point(f"magento: {point.name}")
            if point.seconds:
                # The lock on an order is asked for again every 2 ms; a tenth of a second tells as much.
                self.scheduler.sleep(max(point.seconds, 0.1))

    def _watched(self, asked: Request, client: str, *, saves: bool = True) -> Generator[Any, None, Answer]:
        """The request's steps, with what they did written down."""
        steps = self.sandbox.steps(asked)
        call = self._note_call(asked, client)
        point = None
        while True:
            lines, memos = len(self.sandbox.gateway.ledger), len(self.sandbox.shop.memos)
            try:
                point = steps.throw(NotSavedError()) if point == PAID and not saves else next(steps)
            except StopIteration as done:
                self._note_effects(client, lines, memos, call)
                if asked.method == "GET":
                    self._note_reading(client, asked, done.value)
                return done.value  # type: ignore[no-any-return]
            self._note_effects(client, lines, memos, call)
            yield point

    def _note_effects(self, client: str, lines: int, memos: int, call: Call | None) -> None:
        for line in self.sandbox.gateway.ledger[lines:]:
            if line.what == "refund":
                self.log.paid.append(Paid(order=line.order, amount=line.amount, client=client))
                self.scheduler.say(f"gateway pays {line.amount} back for {client}")
        for memo in list(self.sandbox.shop.memos.values())[memos:]:
            self.scheduler.say(f"memo {memo['entity_id']} for {client}: {memo['base_grand_total']}")
            if client == "admin":
                self._moment += 1
                self.log.hand_memos.append((memo["order_id"], self._moment))
            elif call is not None:
                call.memo_id = memo["entity_id"]

    def _note_reading(self, client: str, asked: Request, answer: Answer) -> None:
        """Memos that are read after their order belong to the same reading: what they show can be known."""
        if answer.status != 200:
            return
        self._moment += 1
        if "/orders" in asked.path:
            said = json.loads(answer.body)
            for order in said["items"] if "total_count" in said else [said]:
                self.log.read[client] = order["entity_id"], self._moment
        elif asked.path.partition("?")[0].endswith("/creditmemos") and client in self.log.read:
            self.log.read[client] = self.log.read[client][0], self._moment

    def _note_call(self, asked: Request, client: str) -> Call | None:
        if client == "admin" or not asked.path.endswith("/refund"):
            return None
        entity_id = int(asked.path.split("/")[-2])
        if "/invoice/" in asked.path:
            entity_id = self.sandbox.shop.invoices[entity_id]["order_id"]
        self._moment += 1
        order, read = self.log.read.get(client, (0, 0))
        self.log.calls.append(Call(order=entity_id, sent=self._moment, read=read if order == entity_id else 0))
        return self.log.calls[-1]

    def _refund_by_hand(self, made: HandRefund) -> None:
        self.serve(hand_refund(self.sandbox, made.order, made.sku, made.units), "admin")


def _without_looks(settings: Settings) -> Settings:
    stores = {name: replace(store, drift_check_after_seconds=0) for name, store in settings.stores.items()}
    return replace(settings, stores=stores)


_UNHEARD = (Fault.TIMEOUT_BEFORE, Fault.RESET_BEFORE)


class _Nothing:
    def arrive(self, process: Process, boundary: Boundary, what: str) -> Fault | None:
        return None


class _People(Notifier):
    """Who was told what, by a process that may die before or after it."""

    def __init__(self, process: Process, log: Log) -> None:
        self._process, self._log = process, log

    def needs_person(self, *, subject: str, code: str, reason: str) -> None:
        self._tell(f"{subject} needs a person: {code}")

    def refunded(self, *, subject: str, memo_id: int, order: str) -> None:
        self._tell(f"{subject} is credit memo {memo_id}")

    def _tell(self, text: str) -> None:
        fault = self._process.arrive(boundary_at("Notifier.refunded"), text)
        self._log.notifications.append(text)
        if fault is Fault.CRASH_AFTER:
            self._process.die()


def _body(message: Message) -> bytes:
    event = {
        "type": "return.approved",
        "id": message.event_id,
        "occurred_at": (MONDAY + timedelta(seconds=message.occurred_seconds)).isoformat(),
        "return": {"id": message.return_id},
        "order": {"increment_id": message.order},
        "lines": [{"sku": sku, "quantity": str(units), "disposition": how} for sku, units, how in message.lines],
    }
    return json.dumps(event).encode()


def _settings(url: str) -> Settings:
    store = StoreSettings(
        name="main",
        base_url=BASE_URL,
        instance=BASE_URL,
        # One later look instead of two: the second is the first again, a day later.
        drift_check_again_after_seconds=0,
        auth=AdminAuth(username=Secret("admin"), password=Secret("sandbox-password")),
        policy=StorePolicy(
            payments=PaymentRules(offline=("checkmo",), online=("sandbox*",)), shipping={"default": ShippingRule()}
        ),
        caps=Caps(),
    )
    source = SourceSettings(
        name="warehouse",
        kind="canonical",
        store="main",
        namespace="warehouse",
        secrets=(Secret(base64.b64encode(b"k" * 24)),),
        auth=StandardWebhooksAuth(),
        policy=SourcePolicy(),
        caps=Caps(),
    )
    return Settings(
        service=ServiceSettings(
            database_url=url,
            retry_give_up_after_seconds=_GIVE_UP_SECONDS,
            retry_first_seconds=_RETRY_FIRST_SECONDS,
            retry_factor=_RETRY_FACTOR,
            retry_max_seconds=_RETRY_MAX_SECONDS,
            # Too short for a call, so that the extension before it is a boundary too.
            lease_seconds=_LEASE_SECONDS,
        ),
        stores={"main": store},
        sources={"warehouse": source},
    )
