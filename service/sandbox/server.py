"""The sandbox store on a socket: everything below /rest is the store, everything below /sandbox looks into it.

`/sandbox/…` needs no token and is never subject to faults: it is how a test or a person sees what really happened.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from werkzeug.wrappers import Response as AnyResponse

from service.sandbox.documents import number, serialize
from service.sandbox.faults import BadFaultError, Faults, parse_fault, read_fault
from service.sandbox.http import JSON, Answer, ConnectionDropped, Request
from service.sandbox.store import SandboxStore

#: Enough for any demo or test; a sandbox left running must not fill the memory.
MAX_REQUESTS_KEPT = 10_000

_QUANTITIES = ("qty_ordered", "qty_invoiced", "qty_shipped", "qty_refunded")
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]


def create_sandbox(store: SandboxStore, *, faults: Faults | None = None) -> Flask:
    """An app that serves `store`; threads may use it at once."""
    app = Flask("refundry-sandbox", static_folder=None)
    rules = faults or Faults(gateway=store.gateway, order_of=store.order_of)
    seen: deque[dict[str, Any]] = deque(maxlen=MAX_REQUESTS_KEPT)

    def serve(path: str) -> AnyResponse:  # noqa: ARG001  # the raw address is read instead
        asked = _read_request()
        entry: dict[str, Any] = {"method": asked.method, "path": asked.path, "status": None}
        seen.append(entry)
        try:
            answer = rules.apply(asked, store.handle)
        except ConnectionDropped:
            return _drop_connection()
        entry["status"] = answer.status
        return _to_response(answer)

    app.add_url_rule("/", "serve", serve, defaults={"path": ""}, methods=_METHODS)
    app.add_url_rule("/<path:path>", "serve", serve, methods=_METHODS)
    _add_views(app, store, seen)
    _add_faults(app, rules)
    return app


def _read_request() -> Request:
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    path = raw if isinstance(raw, str) and raw.startswith("/") else request.full_path.rstrip("?")
    return Request(
        method=request.method,
        path=path,
        headers=dict(request.headers),
        body=request.get_data(),
        scheme=request.scheme,
        host=request.host,
    )


def _to_response(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status, content_type=answer.content_type)
    response.automatically_set_content_length = "Content-Length" not in answer.headers
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response


def _drop_connection() -> Response:
    """Closes the socket under the server, which then finds nobody to answer; without a socket the caller is told."""
    connection = request.environ.get("werkzeug.socket") or request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        raise ConnectionDropped
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)


def _add_views(app: Flask, store: SandboxStore, seen: deque[dict[str, Any]]) -> None:
    def show(name: str, read: Callable[[], Any]) -> None:
        app.add_url_rule(f"/sandbox/{name}", f"show_{name}", lambda: _json(read()), methods=["GET"])

    show("requests", lambda: list(seen))
    show("ledger", lambda: [_show_ledger_line(line) for line in store.gateway.ledger[_skipped() :]])
    show("orders", lambda: [_show_order(store, order) for order in list(store.shop.orders.values())])
    show("memos", lambda: [_show_memo(store, memo) for memo in list(store.shop.memos.values())[_skipped() :]])
    show("stock", store.shop.stock.to_documents)


def _skipped() -> int:
    """`?skip=N`: whoever looks again and again has seen the first N, and what is in these lists stays in its place."""
    return max(request.args.get("skip", 0, type=int), 0)


def _show_ledger_line(line: Any) -> dict[str, Any]:
    return {name: getattr(line, name) for name in ("at", "what", "method", "order", "amount", "txn")}


def _show_order(store: SandboxStore, order: dict[str, Any]) -> dict[str, Any]:
    """What a person needs to try a return on the order."""
    order_id = order["entity_id"]
    return {
        "entity_id": order_id,
        "increment_id": order["increment_id"],
        "state": order["state"],
        "payment": order["payment"]["method"],
        "grand_total": number(order, "grand_total"),
        "total_refunded": number(order, "total_refunded"),
        "invoices": [i["entity_id"] for i in list(store.shop.invoices.values()) if i["order_id"] == order_id],
        "creditmemos": [memo["entity_id"] for memo in store.shop.memos_of(order_id)],
        "lines": [
            {
                "order_item_id": item["item_id"],
                "parent_item_id": item.get("parent_item_id"),
                "sku": item["sku"],
                "name": item.get("name"),
                "product_type": item.get("product_type"),
                **{name: number(item, name) for name in _QUANTITIES},
            }
            for item in order["items"]
        ],
    }


def _show_memo(store: SandboxStore, memo: dict[str, Any]) -> dict[str, Any]:
    """What was given back, and for which return by its comments."""
    return {
        "entity_id": memo["entity_id"],
        "order": store.shop.get_order(memo["order_id"])["increment_id"],
        "base_grand_total": number(memo, "base_grand_total"),
        "comments": [comment["comment"] for comment in memo["comments"]],
        "lines": [{"sku": item["sku"], "qty": number(item, "qty")} for item in memo["items"]],
    }


def _add_faults(app: Flask, rules: Faults) -> None:
    def list_faults() -> Response:
        return _json([fault.to_document() for fault in rules.in_force()])

    def add_fault() -> Response:
        said = request.get_json(silent=True)
        try:
            rules.add(read_fault(said) if isinstance(said, dict) else parse_fault(request.get_data(as_text=True)))
        except BadFaultError as error:
            return _json({"message": str(error)}, 400)
        return list_faults()

    def lift_faults() -> Response:
        rules.lift()
        return list_faults()

    app.add_url_rule("/sandbox/faults", "list_faults", list_faults, methods=["GET"])
    app.add_url_rule("/sandbox/faults", "add_fault", add_fault, methods=["POST"])
    app.add_url_rule("/sandbox/faults", "lift_faults", lift_faults, methods=["DELETE"])


def _json(document: Any, status: int = 200) -> Response:
    return Response(serialize(document), status=status, content_type=JSON)
