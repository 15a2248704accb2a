"""Runs one recording against a fresh sandbox store and gathers the differences.

The store sees `magento_version`, `store`, `setup` and `before`, then the requests. What the world around it did (the
gateway declined, the client gave up, the database found a deadlock, who of two came first) is set up from the
recording, for it is not the store's to know. Calls at once are put side by side at the store's own pause points.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service.sandbox import documents
from service.sandbox.http import Answer, Request
from service.sandbox.order_view import show_order
from service.sandbox.shop import Point
from service.sandbox.store import SandboxStore
from tests.conformance.comparison import (
    compare_answer,
    compare_ledger,
    compare_state,
    compare_stock,
    to_places,
)
from tests.conformance.ids import IdPairs, find_answer_kind
from tests.conformance.recordings import Exchange, Recording
from tests.conformance.signing import Signer

#: Recorded times are rounded to milliseconds; calls that overlap by less did not.
_CLEARLY_S = 0.01
_NOT_SAVED = "Could not save a Creditmemo"

Steps = Generator[Point, None, Answer]


def find_differences(recording: Recording) -> tuple[str, ...]:
    """Everything in which the sandbox differs from the recording; empty when they are equal."""
    replay = _Replay(recording)
    try:
        replay.run()
    except Exception as broken:  # noqa: BLE001  # whatever breaks is a difference, and the other recordings still count
        replay.differences.append(f"the replay broke: {type(broken).__name__}: {broken}")
    return tuple(replay.differences)


@dataclass(slots=True)
class _Running:
    exchange: Exchange
    steps: Steps
    answer: Answer | None = None


@dataclass
class _Replay:
    recording: Recording
    ids: IdPairs = field(default_factory=IdPairs)
    differences: list[str] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)
    _abandoned: list[_Running] = field(default_factory=list)
    _deadlock: bool = False
    _seconds: float = 0.0

    def __post_init__(self) -> None:
        document = self.recording.document
        self.start = _find_start(document["before"])
        self.store = SandboxStore.from_documents(
            document["before"],
            document["store"],
            document["setup"],
            document["magento_version"],
            now=lambda: self.start + self._seconds,
            stale_write_fails=lambda: self._deadlock,
        )
        self.signer = Signer(self.store)
        self.sandbox_before = self._read_state()
        self._declines = _find_declines(document)

    def run(self) -> None:
        self._note(compare_state(self.recording.document["before"], self.sandbox_before, self.ids), "before")
        for group in _group(self.recording.exchanges):
            self._seconds = group[0].at_s
            self._run_group(group)
        while self._abandoned:
            self._drain(self._abandoned.pop(0))
        self._compare_after()
        if self.recording.has_chance and self.differences:
            self.differences.clear()
            self._note(self._compare_outcomes(), "outcomes")

    def _compare_after(self) -> None:
        document = self.recording.document
        after = self._read_state()
        self._note(compare_state(document["after"], after, self.ids), "after")
        if self._stock_counts:
            self._note(self._compare_stock(after), "after")
        self._note(compare_ledger(document["gateway"], self._read_ledger()), "gateway")

    def _run_group(self, group: Sequence[Exchange]) -> None:
        """Calls at once all read before any of them writes; those that were refused come last."""
        for exchange in group:
            self._finish_abandoned_before(exchange)
        running = [_Running(exchange, self._start(exchange)) for exchange in sorted(group, key=_finishing_order)]
        if len(running) > 1 or running[0].exchange.response is None:
            for one in running:
                self._advance(one)
        for one in running:
            if one.exchange.response is None:
                self._abandoned.append(one)
            else:
                self._deadlock = len(group) > 1 and _is_not_saved(one.exchange)
                answer = self._drain(one)
                self._deadlock = False
                self._check(one.exchange, answer)

    def _check(self, exchange: Exchange, answer: Answer) -> None:
        self.answers[exchange.number] = answer
        place = f"#{exchange.number} {exchange.method} {_shorten_path(exchange.path)}"
        self._note(compare_answer(exchange, answer, self.ids), place)

    def _start(self, exchange: Exchange) -> Steps:
        request = exchange.request
        path = self.ids.translate_path(exchange.path)
        headers = dict(request.get("headers") or {})
        if "Authorization" in headers:
            headers["Authorization"] = self.signer.fill_in(headers["Authorization"], exchange.method, path)
        if "body_raw" in request:
            body = self._translate_raw(str(request["body_raw"]))
        elif request.get("body") is None:
            body = b""
        else:
            body = documents.serialize(self.ids.translate_body(request["body"]))
        return self.store.steps(Request(method=exchange.method, path=path, headers=headers, body=body))

    def _translate_raw(self, body: str) -> bytes:
        def translate(found: re.Match[str]) -> str:
            return found.group(1) + self.ids.translate("order item", found.group(2))

        return re.sub(r'("order_item_id":\s*)(\d+)', translate, body).encode()

    def _advance(self, running: _Running) -> None:
        self._prepare_gateway(running.exchange)
        try:
            next(running.steps)
        except StopIteration as done:
            running.answer = done.value

    def _drain(self, running: _Running) -> Answer:
        if running.answer is None and running.exchange.response is not None:
            self._prepare_gateway(running.exchange)
        while running.answer is None:
            try:
                next(running.steps)
            except StopIteration as done:
                running.answer = done.value
        return running.answer

    def _prepare_gateway(self, exchange: Exchange) -> None:
        if exchange.number in self._declines:
            self._declines.discard(exchange.number)
            self.store.gateway.decline_next(1)

    def _finish_abandoned_before(self, exchange: Exchange) -> None:
        """A call whose client gave up ends when the recording first shows a memo that nobody else has made."""
        if not self._abandoned:
            return
        shown = _memo_ids(exchange)
        if any(not self.ids.knows("memo", memo_id) for memo_id in shown):
            self._drain(self._abandoned.pop(0))

    def _read_state(self) -> dict[str, Any]:
        shop = self.store.shop
        state = {
            "orders": [show_order(order) for order in shop.orders.values()],
            "invoices": list(shop.invoices.values()),
            "creditmemos": list(shop.memos.values()),
            "stock": shop.stock.to_documents(),
        }
        read: dict[str, Any] = documents.parse(documents.serialize(state))
        return read

    def _read_ledger(self) -> list[dict[str, Any]]:
        return [
            {"what": line.what, "amount": line.amount, "order": line.order, "txn": line.txn}
            for line in self.store.gateway.ledger
        ]

    def _note(self, differences: Iterator[str], place: str) -> None:
        self.differences.extend(f"{place}: {difference}" for difference in differences)

    def _compare_outcomes(self) -> Iterator[str]:
        """Each order's outcome has to be one that was recorded for an order asked the same."""
        recorded = _outcomes(
            self.recording.document, self.recording.exchanges, self.recording.document["gateway"], None
        )
        state = self._read_state()
        ours = _outcomes(
            {**self.recording.document, "after": state}, self.recording.exchanges, self._read_ledger(), self.answers
        )
        possible = Counter(recorded.values())
        for order, outcome in ours.items():
            if outcome not in possible:
                yield f"order {order}: {outcome} is none of {', '.join(map(str, possible))}"
        if self._stock_counts:
            yield from self._compare_stock(state)

    @property
    def _stock_counts(self) -> bool:
        """Calls at once lose stock moves in 2.4.1, which ones is chance."""
        return self.store.shop.quirks.moves_stock_atomically or not self.recording.has_chance

    def _compare_stock(self, state: dict[str, Any]) -> Iterator[str]:
        document = self.recording.document
        before, after = document["before"]["stock"], document["after"]["stock"]
        return compare_stock(before, after, self.sandbox_before["stock"], state["stock"])


