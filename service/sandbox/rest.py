"""Magento's REST front: which path and verb mean what, who may, what the answer looks like, errors included.

Order of checks as in Magento: the answer's format, the store code, the route, rights, the input, then the order.
Source: recordings/store-code-in-path.json, malformed-requests.json, unknown-order.json,
auth-missing-and-bad-token.json.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from service.sandbox import inputs
from service.sandbox.access import Access, SignatureError, UnauthorizedError
from service.sandbox.documents import Document, serialize
from service.sandbox.fulfilment import invoice_order, ship_order
from service.sandbox.http import Answer, Request
from service.sandbox.search import (
    Criteria,
    Filter,
    MissingParameterError,
    Parameters,
    filter_fields,
    find_documents,
    parse_parameters,
    read_criteria,
)
from service.sandbox.shop import NotFoundError, Point, Shop, Steps
from service.sandbox.totals import PhpFailureError, RefusedError

_HTML = "text/html; charset=UTF-8"
_XML = "application/xml; charset=utf-8"
_ERROR_PAGE = (
    b"<!doctype html>\n<html><head><title>There has been an error processing your request</title></head>\n"
    b"<body><h1>There has been an error processing your request</h1></body></html>\n"
)
_ANONYMOUS = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request that has been matched: `at` holds the path's variables."""

    shop: Shop
    access: Access
    request: Request
    at: Mapping[str, str]
    query: Parameters
    body: Parameters
    is_async: bool = False

    def id_at(self, name: str) -> int:
        return inputs.read_path_id(self.at[name])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    resource: str
    run: Callable[[Call], Any]


def serve(shop: Shop, access: Access, request: Request) -> Generator[Point, None, Answer]:
    """Answers one request, in steps; nothing that Magento could do ends in an exception here."""
    path, _, query = request.path.partition("?")
    if path.rstrip("/") in {"/magento_version", "/index.php/magento_version"}:
        version = ".".join(shop.quirks.magento_version.split(".")[:2])
        return Answer(status=200, body=f"Magento/{version} (Community)".encode(), content_type=_HTML)
    render = _choose_format(request.header("Accept"))
    if render is None:
        return Answer(status=500, body=_ERROR_PAGE, content_type=_HTML)
    try:
        call, route = _match(shop, access, request, path, parse_parameters(query))
        if route.resource != _ANONYMOUS:
            _authorize(call, route)
        result = yield from _run(call, route)
    except inputs.ErrorPageError as page:
        return Answer(status=page.status, body=_ERROR_PAGE, content_type=_HTML)
    except (RefusedError, PhpFailureError) as error:
        status, document = _describe(error, request)
        return render(status, document)
    status, result = result if isinstance(result, _Accepted) else (200, result)
    return render(status, result)


class _Accepted(tuple[int, Any]):
    """A status other than 200 with its document."""

    __slots__ = ()


def _authorize(call: Call, route: _Route) -> None:
    try:
        call.access.check(call.request, route.resource)
    except UnauthorizedError:
        raise _NoRightError(route.resource) from None


class _NoRightError(RefusedError):
    def __init__(self, resource: str) -> None:
        super().__init__("The consumer isn't authorized to access %resources.")
        self.resource = resource


def _run(call: Call, route: _Route) -> Generator[Point, None, Any]:
    if call.is_async:
        return _enqueue(call)
    if call.request.method in {"POST", "PUT", "DELETE"}:
        body = {**inputs.read_body(call.request), **call.query}
        call = Call(shop=call.shop, access=call.access, request=call.request, at=call.at, query=call.query, body=body)
    result = route.run(call)
    if isinstance(result, Generator):
        result = yield from result
    fields = call.query.get("fields")
    if call.request.method == "GET" and isinstance(fields, str) and isinstance(result, dict | list):
        return filter_fields(result, fields)
    return result


def _describe(error: RefusedError | PhpFailureError, request: Request) -> tuple[int, Document]:
    if isinstance(error, PhpFailureError):
        digest = hashlib.sha256(repr((request.path, str(error))).encode()).hexdigest()[:13]
        return 500, {
            "message": f"Internal Error. Details are available in Magento log file. Report ID: webapi-{digest}"
        }
    document: Document = {"message": error.message}
    status = 400
    if isinstance(error, NotFoundError | _NoRouteError):
        status = 404
    elif isinstance(error, SignatureError):
        status = error.status
    elif isinstance(error, _NoRightError):
        status = 401
        document["parameters"] = {"resources": error.resource}
    elif isinstance(error, MissingParameterError):
        document["parameters"] = {"fieldName": error.name}
    elif isinstance(error, inputs.WrongTypeError | inputs.RequiredError):
        document["parameters"] = error.named
    if error.parameters:
        document["parameters"] = list(error.parameters)
    return status, document


