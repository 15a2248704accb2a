"""Tiny orders, made by hand, for the facts the project rests on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from service.sandbox import documents
from service.sandbox.documents import Document
from service.sandbox.http import Answer, Request
from service.sandbox.shop import Point
from service.sandbox.store import SandboxStore

ORDER_ID = 7
INVOICE_ID = 70

_NOTHING_REFUNDED = ("amount_refunded", "base_amount_refunded", "qty_refunded", "qty_canceled")


def a_line(
    item_id: int,
    sku: str,
    *,
    price: str = "10",
    qty: int = 1,
    kind: str = "simple",
    parent: int | None = None,
    tax: str = "0",
    shipped: int | None = None,
    **more: Any,
) -> Document:
    """`tax` is the row's; `shipped` None: all of it."""
    row = Decimal(price) * qty
    line: Document = dict.fromkeys(_NOTHING_REFUNDED, Decimal(0))
    line |= {
        "item_id": item_id,
        "sku": sku,
        "name": f"Name of {sku}",
        "product_type": kind,
        "qty_ordered": qty,
        "qty_invoiced": qty,
        "qty_shipped": qty if shipped is None else shipped,
    }
    for prefix in ("", "base_"):
        line |= {
            f"{prefix}price": Decimal(price),
            f"{prefix}row_total": row,
            f"{prefix}row_invoiced": row,
            f"{prefix}tax_amount": Decimal(tax),
            f"{prefix}tax_invoiced": Decimal(tax),
            f"{prefix}row_total_incl_tax": row + Decimal(tax),
        }
    if parent is not None:
        line["parent_item_id"] = parent
    return line | more


def an_order(
    *lines: Document, payment: str = "banktransfer", shipping: str = "6", order_id: int = ORDER_ID
) -> Document:
    """A paid order of these lines."""
    own = [line for line in lines if line["row_invoiced"] and line["qty_invoiced"]]
    rows = sum((line["row_invoiced"] for line in own), Decimal(0))
    taxes = sum((line["tax_invoiced"] for line in own), Decimal(0))
    total = rows + taxes + Decimal(shipping)
    order: Document = {
        "entity_id": order_id,
        "increment_id": f"{order_id:09d}",
        "store_id": 1,
        "state": "processing",
        "status": "processing",
        "base_currency_code": "USD",
        "base_to_order_rate": 1,
        "items": list(lines),
        "payment": {"entity_id": order_id, "method": payment, "amount_paid": total, "base_amount_paid": total},
        "status_histories": [],
        "extension_attributes": {"shipping_assignments": []},
    }
    for prefix in ("", "base_"):
        order |= {
            f"{prefix}grand_total": total,
            f"{prefix}total_paid": total,
            f"{prefix}shipping_amount": Decimal(shipping),
            f"{prefix}shipping_incl_tax": Decimal(shipping),
            f"{prefix}tax_invoiced": taxes,
            f"{prefix}subtotal_incl_tax": rows + taxes,
        }
    return order


def an_invoice(
    order: Document, quantities: Mapping[int, int] | None = None, *, invoice_id: int = INVOICE_ID
) -> Document:
    """An invoice of the whole order, or of so many units per order item."""
    asked = quantities or {item["item_id"]: item["qty_ordered"] for item in order["items"]}
    return {
        "entity_id": invoice_id,
        "increment_id": f"{invoice_id:09d}",
        "order_id": order["entity_id"],
        "store_id": 1,
        "state": 2,
        "base_grand_total": order["base_grand_total"],
        "base_shipping_amount": order["base_shipping_amount"],
        "items": [
            {"entity_id": invoice_id * 10 + number, "order_item_id": item_id, "qty": qty}
            for number, (item_id, qty) in enumerate(asked.items())
        ],
    }


def some_stock(*skus: str, on_hand: int = 10, salable: int = 10) -> dict[str, Document]:
    return {
        sku: {"source_items": [{"source_code": "default", "quantity": on_hand}], "salable": salable} for sku in skus
    }


@dataclass
class SmallShop:
    """A store with its clock in our hands, and words for what tests do to it."""

    version: str = "2.4.1"
    seconds: float = 1_795_000_000.0
    store: SandboxStore = field(init=False)
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.store = SandboxStore(magento_version=self.version, now=lambda: self.seconds, pause=lambda point: None)
        self.headers = self.store.bearer()

    def holds(self, *lines: Document, payment: str = "banktransfer", shipping: str = "6", stock: Any = None) -> None:
        order = an_order(*lines, payment=payment, shipping=shipping)
        self.store.add_order(order, [an_invoice(order)], stock)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Request:
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        raw = b"" if body is None else json.dumps(body).encode()
        return Request(method=method, path=f"/rest/default/V1/{path}", headers=sent, body=raw)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return self.store.handle(self.request(method, path, body, **headers))

    def refund(self, body: Any = None, *, invoice: int | None = None) -> Answer:
        path = f"order/{ORDER_ID}/refund" if invoice is None else f"invoice/{invoice}/refund"
        return self.ask("POST", path, {} if body is None else body)

    def read(self, path: str) -> Any:
        return documents.parse(self.ask("GET", path).body)

    @property
    def order(self) -> Document:
        return self.store.shop.orders[ORDER_ID]

    @property
    def memos(self) -> list[Document]:
        return list(self.store.shop.memos.values())

    def refunded(self) -> list[Decimal]:
        """Grand totals of all memos."""
        return [Decimal(memo["grand_total"]) for memo in self.memos]

    def paid_back(self) -> list[Decimal]:
        """What the gateway has paid back."""
        return [line.amount for line in self.store.gateway.ledger if line.what == "refund"]

    def moved(self, sku: str, *, on_hand: int = 10, salable: int = 10) -> tuple[Decimal, Decimal]:
        stock = self.store.shop.stock
        return stock.on_hand(sku) - on_hand, stock.salable(sku) - salable


def message_of(answer: Answer) -> str:
    return str(documents.parse(answer.body)["message"])


def one(item_id: int, qty: Any = 1, *, restock: tuple[int, ...] = (), **arguments: Any) -> dict[str, Any]:
    """A refund of one line without shipping."""
    asked: dict[str, Any] = {"shipping_amount": 0, **arguments}
    if restock:
        asked["extension_attributes"] = {"return_to_stock_items": list(restock)}
    return {"items": [{"order_item_id": item_id, "qty": qty}], "arguments": asked}


def run_side_by_side(store: SandboxStore, *requests: Request) -> list[Answer]:
    """All requests, a step each in turn, until all have been answered."""
    running: dict[int, Iterator[Point]] = {number: store.steps(request) for number, request in enumerate(requests)}
    answers: dict[int, Answer] = {}
    for number in itertools.cycle(range(len(requests))):
        if len(answers) == len(requests):
            break
        if number in answers:
            continue
        try:
            next(running[number])
        except StopIteration as done:
            answers[number] = done.value
    return [answers[number] for number in range(len(requests))]
