"""The state of the shop and what can be done to it: refunds in their phases, holds, comments, invoices, shipments.

A refund is a generator. Everything between two `yield`s happens at once; at a `yield` another request may go on. So a
simulator can put two refunds side by side in every order there is, and a threaded server gets the same behaviour from
real time. Source: recordings/concurrent-*.json, gateway-slow-client-timeout.json, order-comment-as-marker.json.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from service.sandbox.documents import Document, as_stored, number, priced, save_row
from service.sandbox.gateway import DeclinedError, Gateway, is_online
from service.sandbox.lines import default_status, read_lines
from service.sandbox.memo_draft import AskedRefund, Reading, draft_memo
from service.sandbox.objections import find_objections
from service.sandbox.refund_rows import (
    Written,
    add_memo_to_order,
    pay_back,
    register_item,
    save_state,
    settle_order,
    write_refund,
)
from service.sandbox.stock import Move, Stock, plan_moves
from service.sandbox.totals import RefusedError
from service.sandbox.versions import Quirks


class NotFoundError(RefusedError):
    def __init__(self) -> None:
        super().__init__("The entity that was requested doesn't exist. Verify the entity and try again.")


class NotSavedError(RefusedError):
    """Something failed while saving. If a gateway was called before, its money is gone all the same."""

    def __init__(self) -> None:
        super().__init__("Could not save a Creditmemo, see error log for details")


class ObjectionsError(RefusedError):
    """The validators' messages, all in one."""

    def __init__(self, objections: Iterable[str]) -> None:
        super().__init__("\n".join(("Creditmemo Document Validation Error(s):", *objections)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A place where a request lets others go on; `seconds` is how long it takes in real time."""

    name: str
    seconds: float = 0.0


#: A refund has read and checked the order; nothing has been written.
CHECKED = Point(name="checked")
#: Money has gone out; nothing has been written.
PAID = Point(name="paid")
#: Another refund of the order holds the lock; asked again after a moment.
WAITING = Point(name="waiting", seconds=0.002)

Steps = Generator[Point, None, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSettings:
    """What Magento's configuration says. `store_codes` are the store views, `default` and `all` among them."""

    store_codes: tuple[str, ...] = ("default", "all")
    base_currency: str = "USD"
    #: Sales > Tax > Orders, Invoices, Credit Memos: shipping amounts include tax. REST cannot tell.
    shipping_incl_tax: bool = False


def never() -> bool:
    return False


@dataclass(slots=True, eq=False)
class Shop:
    """All documents, by id. A document in here is never changed, only replaced.

    `stale_write_fails` decides, when a refund writes over rows that another has written since it read them, whether
    the database calls it a deadlock; Magento has it both ways.
    """

    quirks: Quirks
    settings: StoreSettings
    now: Callable[[], float]
    gateway: Gateway
    stock: Stock
    stale_write_fails: Callable[[], bool] = never
    orders: dict[int, Document] = field(default_factory=dict)
    invoices: dict[int, Document] = field(default_factory=dict)
    memos: dict[int, Document] = field(default_factory=dict)
    #: Memo id → the text that can be searched for and is never shown.
    memo_notes: dict[int, str] = field(default_factory=dict)
    transactions: dict[int, Document] = field(default_factory=dict)
    bulks: dict[str, Document] = field(default_factory=dict)
    _last_ids: dict[str, int] = field(default_factory=dict)
    _locked_orders: set[int] = field(default_factory=set)
    _item_skus: dict[int, str] = field(default_factory=dict)

    def next_id(self, kind: str) -> int:
        """A fresh entity id; kinds count apart, as tables do."""
        self._last_ids[kind] = self._last_ids.get(kind, 0) + 1
        return self._last_ids[kind]

    def note_id(self, kind: str, used: int) -> None:
        self._last_ids[kind] = max(self._last_ids.get(kind, 0), used)

    def next_increment_id(self, kind: str, store_id: int) -> str:
        """Store view 1 numbers without a prefix, the second one's numbers begin with 2."""
        sequence = self.next_id(f"{kind} increment {store_id}")
        return f"{sequence:09d}" if store_id <= 1 else f"{store_id}{sequence:09d}"

    def timestamp(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%d %H:%M:%S")

    def keep_order(self, order: Document) -> None:
        self.orders[order["entity_id"]] = order
        for item in order["items"]:
            self._item_skus[item["item_id"]] = item["sku"]

    def get_order(self, order_id: int) -> Document:
        return _get(self.orders, order_id)

    def get_invoice(self, invoice_id: int) -> Document:
        return _get(self.invoices, invoice_id)

    def get_memo(self, memo_id: int) -> Document:
        return _get(self.memos, memo_id)

    def memos_of(self, order_id: int) -> tuple[Document, ...]:
        return tuple(memo for memo in self.memos.values() if memo["order_id"] == order_id)

    def refund_order(self, order_id: int, asked: AskedRefund) -> Steps:
        self.get_order(order_id)
        if not self.quirks.locks_order_route:
            return (yield from self._refund(order_id, None, asked))
        while order_id in self._locked_orders:
            yield WAITING
        self._locked_orders.add(order_id)
        try:
            return (yield from self._refund(order_id, None, asked))
        finally:
            self._locked_orders.discard(order_id)

    def refund_invoice(self, invoice_id: int, asked: AskedRefund) -> Steps:
        invoice = self.get_invoice(invoice_id)
        return (yield from self._refund(invoice["order_id"], invoice, asked))

    def _refund(self, order_id: int, invoice: Document | None, asked: AskedRefund) -> Steps:
        order = self.get_order(order_id)
        reading = Reading(order=order, invoice=invoice, memos=self.memos_of(order_id))
        on_hand = None if self.quirks.moves_stock_atomically else self.stock.read()
        draft = draft_memo(reading, asked, self.quirks, shipping_incl_tax=self.settings.shipping_incl_tax)
        if objections := find_objections(draft, asked, self.quirks, skus=self._item_skus):
            raise ObjectionsError(objections)
        moves = plan_moves(
            self.stock,
            draft.items,
            named=frozenset(asked.return_to_stock),
            deducts_named_unshipped=self.quirks.deducts_unshipped_units_named_for_return,
        )
        yield CHECKED
        txn = None
        if invoice is not None and asked.is_online and is_online(order["payment"]):
            yield Point(name="gateway", seconds=self.gateway.latency_seconds)
            txn = self._call_gateway(order, number(draft.document, "base_grand_total"))
            yield PAID
            if self.gateway.takes_rollback():
                raise NotSavedError
        if asked.comment is not None and not asked.comment.get("comment"):
            raise NotSavedError
        if self.orders[order_id] is not order and self.stale_write_fails():
            raise NotSavedError
        written = write_refund(draft, asked, txn=txn, memos_before=len(self.memos_of(order_id)), now=self.timestamp())
        return self._commit(written, moves, on_hand, asked)

    def _call_gateway(self, order: Document, amount: Decimal) -> str:
        try:
            return self.gateway.refund(
                at=self.now(), method=order["payment"]["method"], order=order["increment_id"], amount=as_stored(amount)
            )
        except DeclinedError:
            raise NotSavedError from None

    def _commit(
        self, written: Written, moves: Sequence[Move], on_hand: Mapping[str, Decimal] | None, asked: AskedRefund
    ) -> int:
        memo = self._number_memo(written.memo)
        if asked.comment is not None:
            self.add_memo_comment(
                memo,
                text=str(asked.comment["comment"]),
                is_customer_notified=asked.notify and asked.append_comment,
                is_visible_on_front=bool(asked.comment.get("is_visible_on_front")),
            )
            self.memo_notes[memo["entity_id"]] = memo["comments"][0]["comment"]
        self.memos[memo["entity_id"]] = memo
        self.save_order(written.order, written.history)
        if written.invoice is not None:
            self.invoices[written.invoice["entity_id"]] = written.invoice
        if "transaction_id" in memo:
            self._add_refund_transaction(written.order, written.invoice, memo["transaction_id"])
        self.stock.move(moves, seen=on_hand)
        return int(memo["entity_id"])

    def _number_memo(self, memo: Document) -> Document:
        memo["entity_id"] = self.next_id("memo")
        memo["increment_id"] = self.next_increment_id("memo", int(memo.get("store_id", 1)))
        for item in memo["items"]:
            item["entity_id"] = self.next_id("memo item")
            item["parent_id"] = memo["entity_id"]
        return memo

    def save_order(self, order: Document, history: Document | None = None) -> None:
        """Writes the whole row over whatever is there; the lines of its history are rows of their own."""
        histories = self.orders[order["entity_id"]]["status_histories"]
        if history is not None:
            histories = [{**history, "entity_id": self.next_id("history")}, *histories]
        self.orders[order["entity_id"]] = {**order, "status_histories": histories}

    def _add_refund_transaction(self, order: Document, invoice: Document | None, txn: str) -> None:
        captured = (invoice or {}).get("transaction_id")
        parent = next((t for t in self.transactions.values() if captured and t["txn_id"] == captured), None)
        if parent is None:
            captures = [t for t in self.transactions.values() if t["order_id"] == order["entity_id"]]
            parent = captures[0] if captures else None
        self.keep_transaction(order, txn=txn, kind="refund", parent=parent, at=self.timestamp())

    def keep_transaction(self, order: Document, *, txn: str, kind: str, parent: Document | None, at: str) -> Document:
        transaction: Document = {
            "transaction_id": self.next_id("transaction"),
            "order_id": order["entity_id"],
            "payment_id": order["payment"]["entity_id"],
            "txn_id": txn,
            "parent_txn_id": None,
            "txn_type": kind,
            "is_closed": 0,
            "additional_information": [],
            "created_at": at,
            "child_transactions": [],
        }
        if parent is not None:
            transaction |= {"parent_id": parent["transaction_id"], "parent_txn_id": parent["txn_id"]}
        if kind == "refund":
            transaction["is_closed"] = 1
        self.transactions[transaction["transaction_id"]] = transaction
        if parent is not None:
            children = [*parent["child_transactions"], transaction]
            self.transactions[parent["transaction_id"]] = {**parent, "child_transactions": children}
        return transaction

    def refund_by_document(self, memo: Document, *, offline: bool) -> Document:
        """The old route: books a memo whose every amount the caller has made up."""
        order = self.get_order(int(memo.get("order_id", 0)))
        invoice = self.invoices.get(int(memo.get("invoice_id") or 0))
        paid, refunded = number(order, "base_total_paid"), number(order, "base_total_refunded")
        if refunded + number(memo, "base_grand_total") > paid:
            left = priced(paid - refunded, order.get("base_currency_code", "USD"))
            raise RefusedError("The most money available to refund is %1.", left)
        now = self.timestamp()
        txn = None
        if invoice is not None and not offline and is_online(order["payment"]):
            txn = self._call_gateway(order, number(memo, "base_grand_total"))
        made: Document = {**memo, "state": 2, "created_at": now, "updated_at": now, "comments": []}
        made |= {f"base_{name}": made[name] for name in ("adjustment_positive", "adjustment_negative") if name in made}
        made["items"] = [{"base_cost": None, "base_price": None, **item} for item in memo.get("items", [])]
        if txn is not None:
            made["transaction_id"] = txn
        by_id = {item["order_item_id"]: item for item in made["items"]}
        items = [
            register_item(item, by_id[item["item_id"]], now) if item["item_id"] in by_id else item
            for item in order["items"]
        ]
        written: Document = {**order, "items": items, "updated_at": now}
        add_memo_to_order(written, made, online=not offline)
        written["payment"] = pay_back(order["payment"], made, txn=txn)
        memos_before = len(self.memos_of(order["entity_id"]))
        history = settle_order(written, made, txn=txn, memos_before=memos_before, now=now)
        save_state(written, read_lines(written), memos_before=memos_before)
        self._number_memo(made)
        self.memos[made["entity_id"]] = made
        self.save_order(save_row(order, written), history)
        return made

    def add_memo_comment(
        self, memo: Document, *, text: str, is_customer_notified: bool, is_visible_on_front: bool
    ) -> Document:
        """Adds to a memo that nobody else holds yet."""
        comment = {
            "comment": without_emoji(text),
            "created_at": self.timestamp(),
            "entity_id": self.next_id("memo comment"),
            "is_customer_notified": int(is_customer_notified),
            "is_visible_on_front": int(is_visible_on_front),
            "parent_id": memo["entity_id"],
        }
        memo["comments"] = [*memo["comments"], comment]
        return comment

    def comment_on_memo(self, memo_id: int, said: Document) -> Document:
        memo = dict(self.get_memo(memo_id))
        comment = self.add_memo_comment(
            memo,
            text=str(said.get("comment", "")),
            is_customer_notified=bool(said.get("is_customer_notified")),
            is_visible_on_front=bool(said.get("is_visible_on_front")),
        )
        self.memos[memo_id] = memo
        return comment

    def mail_memo(self, memo_id: int) -> bool:
        self.memos[memo_id] = {**self.get_memo(memo_id), "email_sent": 1}
        return True

    def comment_on_order(self, order_id: int, said: Document) -> bool:
        """Adds a line to the history; without a status it wipes the order's own."""
        order = self.get_order(order_id)
        status = said.get("status")
        history = {
            "comment": without_emoji(str(said.get("comment") or "")),
            "created_at": self.timestamp(),
            "entity_name": "order",
            "is_customer_notified": int(said.get("is_customer_notified") or 0),
            "is_visible_on_front": int(said.get("is_visible_on_front") or 0),
            "parent_id": order_id,
        }
        if status is not None:
            history["status"] = status
        changed = {name: value for name, value in order.items() if name != "status"}
        if status is not None:
            changed["status"] = status
        self.save_order(changed, history)
        return True

    def hold(self, order_id: int) -> bool:
        order = self.get_order(order_id)
        if order["state"] in {"holded", "canceled", "complete", "closed", "payment_review"}:
            raise RefusedError("A hold action is not available.")
        before = {"hold_before_state": order["state"], "hold_before_status": order.get("status")}
        self.save_order({**order, **before, "state": "holded", "status": "holded"})
        return True

    def unhold(self, order_id: int) -> bool:
        order = self.get_order(order_id)
        if order["state"] != "holded":
            raise RefusedError("You cannot remove the hold.")
        state = str(order.get("hold_before_state") or "processing")
        released = {name: value for name, value in order.items() if not name.startswith("hold_before_")}
        status = order.get("hold_before_status") or default_status(state)
        self.save_order({**released, "state": state, "status": status})
        return True

    def cancel(self, order_id: int) -> bool:
        order = self.get_order(order_id)
        if order["state"] in {"canceled", "complete", "closed", "holded"} or number(order, "total_invoiced"):
            return False
        items = []
        for line in read_lines(order):
            open_units = line.qty_ordered - number(line.document, "qty_invoiced")
            items.append({**line.document, "qty_canceled": open_units})
            sku = self.stock.find_sku(str(line.document["sku"]))
            if sku is not None and not line.children:
                self.stock.reserve(sku, open_units)
        self.save_order({**order, "items": items, "state": "canceled", "status": "canceled"})
        return True


def without_emoji(text: str) -> str:
    """Three-byte columns: each letter that needs a fourth byte is stored as four question marks."""
    return "".join("????" if ord(letter) > 0xFFFF else letter for letter in text)


def _get(documents: Mapping[int, Document], entity_id: int) -> Document:
    if entity_id == 0:
        raise RefusedError("An ID is needed. Set the ID and try again.")
    if entity_id not in documents:
        raise NotFoundError
    return documents[entity_id]