_Render = Callable[[int, Any], Answer]


def _choose_format(accept: str | None) -> _Render | None:
    """By the Accept header, first match; None: Magento has nothing that would do, and fails over it."""
    if not accept:
        return _render_json
    for part in accept.split(","):
        wanted = part.partition(";")[0].strip().lower()
        if wanted in {"application/json", "*/*", "application/*"}:
            return _render_json
        if wanted in {"application/xml", "text/xml"}:
            return _render_xml
    return None


def _render_json(status: int, document: Any) -> Answer:
    return Answer(status=status, body=serialize(document))


def _render_xml(status: int, document: Any) -> Answer:
    text = f'<?xml version="1.0"?>\n<response>{_to_xml(document)}</response>\n'
    return Answer(status=status, body=text.encode(), content_type=_XML)


def _to_xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_to_xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_to_xml(part)}</item>" for part in value)
    return escape(json.loads(serialize(value)) if isinstance(value, str) else serialize(value).decode())


class _NoRouteError(RefusedError):
    def __init__(self) -> None:
        super().__init__("Request does not match any route.")


def _match(shop: Shop, access: Access, request: Request, path: str, query: Parameters) -> tuple[Call, _Route]:
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["index.php"]:
        parts = parts[1:]
    if parts[:1] != ["rest"]:
        raise _NoRouteError
    parts = parts[1:]
    if parts and parts[0] in shop.settings.store_codes:
        parts = parts[1:]
    is_async = parts[:1] == ["async"]
    parts = parts[1:] if is_async else parts
    if not parts or not re.fullmatch(r"V\d+", parts[0]):
        raise RefusedError("Specified request cannot be processed.")
    resource_path = "/".join(parts)
    for route in _ROUTES:
        found = route.pattern.fullmatch(resource_path)
        if found and route.method == request.method.upper():
            call = Call(
                shop=shop,
                access=access,
                request=request,
                at=found.groupdict(),
                query=query,
                body={},
                is_async=is_async and request.method.upper() != "GET",
            )
            return call, route
    raise _NoRouteError


# What the routes do. Each takes a Call and gives the document to answer with, or the steps that lead to it.


def _refund_order(call: Call) -> Steps:
    order_id, asked = call.id_at("id"), inputs.read_refund(call.body)
    return _as_text(call.shop.refund_order(order_id, asked))


def _refund_invoice(call: Call) -> Steps:
    invoice_id, asked = call.id_at("id"), inputs.read_refund(call.body)
    return _as_text(call.shop.refund_invoice(invoice_id, asked))


def _as_text(steps: Steps) -> Steps:
    """The id of a new document is answered as a JSON string."""
    return str((yield from steps))


def _refund_by_document(call: Call) -> Document:
    memo = inputs.read_entity(call.body, "creditmemo")
    return call.shop.refund_by_document(memo, offline=inputs.read_bool(call.body.get("offlineRequested")))


def show_order(order: Document) -> Document:
    """The order as REST shows it: a kit's parts carry a copy of their parent, the shipment one of all lines."""
    by_id = {item["item_id"]: item for item in order["items"]}
    items = [
        {**item, "parent_item": by_id[item["parent_item_id"]]} if item.get("parent_item_id") in by_id else item
        for item in order["items"]
    ]
    shown = {**order, "items": items}
    assignments = order.get("extension_attributes", {}).get("shipping_assignments")
    if assignments:
        shown["extension_attributes"] = {
            **order["extension_attributes"],
            "shipping_assignments": [_show_assignment(one, order, items) for one in assignments],
        }
    return shown


_SHIPPING_TOTALS = tuple(
    prefix + name
    for prefix in ("", "base_")
    for name in (
        "shipping_amount",
        "shipping_canceled",
        "shipping_discount_amount",
        "shipping_discount_tax_compensation_amount",
        "shipping_discount_tax_compensation_amnt",
        "shipping_incl_tax",
        "shipping_invoiced",
        "shipping_refunded",
        "shipping_tax_amount",
        "shipping_tax_refunded",
    )
)


