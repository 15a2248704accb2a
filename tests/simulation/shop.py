"""The Magento of a schedule: three orders, one per way of paying, and a credit memo from before anybody's return."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from service.sandbox.http import Request
from service.sandbox.order_specs import LineSpec, OrderSpec
from service.sandbox.orders_to_try import build
from service.sandbox.store import SandboxStore

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

BAG, BOTTLE = "24-MB01", "24-WG085"
OFFLINE, ONLINE, SPLIT = "000000901", "000000902", "000000903"

_LINES = (LineSpec(sku=BAG, qty=5), LineSpec(sku=BOTTLE, qty=4))
_SPECS = (
    OrderSpec(increment_id=OFFLINE, why="paid by cheque", lines=_LINES, payment="checkmo"),
    OrderSpec(increment_id=ONLINE, why="paid online", lines=_LINES, payment="sandboxpay"),
    OrderSpec(
        increment_id=SPLIT,
        why="paid online, on two invoices",
        lines=_LINES,
        payment="sandboxauth",
        invoices=((3, 2), (2, 2)),
    ),
)


def open_shop(
    version: str, *, now: Callable[[], float], stale_write_fails: Callable[[], bool] = lambda: False
) -> SandboxStore:
    """A store of its own, filled from documents that were worked out once per version."""
    store = SandboxStore(magento_version=version, now=now, stale_write_fails=stale_write_fails)
    filled = _filled(version)
    for order, invoices in filled.orders:
        store.add_order(order, invoices)
    store.shop.stock.add(filled.stock)
    for memo in filled.memos:
        store.add_memo(memo)
    return store


def line_of(store: SandboxStore, increment_id: str, sku: str) -> dict[str, Any]:
    order = order_of(store, increment_id)
    return next(item for item in order["items"] if item["sku"] == sku)


def order_of(store: SandboxStore, increment_id: str) -> dict[str, Any]:
    return next(order for order in store.shop.orders.values() if order["increment_id"] == increment_id)


def hand_refund(store: SandboxStore, increment_id: str, sku: str, units: object) -> Request:
    """What the admin's click asks of Magento: online where there is an invoice to refund, offline otherwise."""
    order = order_of(store, increment_id)
    body: dict[str, Any] = {
        "items": [{"order_item_id": line_of(store, increment_id, sku)["item_id"], "qty": str(units)}]
    }
    path = f"/rest/V1/order/{order['entity_id']}/refund"
    if order["payment"]["method"].startswith("sandbox"):
        invoice = min(
            each["entity_id"] for each in store.shop.invoices.values() if each["order_id"] == order["entity_id"]
        )
        path = f"/rest/V1/invoice/{invoice}/refund"
        body |= {"isOnline": True}
    body |= {"arguments": {"shipping_amount": 0}}
    return Request(method="POST", path=path, headers=store.bearer(), body=json.dumps(body).encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Filled:
    orders: tuple[tuple[dict[str, Any], tuple[dict[str, Any], ...]], ...]
    stock: dict[str, dict[str, Any]]
    memos: tuple[dict[str, Any], ...]


@cache
def _filled(version: str) -> _Filled:
    a_week_ago = MONDAY - timedelta(days=7)
    store = SandboxStore(magento_version=version, now=a_week_ago.timestamp)
    build(store, _SPECS, now=a_week_ago)
    for spec in _SPECS:
        answer = store.handle(hand_refund(store, spec.increment_id, BOTTLE, 1))
        assert answer.status == 200, answer.body
    shop = store.shop
    return _Filled(
        orders=tuple(
            (order, tuple(each for each in shop.invoices.values() if each["order_id"] == order["entity_id"]))
            for order in shop.orders.values()
        ),
        stock={
            sku: {
                "source_items": [{"source_code": "default", "quantity": shop.stock.on_hand(sku)}],
                "salable": shop.stock.salable(sku),
            }
            for sku in (BAG, BOTTLE)
        },
        memos=tuple(shop.memos.values()),
    )
