"""Refund calls of a recording, each with what was known before it and the memo that Magento made.

REST shows an order's state before the first call only, so it is carried on from memo to memo: a prediction rests on
nothing that a client could not have read before the call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from service.core.counters import after_memo
from service.core.memo_lines import MemoAsk
from service.core.orders import CreditMemo, Reading
from service.magento.documents import parse_json, read_invoice, read_memo, read_order

#: The two routes on which Magento computes; `creditmemo/refund` takes whatever totals its caller states.
COMPUTED_ROUTE = re.compile(r"/V1/(?P<of>order|invoice)/(?P<id>\d+)\w*/refund/?(?:\?|$)", re.IGNORECASE)
#: A JSON string, a number, or the XML of a client that asked for XML.
MEMO_ID = re.compile(r"^\s*(?:<\?xml[^>]*>\s*<response>)?(\d+)(?:</response>)?\s*$")
#: Times are recorded to the millisecond, so calls one after another can seem to touch.
CLOCK_SECONDS = Decimal("0.003")


@dataclass(frozen=True, kw_only=True)
class RecordedCall:
    """A call that was answered 200; `excepted` says why it is not compared."""

    scenario: str
    version: str
    path: str
    excepted: str | None = None
    ask: MemoAsk | None = None
    before: Reading | None = None
    memo: CreditMemo | None = None


def read_calls(file: Path) -> Iterator[RecordedCall]:
    recording = parse_json(file.read_bytes())
    memos = {memo.entity_id: memo for memo in map(read_memo, recording["after"]["creditmemos"])}
    unsure = unsure_since(recording)
    for exchange in recording["exchanges"]:
        route = _computed_route(exchange)
        if route is None or (exchange["response"] or {}).get("status") != 200:
            continue
        named = {
            "scenario": recording["scenario"],
            "version": recording["magento_version"],
            "path": exchange["request"]["path"],
        }
        answered = MEMO_ID.match(str(exchange["response"]["body"]))
        memo = memos.get(int(answered[1])) if answered else None
        if memo is None:
            yield RecordedCall(excepted="answered without a memo", **named)
        elif exchange["at_s"] >= unsure.get(memo.order_id, exchange["at_s"] + 1):
            yield RecordedCall(excepted="calls at once on one order: what Magento read is chance", **named)
        else:
            ask = _ask_of(exchange["request"], invoice_id=memo.invoice_id)
            order = order_with_its_invoices(recording, memo.order_id, at=exchange["at_s"])
            before = _carried_on(recording, order, memo, memos)
            yield RecordedCall(ask=ask, before=before, memo=memo, **named)


def _computed_route(exchange: dict[str, Any]) -> re.Match[str] | None:
    request = exchange["request"]
    if request["method"] != "POST" or "/async/" in request["path"]:
        return None
    return COMPUTED_ROUTE.search(request["path"])


def unsure_since(recording: dict[str, Any]) -> dict[int, Decimal]:
    """From when on an order's state is chance: the first of two calls at once, or a call that nobody saw the end of."""
    order_of_invoice = {invoice["entity_id"]: invoice["order_id"] for invoice in recording["after"]["invoices"]}
    calls: dict[int, list[tuple[Decimal, Decimal]]] = {}
    for exchange in recording["exchanges"]:
        route = _computed_route(exchange)
        if route is None:
            continue
        order_id = int(route["id"]) if route["of"].lower() == "order" else order_of_invoice.get(int(route["id"]))
        start = Decimal(exchange["at_s"])
        lasted = Decimal(exchange["elapsed_s"]) if exchange["response"] else Decimal("Infinity")
        calls.setdefault(order_id, []).append((start, start + lasted - CLOCK_SECONDS))
    return {
        order_id: earlier[0]
        for order_id, spans in calls.items()
        for earlier, later in reversed(list(pairwise(sorted(spans))))
        if later[0] < earlier[1]
    }


def order_with_its_invoices(recording: dict[str, Any], order_id: int, *, at: Decimal) -> dict[str, Any]:
    """The order as first read; where it was invoiced since, with what was invoiced, and still with nothing refunded."""
    before, after = (
        next(order for order in recording[side]["orders"] if order["entity_id"] == order_id)
        for side in ("before", "after")
    )
    invoiced = any(
        exchange["request"]["method"] == "POST"
        and exchange["request"]["path"].endswith(f"/order/{order_id}/invoice")
        and (exchange["response"] or {}).get("status") == 200
        and exchange["at_s"] < at
        for exchange in recording["exchanges"]
    )
    if not invoiced:
        return before
    items = zip(before["items"], after["items"], strict=True)
    return {**_refunded_as(before, after), "items": [_refunded_as(was, now) for was, now in items]}


def _refunded_as(was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in now.items() if "refunded" not in key}
    return kept | {key: value for key, value in was.items() if "refunded" in key}


def _carried_on(
    recording: dict[str, Any], order: dict[str, Any], memo: CreditMemo, memos: dict[int, CreditMemo]
) -> Reading:
    """The state with every memo older than this one, whoever made it and by which route."""
    known = [found for found in map(read_memo, recording["before"]["creditmemos"]) if found.order_id == memo.order_id]
    state = Reading(
        order=read_order(order),
        invoices=tuple(
            found for found in map(read_invoice, recording["after"]["invoices"]) if found.order_id == memo.order_id
        ),
        memos=tuple(known),
    )
    for entity_id in sorted(memos.keys() - {found.entity_id for found in known}):
        if memos[entity_id].order_id == memo.order_id and entity_id < memo.entity_id:
            state = after_memo(state, memos[entity_id])
    return state


def _ask_of(request: dict[str, Any], *, invoice_id: int | None) -> MemoAsk:
    """What Magento takes from a body: anything but an object says nothing, and nothing said means everything."""
    body = _body(request)
    arguments = body.get("arguments") or {}
    shipping = arguments.get("shipping_amount")
    # A repeated item counts once, with its last quantity.
    items = {int(item["order_item_id"]): _number(item["qty"]) for item in body.get("items") or ()}
    return MemoAsk(
        items=tuple(items.items()),
        shipping_amount=None if shipping is None else _number(shipping),
        adjustment_positive=_number(arguments.get("adjustment_positive") or 0),
        adjustment_negative=_number(arguments.get("adjustment_negative") or 0),
        invoice_id=invoice_id,
    )


def _body(request: dict[str, Any]) -> dict[str, Any]:
    body = request["body"]
    if body is None:
        try:
            body = json.loads(request.get("body_raw") or "null", parse_float=Decimal)
        except ValueError:
            return {}
    return body if isinstance(body, dict) else {}


def _number(value: Any) -> Decimal:
    return Decimal(str(value))
