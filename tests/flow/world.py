"""The real service around the sandbox store, without a socket: real settings, real SQLite, a clock that a test moves.

Requests of the Magento client go straight to the sandbox's `handle`, through the sandbox's fault rules. What is faked
is the wire and the clock, nothing of ours.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from service.core.lifecycle import DeliveryState
from service.core.policy import PaymentRules, ShippingRule, SourcePolicy, StorePolicy
from service.flow.drift import check_once
from service.flow.receive import receive
from service.flow.worker import work_once
from service.magento import MagentoClient
from service.notify import Notifier
from service.runtime import Runtime
from service.sandbox.faults import Faults, parse_fault
from service.sandbox.http import Answer, ConnectionDropped, Request
from service.sandbox.orders_to_try import ORDERS_TO_TRY, build
from service.sandbox.store import SandboxStore
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
from service.store import migrate, open_store

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BASE_URL = "http://shop.example"


class Clock:
    def __init__(self, now=MONDAY):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += timedelta(seconds=float(seconds))


class SandboxAdapter(BaseAdapter):
    """Hands requests to the sandbox as its server would; a dropped connection looks as it does on the wire."""

    def __init__(self, world):
        super().__init__()
        self._world, self._log = world, world.requests

    def send(self, request, **_options):
        parts = urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        asked = Request(
            method=request.method,
            path=path,
            headers=dict(request.headers),
            body=body.encode() if isinstance(body, str) else body,
            scheme=parts.scheme,
            host=parts.netloc,
        )
        self._log.append(asked)
        self._world.let_late_effects_happen()
        if self._world.gives_up_on(asked):
            raise requests.ReadTimeout(request=request)
        try:
            answer = self._world.faults.apply(asked, self._world.sandbox.handle)
        except ConnectionDropped as dropped:
            raise requests.ConnectionError(ProtocolError("Connection aborted.", dropped), request=request) from dropped
        return self._response(request, answer)

    def close(self):
        pass

    def _response(self, request, answer: Answer):
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update({"Content-Type": answer.content_type, **answer.headers})
        length = int(answer.headers.get("Content-Length", len(answer.body)))
        response.raw = HTTPResponse(body=_Body(answer.body, length), preload_content=False)
        response.url, response.request = request.url, request
        return response


class _Body:
    """A body that ends too early when fewer bytes came than were promised."""

    def __init__(self, content, promised):
        self._left, self._missing, self.closed = content, promised > len(content), False

    def read(self, amount=-1):
        amount = len(self._left) if amount is None or amount < 0 else amount
        part, self._left = self._left[:amount], self._left[amount:]
        if not part and self._missing:
            raise ProtocolError("IncompleteRead")
        return part

    def close(self):
        self.closed = True


@cache
def _migrated():
    """An empty database as its migrations make it; making it anew takes most of a short test."""
    with TemporaryDirectory() as folder:
        migrate(f"sqlite:///{folder}/refundry.db")
        return Path(folder, "refundry.db").read_bytes()


@dataclass
class World:
    tmp_path: object
    version: str = "2.4.6-p4"
    store_changes: dict = field(default_factory=dict)
    source_changes: dict = field(default_factory=dict)
    policy_changes: dict = field(default_factory=dict)
    specs: tuple = ORDERS_TO_TRY
    #: Of a migrated database; without it, of a file of its own.
    url: str = ""

    def __post_init__(self):
        self.clock = Clock()
        self.sandbox = SandboxStore(magento_version=self.version, now=self.seconds, pause=self._pause)
        self.faults = Faults(gateway=self.sandbox.gateway, order_of=self.sandbox.order_of, sleep=self.clock.advance)
        self.orders = {
            order.increment_id: order.entity_id
            for order in build(self.sandbox, self.specs, now=self.clock.now - timedelta(days=7))
        }
        self.requests = []
        self._late_seconds, self._late = [], []
        self.people = People()
        if not self.url:
            self.url = f"sqlite:///{self.tmp_path}/refundry.db"
            Path(self.tmp_path, "refundry.db").write_bytes(_migrated())
        self._stores = []
        self.settings = self._settings()
        self.runtime = self.new_process()
        self._delivered = 0

    def seconds(self):
        return self.clock.now.timestamp()

    def _pause(self, point):
        if point.seconds:
            self.clock.advance(point.seconds)

    def _settings(self):
        policy = {
            "payments": PaymentRules(
                offline=("checkmo", "banktransfer", "cashondelivery", "purchaseorder"), online=("sandbox*",)
            ),
            "shipping": {"default": ShippingRule()},
            **self.policy_changes,
        }
        store = {
            "name": "main",
            "base_url": BASE_URL,
            "instance": BASE_URL,
            "auth": AdminAuth(username=Secret("admin"), password=Secret("sandbox-password")),
            "policy": StorePolicy(**policy),
            "caps": Caps(),
            **self.store_changes,
        }
        source = {
            "name": "warehouse",
            "kind": "canonical",
            "store": "main",
            "namespace": "warehouse",
            "secrets": (Secret(base64.b64encode(b"k" * 24)),),
            "auth": StandardWebhooksAuth(),
            "policy": SourcePolicy(),
            "caps": Caps(),
            **self.source_changes,
        }
        return Settings(
            service=ServiceSettings(database_url=self.url),
            stores={"main": StoreSettings(**store)},
            sources={"warehouse": SourceSettings(**source)},
        )

    def new_process(self):
        """Another process on the same database, as after a crash or on a second machine."""
        self._stores.append(open_store(self.url))
        return Runtime(
            settings=self.settings,
            store=self._stores[-1],
            magento={"main": self.client()},
            notifier=self.people,
            clock=self.clock,
        )

    def close(self):
        for store in self._stores:
            store.close()

    def client(self):
        return MagentoClient(
            self.settings.stores["main"], now=self.clock, sleep=self.clock.advance, session_factory=self._session
        )

    def _session(self, _connections=1):
        session = requests.Session()
        session.mount("http://", SandboxAdapter(self))
        return session

    def fault(self, text):
        self.faults.add(parse_fault(text))

    def answer_late(self, seconds):
        """The next refund call takes so long that the client gives up; Magento does not."""
        self._late_seconds.append(seconds)

    def gives_up_on(self, asked):
        if not self._late_seconds or not asked.path.endswith("/refund"):
            return False
        self._late.append((self.clock.now + timedelta(seconds=self._late_seconds.pop(0)), asked))
        self.clock.advance(self.settings.stores["main"].refund_read_timeout_seconds)
        return True

    def let_late_effects_happen(self):
        due = [asked for at, asked in self._late if at <= self.clock.now]
        self._late = [(at, asked) for at, asked in self._late if at > self.clock.now]
        for asked in due:
            self.sandbox.handle(asked)

    # --- what a sender, a worker and an operator do ---------------------------------------------------------------

    def say(self, order, *lines, return_id="RMA-1001", event_id=None, delivery_id=None, **more):
        """Post a signed return.approved event; `lines` are (sku, quantity, disposition) or dictionaries."""
        self._delivered += 1
        event = {
            "type": "return.approved",
            "id": event_id or f"evt_{self._delivered:04d}",
            "occurred_at": self.clock.now.isoformat(),
            "return": {"id": return_id},
            "order": {"increment_id": order} if isinstance(order, str) else {"entity_id": order},
            "lines": [line if isinstance(line, dict) else a_line(*line) for line in lines],
            **more,
        }
        return self.post(json.dumps(event).encode(), delivery_id or f"msg_{self._delivered:04d}")

    def post(self, raw, delivery_id):
        source = self.settings.sources["warehouse"]
        return receive(
            self.runtime,
            "warehouse",
            Incoming(raw=raw, headers=sign(source, raw, self.clock.now, delivery_id)),
        )

    def work(self, runtime=None):
        """Let a worker do all that is due now."""
        while work_once(runtime or self.runtime, "worker-1"):
            pass

    def look(self, runtime=None):
        """Let a worker take every later look at a refund that is due now; how many there were."""
        looks = 0
        while check_once(runtime or self.runtime, "worker-1"):
            looks += 1
        return looks

    def work_until_idle(self, runtime=None, *, at_most_seconds=200_000):
        """Let time pass from one due delivery to the next until none is waiting."""
        ends = self.clock.now + timedelta(seconds=at_most_seconds)
        while True:
            self.work(runtime)
            waiting = [each for each in self.deliveries() if each.due_at is not None]
            if not waiting or self.clock.now > ends:
                return
            due = min(max(each.due_at, each.lease_until or each.due_at) for each in waiting)
            self.clock.advance(max((due - self.clock.now).total_seconds(), 0) + 1)

    # --- what can be seen afterwards ------------------------------------------------------------------------------

    def deliveries(self):
        return self.runtime.store.inbox.list(limit=500)

    def delivery(self, received):
        return self.runtime.store.inbox.delivery(received.delivery_id)

    def state(self, received) -> tuple[DeliveryState, str]:
        delivery = self.delivery(received)
        return delivery.state, delivery.reason_code

    def refunds(self):
        return self.runtime.store.refunds.list(limit=500)

    def posts(self):
        """The refund calls that reached the sandbox: (path, body)."""
        return [
            (asked.path, json.loads(asked.body))
            for asked in self.requests
            if asked.method == "POST" and asked.path.endswith("/refund")
        ]

    def calls(self):
        """Every call but signing in: (method, path without query)."""
        paths = [(asked.method, asked.path.partition("?")[0]) for asked in self.requests]
        return [(method, path) for method, path in paths if not path.endswith("/admin/token")]

    def memos(self, order=None):
        entity_id = self.orders[order] if order else None
        memos = self.sandbox.shop.memos.values()
        return [memo for memo in memos if entity_id in (None, memo["order_id"])]

    def paid_back(self, order=None):
        """What the gateway paid back, by its own ledger."""
        lines = [line for line in self.sandbox.gateway.ledger if line.what == "refund" and order in (None, line.order)]
        return [line.amount for line in lines]

    def item(self, order, sku, *, parent=False):
        """The id of an order's item by SKU; `parent` picks the line that has parts."""
        items = self.sandbox.shop.orders[self.orders[order]]["items"]
        parents = {each.get("parent_item_id") for each in items}
        found = [each["item_id"] for each in items if each["sku"] == sku and (each["item_id"] in parents) is parent]
        return found[0]


@dataclass
class People(Notifier):
    """Who was told what."""

    told: list = field(default_factory=list)
    refunded_told: list = field(default_factory=list)

    def needs_person(self, *, subject, code, reason):
        self.told.append((subject, code, reason))

    def refunded(self, *, subject, memo_id, order):
        self.refunded_told.append((subject, memo_id, order))


def a_line(sku, quantity="1", disposition="sellable"):
    return {"sku": sku, "quantity": str(quantity), "disposition": disposition}


def dollars(*amounts):
    return [Decimal(amount) for amount in amounts]
