"""The sandbox computes a memo and the planner predicts it, apart from each other: the two have to agree to the cent."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.amounts import predict
from service.core.memo_lines import MemoAsk
from service.core.orders import MemoAmounts
from service.magento.documents import read_invoice, read_memo, read_order
from service.sandbox import documents
from service.sandbox.documents import Document
from service.sandbox.http import Request
from service.sandbox.order_view import show_order
from service.sandbox.orders_to_try import build
from service.sandbox.store import SandboxStore

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PLACES = Decimal("0.0001")


def _new_store() -> SandboxStore:
    store = SandboxStore(magento_version="2.4.6-p4", now=NOW.timestamp, pause=lambda point: None)
    build(store, now=NOW)
    return store


@cache
def _order_ids() -> list[int]:
    return sorted(_new_store().shop.orders)


def _read(document: Document) -> Document:
    """As a client gets it: through JSON."""
    read: Document = documents.parse(documents.serialize(document))
    return read


@st.composite
def _some_refunds(draw: st.DrawFn) -> tuple[int, list[tuple[list[int], int | None, bool]]]:
    """An order, and refunds of it: units per line (cut to what is left), cents of shipping, by its invoice or not."""
    order_id = draw(st.sampled_from(_order_ids()))
    units = st.lists(st.integers(0, 3), min_size=1, max_size=12)
    shipping = st.one_of(st.none(), st.integers(0, 400))
    return order_id, draw(st.lists(st.tuples(units, shipping, st.booleans()), min_size=1, max_size=4))


@settings(max_examples=60, deadline=None)
@given(_some_refunds())
def test_what_the_sandbox_computes_is_what_the_planner_predicts(
    refunds: tuple[int, list[tuple[list[int], int | None, bool]]],
) -> None:
    order_id, asked = refunds
    store = _new_store()
    headers = store.bearer()
    for units, cents, by_invoice in asked:
        order = _read(show_order(store.shop.orders[order_id]))
        invoices = [_read(invoice) for invoice in store.shop.invoices.values() if invoice["order_id"] == order_id]
        memos = [_read(memo) for memo in store.shop.memos_of(order_id)]
        ask = MemoAsk(
            items=_choose(order, units),
            shipping_amount=None if cents is None else Decimal(cents) / 100,
            invoice_id=invoices[0]["entity_id"] if by_invoice and invoices else None,
        )

        memo = _refund(store, headers, order_id, ask)

        if memo is None:
            continue
        predicted = predict(read_order(order), list(map(read_invoice, invoices)), list(map(read_memo, memos)), ask)
        assert _amounts(read_memo(memo).base) == _amounts(predicted.base)
        assert _amounts(read_memo(memo).shown) == _amounts(predicted.shown)


def _choose(order: Document, units: list[int]) -> tuple[tuple[int, Decimal], ...]:
    """Dummies are left out, they are refused anyway; fewer numbers than lines are used again from the start."""
    priced = [item for item in order["items"] if item.get("row_invoiced")]
    left = [item["qty_invoiced"] - item["qty_refunded"] for item in priced]
    return tuple(
        (item["item_id"], Decimal(min(units[number % len(units)], max(left[number], 0))))
        for number, item in enumerate(priced)
    )


def _refund(store: SandboxStore, headers: dict[str, str], order_id: int, ask: MemoAsk) -> Document | None:
    arguments = {} if ask.shipping_amount is None else {"shipping_amount": ask.shipping_amount}
    body = {
        "items": [{"order_item_id": item_id, "qty": qty} for item_id, qty in ask.items],
        "arguments": arguments,
        "isOnline": True,
    }
    path = f"order/{order_id}/refund" if ask.invoice_id is None else f"invoice/{ask.invoice_id}/refund"
    request = Request(method="POST", path=f"/rest/V1/{path}", headers=headers, body=documents.serialize(body))
    answer = store.handle(request)
    return _read(store.shop.memos[int(documents.parse(answer.body))]) if answer.status == 200 else None


def _amounts(amounts: MemoAmounts) -> dict[str, Decimal]:
    return {field.name: getattr(amounts, field.name).quantize(PLACES) for field in fields(MemoAmounts)}
