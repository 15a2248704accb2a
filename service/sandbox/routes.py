"""Every route the sandbox knows: its path, the right it needs, what it does. The table is at the end.

Source: Magento 2.4 module-sales/etc/webapi.xml and the inventory modules' own; recordings/FORMAT.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service.sandbox import inputs
from service.sandbox.access import Access
from service.sandbox.bulk import show_bulk
from service.sandbox.columns import (
    INVOICE_COLUMNS,
    MEMO_COLUMNS,
    ORDER_COLUMNS,
    SOURCE_ITEM_COLUMNS,
    TRANSACTION_COLUMNS,
)
from service.sandbox.documents import Document
from service.sandbox.fulfilment import invoice_order, ship_order
from service.sandbox.http import Request
from service.sandbox.order_view import show_order
from service.sandbox.search import Criteria, Filter, Parameters, find_documents, read_criteria
from service.sandbox.shop import NotFoundError, Shop, Steps
from service.sandbox.totals import RefusedError

#: The resource of a route that needs no right.
ANONYMOUS = ""


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
class Route:
    method: str
    pattern: re.Pattern[str]
    resource: str
    run: Callable[[Call], Any]


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


def _get_order(call: Call) -> Document:
    return show_order(call.shop.get_order(call.id_at("id")))


def _list_orders(call: Call) -> Document:
    return _search(call, call.shop.orders.values(), ORDER_COLUMNS, show=show_order)


def _get_invoice(call: Call) -> Document:
    return call.shop.get_invoice(call.id_at("id"))


def _list_invoices(call: Call) -> Document:
    return _search(call, call.shop.invoices.values(), INVOICE_COLUMNS)


def _get_memo(call: Call) -> Document:
    return call.shop.get_memo(call.id_at("id"))


def _list_memos(call: Call) -> Document:
    notes = call.shop.memo_notes

    def column_of(memo: Document, name: str) -> Any:
        return notes.get(memo["entity_id"]) if name == "customer_note" else memo.get(name)

    memos = sorted(call.shop.memos.values(), key=lambda memo: memo["entity_id"])
    return _search(call, memos, MEMO_COLUMNS, column_of=column_of)


def _list_transactions(call: Call) -> Document:
    return _search(call, call.shop.transactions.values(), TRANSACTION_COLUMNS)


def _list_source_items(call: Call) -> Document:
    return _search(call, call.shop.stock.source_items(), SOURCE_ITEM_COLUMNS)


def _search(
    call: Call,
    documents: Iterable[Document],
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


def _list_store_views(call: Call) -> list[Document]:
    return [
        {"id": number, "code": code, "name": code, "website_id": 1, "store_group_id": 1, "is_active": 1}
        for number, code in enumerate((c for c in call.shop.settings.store_codes if c != "all"), start=1)
    ]


def _route(method: str, template: str, resource: str, run: Callable[[Call], Any]) -> Route:
    pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", template)
    return Route(method=method, pattern=re.compile("V1/" + pattern), resource=resource, run=run)


_SALES = "Magento_Sales::"
_BULK = "Magento_Logging::system_magento_logging_bulk_operations"
ROUTES = (
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
    _route("GET", "bulk/:uuid/status", _BULK, lambda call: show_bulk(call.shop, call.at["uuid"], detailed=False)),
    _route(
        "GET", "bulk/:uuid/detailed-status", _BULK, lambda call: show_bulk(call.shop, call.at["uuid"], detailed=True)
    ),
    _route("GET", "store/storeViews", "Magento_Backend::store", _list_store_views),
    _route("POST", "integration/admin/token", ANONYMOUS, _issue_admin_token),
)