def _show_assignment(assignment: Document, order: Document, items: list[Document]) -> Document:
    totals = {name: order[name] for name in _SHIPPING_TOTALS if name in order}
    return {**assignment, "shipping": {**assignment.get("shipping", {}), "total": totals}, "items": items}


def _get_order(call: Call) -> Document:
    return show_order(call.shop.get_order(call.id_at("id")))


def _list_orders(call: Call) -> Document:
    return _search(call, call.shop.orders.values(), _ORDER_COLUMNS, show=show_order)


def _get_invoice(call: Call) -> Document:
    return call.shop.get_invoice(call.id_at("id"))


def _list_invoices(call: Call) -> Document:
    return _search(call, call.shop.invoices.values(), _INVOICE_COLUMNS)


def _get_memo(call: Call) -> Document:
    return call.shop.get_memo(call.id_at("id"))


def _list_memos(call: Call) -> Document:
    notes = call.shop.memo_notes

    def column_of(memo: Document, name: str) -> Any:
        return notes.get(memo["entity_id"]) if name == "customer_note" else memo.get(name)

    memos = sorted(call.shop.memos.values(), key=lambda memo: memo["entity_id"])
    return _search(call, memos, _MEMO_COLUMNS, column_of=column_of)


def _list_transactions(call: Call) -> Document:
    return _search(call, call.shop.transactions.values(), _TRANSACTION_COLUMNS)


def _list_source_items(call: Call) -> Document:
    return _search(call, call.shop.stock.source_items(), _SOURCE_ITEM_COLUMNS)


def _search(
    call: Call,
    documents: Any,
    columns: frozenset[str],
    *,
    show: Callable[[Document], Document] = lambda document: document,
    column_of: Callable[[Document, str], Any] = dict.get,
) -> Document:
    criteria = read_criteria(call.query)
    found, total = find_documents(documents, criteria, columns=columns, column_of=column_of)
    return _list(criteria, [show(document) for document in found], total)


def _list(criteria: Criteria, items: list[Document], total: int) -> Document:
    return {"items": items, "search_criteria": criteria.to_document(), "total_count": total}


def _list_of_parent(parent_id: int, items: list[Document]) -> Document:
    wanted = Filter(field="parent_id", value=str(parent_id), condition="eq")
    criteria = Criteria(groups=((wanted,),), sort_orders=(), page_size=None, current_page=None)
    return _list(criteria, items, len(items))


def _list_memo_comments(call: Call) -> Document:
    memo_id = call.id_at("id")
    memo = call.shop.memos.get(memo_id)
    return _list_of_parent(memo_id, memo["comments"] if memo else [])


def _comment_on_memo(call: Call) -> Document:
    return call.shop.comment_on_memo(call.id_at("id"), inputs.read_entity(call.body, "entity"))


def _cancel_memo(_call: Call) -> bool:
    raise RefusedError("You can not cancel Credit Memo")


def _mail_memo(call: Call) -> bool:
    return call.shop.mail_memo(call.id_at("id"))


def _list_order_comments(call: Call) -> Document:
    order_id = call.id_at("id")
    order = call.shop.orders.get(order_id)
    return _list_of_parent(order_id, list(reversed(order["status_histories"])) if order else [])


def _comment_on_order(call: Call) -> bool:
    said = inputs.read_entity(call.body, "statusHistory", "status_history")
    return call.shop.comment_on_order(call.id_at("id"), said)


def _invoice_order(call: Call) -> str:
    made = invoice_order(
        call.shop,
        call.id_at("id"),
        inputs.read_quantities(call.body),
        capture=inputs.read_bool(call.body.get("capture")),
        notify=inputs.read_bool(call.body.get("notify")),
    )
    return str(made)


def _ship_order(call: Call) -> str:
    return str(ship_order(call.shop, call.id_at("id"), inputs.read_quantities(call.body)))


def _read_salable(call: Call) -> Any:
    sku = call.at["sku"]
    if not call.shop.stock.knows(sku):
        raise NotFoundError
    return call.shop.stock.salable(sku)


def _issue_admin_token(call: Call) -> str:
    body = call.body
    return call.access.issue_admin_token(str(body.get("username", "")), str(body.get("password", "")))