def _outcomes(
    document: dict[str, Any],
    exchanges: Sequence[Exchange],
    ledger: Sequence[dict[str, Any]],
    answers: dict[int, Answer] | None,
) -> dict[int, tuple[Any, ...]]:
    """Per order: statuses of its calls, number of memos, number of gateway refunds, total refunded."""
    order_of_invoice = {invoice["entity_id"]: invoice["order_id"] for invoice in document["before"]["invoices"]}
    statuses: dict[int, list[int]] = {}
    for exchange in exchanges:
        found = re.search(r"/(order|invoice)/(\d+)/refund", exchange.path)
        if found is None:
            continue
        number = int(found.group(2))
        order_id = number if found.group(1) == "order" else order_of_invoice[number]
        status = exchange.status if answers is None else answers[exchange.number].status
        statuses.setdefault(order_id, []).append(status or 0)
    outcomes = {}
    for order in document["after"]["orders"]:
        order_id = order["entity_id"]
        memos = [memo for memo in document["after"]["creditmemos"] if memo["order_id"] == order_id]
        refunds = [line for line in ledger if line["order"] == order["increment_id"] and line["what"] == "refund"]
        total = to_places(order.get("total_refunded", 0))
        outcomes[order_id] = (tuple(sorted(statuses.get(order_id, []))), len(memos), len(refunds), total)
    return outcomes


