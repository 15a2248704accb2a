"""The sandbox store: a Magento in miniature that answers requests without a socket.

    store = SandboxStore(magento_version="2.4.6-p4")
    store.add_order(order, invoices, stock)
    answer = store.handle(Request(method="GET", path="/rest/V1/orders/1", headers=store.bearer()))

`handle` runs a request to its end and waits where real time would pass; `steps` lets a simulator choose who goes on.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from service.sandbox.access import Access, Integration
from service.sandbox.documents import Document
from service.sandbox.gateway import Gateway, LedgerLine
from service.sandbox.http import Answer, Request
from service.sandbox.order_view import without_copies
from service.sandbox.rest import serve
from service.sandbox.shop import Point, Shop, StoreSettings, never
from service.sandbox.stock import Stock
from service.sandbox.versions import DEFAULT_VERSION, QUIRKS

#: "Captured amount of $76.00 online. Transaction ID: "sbx-capture-…"": the only trace REST keeps of the gateway.
_GATEWAY_HISTORY = re.compile(
    r"(?P<what>Authorized amount of|Captured amount of|We refunded) (?P<amount>-?\D*[\d,.]*\d).*"
    r'Transaction ID: "(?P<txn>[^"]+)"'
)
_WHAT = {"Authorized amount of": "authorize", "Captured amount of": "capture", "We refunded": "refund"}
_TRANSACTION_KIND = {"authorize": "authorization", "capture": "capture", "refund": "refund"}


def wait(point: Point) -> None:
    if point.seconds:
        time.sleep(point.seconds)


class SandboxStore:
    """`now` is in seconds since 1970, `pause` is called wherever another request may go on; both are injectable."""

    def __init__(
        self,
        *,
        magento_version: str = DEFAULT_VERSION,
        settings: StoreSettings | None = None,
        now: Callable[[], float] = time.time,
        pause: Callable[[Point], None] = wait,
        integration: Integration | None = None,
        stale_write_fails: Callable[[], bool] = never,
        seed: str = "sandbox",
    ) -> None:
        if magento_version not in QUIRKS:
            raise ValueError(f"no sandbox for Magento {magento_version!r}; there is {', '.join(QUIRKS)}")
        quirks = QUIRKS[magento_version]
        self.shop = Shop(
            quirks=quirks,
            settings=settings or StoreSettings(),
            now=now,
            gateway=Gateway(seed=seed),
            stock=Stock({}),
            stale_write_fails=stale_write_fails,
        )
        self.access = Access(quirks=quirks, now=now, integration=integration or Integration())
        self._pause = pause
        self._lock = threading.RLock()

    @classmethod
    def from_documents(
        cls,
        before: Mapping[str, Any],
        store_settings: Mapping[str, Any],
        setup: Sequence[Mapping[str, Any]],  # noqa: ARG003  # a recording's parts go together; all it tells is in `before`
        magento_version: str,
        *,
        now: Callable[[], float] = time.time,
        pause: Callable[[Point], None] = wait,
        stale_write_fails: Callable[[], bool] = never,
        integration: Integration | None = None,
    ) -> SandboxStore:
        """A store that holds what a recording's `before` shows: orders, invoices, credit memos, stock."""
        codes = tuple(store_settings.get("display_currency", {"default": ""}))
        store = cls(
            magento_version=magento_version,
            settings=StoreSettings(
                store_codes=(*codes, "all"), base_currency=str(store_settings.get("base_currency", "USD"))
            ),
            now=now,
            pause=pause,
            stale_write_fails=stale_write_fails,
            integration=integration,
        )
        for order in before.get("orders", ()):
            of_order = [i for i in before.get("invoices", ()) if i["order_id"] == order["entity_id"]]
            store.add_order(order, of_order, {})
        store.shop.stock.add(before.get("stock", {}))
        for memo in before.get("creditmemos", ()):
            store.add_memo(memo)
        return store

    @property
    def gateway(self) -> Gateway:
        return self.shop.gateway

    def handle(self, request: Request) -> Answer:
        """Answers the request; waits where Magento would, and lets other threads go on meanwhile."""
        steps = self.steps(request)
        while True:
            with self._lock:
                try:
                    point = next(steps)
                except StopIteration as done:
                    answer: Answer = done.value
                    return answer
            self._pause(point)

    def steps(self, request: Request) -> Generator[Point, None, Answer]:
        """The request in steps: at each Point others may go on. Not for several threads, `handle` is."""
        return serve(self.shop, self.access, request)

    def next_id(self, kind: str) -> int:
        """A fresh id; kinds are order, order item, invoice, memo, address, quote … and count apart."""
        with self._lock:
            return self.shop.next_id(kind)

    def next_increment_id(self, kind: str, store_id: int = 1) -> str:
        with self._lock:
            return self.shop.next_increment_id(kind, store_id)

    def add_order(
        self, order: Document, invoices: Iterable[Document] = (), stock: Mapping[str, Document] | None = None
    ) -> None:
        """Takes over full documents as REST shows them, ids and increment ids already given.

        `stock` is per SKU `{"source_items": [{"source_code", "quantity"}], "salable"}`; a known SKU is replaced.
        What the gateway did for the order is read from its status histories.
        """
        with self._lock:
            kept = without_copies(order)
            self.shop.keep_order(kept)
            _note_ids(self.shop, kept)
            for invoice in invoices:
                self.shop.invoices[invoice["entity_id"]] = invoice
                self.shop.note_id("invoice", invoice["entity_id"])
                _note_increment(self.shop, "invoice", invoice)
                for item in invoice["items"]:
                    self.shop.note_id("invoice item", item["entity_id"])
            self.shop.stock.add(stock or {})
            self._note_gateway(kept)

    def add_memo(self, memo: Document) -> None:
        """Takes over a credit memo; its first comment is taken for its note."""
        with self._lock:
            shop = self.shop
            shop.memos[memo["entity_id"]] = memo
            shop.note_id("memo", memo["entity_id"])
            _note_increment(shop, "memo", memo)
            for item in memo["items"]:
                shop.note_id("memo item", item["entity_id"])
            for comment in memo["comments"]:
                shop.note_id("memo comment", comment["entity_id"])
            if memo["comments"]:
                shop.memo_notes[memo["entity_id"]] = memo["comments"][0]["comment"]

    def bearer(self, username: str = "admin") -> dict[str, str]:
        """Headers of a signed-in admin, with a fresh token."""
        with self._lock:
            token = self.access.issue_admin_token(username, self.access.admins[username])
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def order_of(self, request: Request) -> str | None:
        """The increment_id of the order a request's path is about; None where it names none."""
        found = re.search(r"/(orders?|invoices?|creditmemo)/(\d+)(?:/|$)", request.path.partition("?")[0])
        if found is None:
            return None
        entity_id = int(found.group(2))
        with self._lock:
            if found.group(1).startswith("invoice"):
                entity_id = self.shop.invoices.get(entity_id, {}).get("order_id", 0)
            elif found.group(1) == "creditmemo":
                entity_id = self.shop.memos.get(entity_id, {}).get("order_id", 0)
            order = self.shop.orders.get(entity_id)
        return None if order is None else str(order["increment_id"])

    def _note_gateway(self, order: Document) -> None:
        parents: dict[str, Document] = {}
        for history in sorted(order["status_histories"], key=lambda line: line["entity_id"]):
            found = _GATEWAY_HISTORY.search(history.get("comment") or "")
            if found is None:
                continue
            what = _WHAT[found["what"]]
            amount = Decimal(re.sub(r"[^\d.-]", "", found["amount"]))
            at = datetime.strptime(history["created_at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
            line = LedgerLine(
                at=at,
                what=what,
                method=order["payment"]["method"],
                order=order["increment_id"],
                amount=amount,
                txn=found["txn"],
            )
            self.gateway.note([line])
            parent = parents.get("capture") if what == "refund" else parents.get("authorize")
            transaction = self.shop.keep_transaction(
                order, txn=found["txn"], kind=_TRANSACTION_KIND[what], parent=parent, at=history["created_at"]
            )
            parents.setdefault(what, transaction)


def _note_ids(shop: Shop, order: Document) -> None:
    shop.note_id("order", order["entity_id"])
    _note_increment(shop, "order", order)
    for item in order["items"]:
        shop.note_id("order item", item["item_id"])
    for history in order["status_histories"]:
        shop.note_id("history", history["entity_id"])


def _note_increment(shop: Shop, kind: str, document: Document) -> None:
    store_id = int(document.get("store_id", 1))
    digits = str(document["increment_id"])
    if digits.isdigit():
        used = int(digits) if store_id <= 1 else int(digits.removeprefix(str(store_id)))
        shop.note_id(f"{kind} increment {store_id}", used)