def _list_store_views(_call: Call) -> list[Document]:
    return [
        {"id": number, "code": code, "name": code, "website_id": 1, "store_group_id": 1, "is_active": 1}
        for number, code in enumerate((c for c in _call.shop.settings.store_codes if c != "all"), start=1)
    ]


_TOPIC = "async.magento.sales.api.refund{what}interface.execute.post"


def _enqueue(call: Call) -> _Accepted:
    """Puts the call into the database queue, where nothing consumes it; without a queue PHP fails."""
    shop = call.shop
    if not shop.quirks.queues_async_calls:
        raise PhpFailureError("Unknown connection name amqp")
    body = inputs.read_body(call.request)
    sequence = shop.next_id("bulk")
    digest = hashlib.sha256(f"{shop.gateway.seed} bulk {sequence}".encode()).hexdigest()
    uuid = "-".join((digest[:8], digest[8:12], "4" + digest[13:16], "a" + digest[17:20], digest[20:32]))
    what = "invoice" if "/invoice/" in call.request.path else "order"
    meta = json.loads(serialize({**body, f"{what}Id": call.at["id"]}))
    data = {
        "entity_id": None,
        "entity_link": "",
        "meta_information": json.dumps(meta, separators=(",", ":")),
        "store_id": "1",
    }
    shop.bulks[uuid] = {
        "topic_name": _TOPIC.format(what=what),
        "serialized_data": json.dumps(data, separators=(",", ":")),
        "start_time": shop.timestamp(),
    }
    accepted = {"id": 0, "data_hash": digest, "status": "accepted"}
    return _Accepted((202, {"bulk_uuid": uuid, "request_items": [accepted], "errors": False}))


def _show_bulk(call: Call, operation: Callable[[str, Document], Document]) -> Document:
    uuid = call.at["uuid"]
    if uuid not in call.shop.bulks:
        raise NotFoundError
    bulk = call.shop.bulks[uuid]
    return {
        "operations_list": [operation(uuid, bulk)],
        "user_type": 2,
        "bulk_id": uuid,
        "description": f"Topic {bulk['topic_name']}",
        "start_time": bulk["start_time"],
        "user_id": 1,
        "operation_count": 1,
    }


def _get_bulk_status(call: Call) -> Document:
    return _show_bulk(call, lambda _uuid, _bulk: {"id": 0, "status": 4, "result_message": None, "error_code": None})


def _get_bulk_details(call: Call) -> Document:
    return _show_bulk(
        call,
        lambda uuid, bulk: {
            "id": 0,
            "bulk_uuid": uuid,
            "topic_name": bulk["topic_name"],
            "serialized_data": bulk["serialized_data"],
            "result_serialized_data": None,
            "status": 4,
            "result_message": None,
            "error_code": None,
        },
    )


_COMMON_COLUMNS = [
    "entity_id",
    "increment_id",
    "store_id",
    "state",
    "created_at",
    "updated_at",
    "grand_total",
    "base_grand_total",
    "subtotal",
    "base_subtotal",
    "tax_amount",
    "base_tax_amount",
    "discount_amount",
    "base_discount_amount",
    "shipping_amount",
    "base_shipping_amount",
    "order_currency_code",
    "base_currency_code",
    "store_currency_code",
    "global_currency_code",
    "customer_note",
    "email_sent",
    "send_email",
    "billing_address_id",
    "shipping_address_id",
    "customer_note_notify",
    "discount_description",
]
_ORDER_COLUMNS = frozenset(
    [
        *_COMMON_COLUMNS,
        *[
            "status",
            "customer_id",
            "customer_email",
            "customer_firstname",
            "customer_lastname",
            "customer_group_id",
            "customer_is_guest",
            "coupon_code",
            "protect_code",
            "quote_id",
            "remote_ip",
            "shipping_description",
            "shipping_method",
            "is_virtual",
            "weight",
            "total_paid",
            "base_total_paid",
            "total_refunded",
            "base_total_refunded",
            "total_due",
            "base_total_due",
            "total_invoiced",
            "base_total_invoiced",
            "total_canceled",
            "total_qty_ordered",
            "total_item_count",
            "total_online_refunded",
            "total_offline_refunded",
            "base_total_online_refunded",
            "base_total_offline_refunded",
            "ext_order_id",
            "ext_customer_id",
            "hold_before_state",
            "hold_before_status",
            "applied_rule_ids",
            "store_name",
            "original_increment_id",
            "relation_child_id",
            "relation_parent_id",
            "adjustment_positive",
            "adjustment_negative",
            "edit_increment",
        ],
    ]
)
_INVOICE_COLUMNS = frozenset(
    [
        *_COMMON_COLUMNS,
        *["order_id", "transaction_id", "is_used_for_refund", "can_void_flag", "total_qty", "base_total_refunded"],
    ]
)
_MEMO_COLUMNS = frozenset(
    [
        *_COMMON_COLUMNS,
        *[
            "order_id",
            "invoice_id",
            "transaction_id",
            "creditmemo_status",
            "adjustment",
            "adjustment_positive",
            "adjustment_negative",
            "base_adjustment",
            "base_adjustment_positive",
            "base_adjustment_negative",
        ],
    ]
)
_TRANSACTION_COLUMNS = frozenset(
    [
        "transaction_id",
        "parent_id",
        "order_id",
        "payment_id",
        "txn_id",
        "parent_txn_id",
        "txn_type",
        "is_closed",
        "created_at",
    ]
)
_SOURCE_ITEM_COLUMNS = frozenset(["sku", "source_code", "quantity", "status", "source_item_id"])