def _group(exchanges: Sequence[Exchange]) -> Iterator[list[Exchange]]:
    """Calls that clearly ran at the same time, in one list; every other call alone."""
    group: list[Exchange] = []
    for exchange in exchanges:
        is_at_once = (
            group
            and not group[-1].is_read
            and group[-1].response is not None
            and exchange.at_s < max(one.ends_s for one in group) - _CLEARLY_S
        )
        if group and not is_at_once:
            yield group
            group = []
        group.append(exchange)
    if group:
        yield group


def _finishing_order(exchange: Exchange) -> tuple[bool, int]:
    memo_id = str(exchange.body)
    return exchange.status != 200, int(memo_id) if memo_id.isdigit() else exchange.number


def _is_not_saved(exchange: Exchange) -> bool:
    return isinstance(exchange.body, dict) and _NOT_SAVED in str(exchange.body.get("message"))


def _find_declines(document: dict[str, Any]) -> set[int]:
    """Numbers of the exchanges whose call the gateway declined, by the ledger's lines order by order."""
    increment_of_order = {order["entity_id"]: order["increment_id"] for order in document["before"]["orders"]}
    order_of_invoice = {invoice["entity_id"]: invoice["order_id"] for invoice in document["before"]["invoices"]}
    lines = [line for line in document["gateway"] if line["what"].startswith("refund")]
    waiting = {
        increment: [line["what"] for line in lines if line["order"] == increment]
        for increment in increment_of_order.values()
    }
    for memo in document["before"]["creditmemos"]:
        if "transaction_id" in memo:
            waiting[increment_of_order[memo["order_id"]]].pop(0)
    declined = set()
    for number, exchange in enumerate(document["exchanges"]):
        found = re.search(r"/invoice/(\d+)/refund", exchange["request"]["path"])
        if found is None or int(found.group(1)) not in order_of_invoice:
            continue
        response = exchange.get("response") or {"status": 200, "body": None}
        body = response["body"]
        is_paid = response["status"] == 200 or (isinstance(body, dict) and _NOT_SAVED in str(body.get("message")))
        asked = exchange["request"].get("body")
        queue = waiting[increment_of_order[order_of_invoice[int(found.group(1))]]]
        is_online = isinstance(asked, dict) and asked.get("isOnline", asked.get("is_online"))
        if is_paid and is_online and queue and queue.pop(0) == "refund-declined":
            declined.add(number)
    return declined


def _find_start(before: dict[str, Any]) -> float:
    stamps = [order["updated_at"] for order in before["orders"]]
    stamps += [memo["created_at"] for memo in before["creditmemos"]]
    return datetime.strptime(max(stamps), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()


def _memo_ids(exchange: Exchange) -> list[str]:
    kind, is_search = find_answer_kind(exchange.path)
    if kind == "memo id" and isinstance(exchange.body, str):
        return []
    if kind == "memo" and is_search and isinstance(exchange.body, dict):
        return [str(memo["entity_id"]) for memo in exchange.body.get("items") or [] if "entity_id" in memo]
    return []


def _shorten_path(path: str) -> str:
    return path if len(path) <= 70 else path[:67] + "…"