def _route(method: str, template: str, resource: str, run: Callable[[Call], Any]) -> _Route:
    pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", template)
    return _Route(method=method, pattern=re.compile("V1/" + pattern), resource=resource, run=run)


_SALES = "Magento_Sales::"
_ROUTES = (
    _route("POST", "order/:id/refund", _SALES + "creditmemo", _refund_order),
    _route("POST", "invoice/:id/refund", _SALES + "sales_invoice", _refund_invoice),
    _route("POST", "creditmemo/refund", _SALES + "sales_creditmemo", _refund_by_document),
    _route("GET", "orders/:id", _SALES + "actions_view", _get_order),
    _route("GET", "orders", _SALES + "actions_view", _list_orders),
    _route("GET", "invoices/:id", _SALES + "sales_invoice", _get_invoice),
    _route("GET", "invoices", _SALES + "sales_invoice", _list_invoices),
    _route("GET", "creditmemo/:id", _SALES + "sales_creditmemo", _get_memo),
    _route("GET", "creditmemos", _SALES + "sales_creditmemo", _list_memos),
    _route("GET", "creditmemo/:id/comments", _SALES + "sales_creditmemo", _list_memo_comments),
    _route("POST", "creditmemo/:id/comments", _SALES + "sales_creditmemo", _comment_on_memo),
    _route("POST", "creditmemo/:id/emails", _SALES + "sales_creditmemo", _mail_memo),
    _route("PUT", "creditmemo/:id", _SALES + "sales_creditmemo", _cancel_memo),
    _route("GET", "orders/:id/comments", _SALES + "actions_view", _list_order_comments),
    _route("POST", "orders/:id/comments", _SALES + "comment", _comment_on_order),
    _route("POST", "orders/:id/hold", _SALES + "hold", lambda call: call.shop.hold(call.id_at("id"))),
    _route("POST", "orders/:id/unhold", _SALES + "unhold", lambda call: call.shop.unhold(call.id_at("id"))),
    _route("POST", "orders/:id/cancel", _SALES + "cancel", lambda call: call.shop.cancel(call.id_at("id"))),
    _route("POST", "order/:id/invoice", _SALES + "invoice", _invoice_order),
    _route("POST", "order/:id/ship", _SALES + "ship", _ship_order),
    _route("GET", "transactions", _SALES + "transactions_fetch", _list_transactions),
    _route("GET", "inventory/source-items", "Magento_InventoryApi::source", _list_source_items),
    _route(
        "GET",
        "inventory/get-product-salable-quantity/:sku/:stock",
        "Magento_InventorySalesApi::stock",
        _read_salable,
    ),
    _route("GET", "bulk/:uuid/status", "Magento_Logging::system_magento_logging_bulk_operations", _get_bulk_status),
    _route(
        "GET",
        "bulk/:uuid/detailed-status",
        "Magento_Logging::system_magento_logging_bulk_operations",
        _get_bulk_details,
    ),
    _route("GET", "store/storeViews", "Magento_Backend::store", _list_store_views),
    _route("POST", "integration/admin/token", _ANONYMOUS, _issue_admin_token),
)
