"""Which fields hold ids of which kind, and which id of the recording is which id of the sandbox.

Two runs never give the same ids. Numbering each kind by first appearance and comparing the numbers comes to the same
as what is done here: the first time two ids meet in the same place they are paired, and must stay a pair.
"""

from __future__ import annotations

import re
from typing import Any

#: Kind of document → its id fields → kind of id.
ID_FIELDS: dict[str, dict[str, str]] = {
    "order": {
        "entity_id": "order",
        "increment_id": "order increment",
        "billing_address_id": "address",
        "quote_id": "quote",
        "quote_address_id": "quote address",
    },
    "order item": {
        "item_id": "order item",
        "parent_item_id": "order item",
        "order_id": "order",
        "quote_item_id": "quote item",
    },
    "address": {"entity_id": "address", "parent_id": "order", "customer_address_id": "customer address"},
    "payment": {"entity_id": "payment", "parent_id": "order", "last_trans_id": "gateway transaction"},
    "history": {"entity_id": "history", "parent_id": "order"},
    "invoice": {
        "entity_id": "invoice",
        "increment_id": "invoice increment",
        "order_id": "order",
        "billing_address_id": "address",
        "shipping_address_id": "address",
        "transaction_id": "gateway transaction",
    },
    "invoice item": {"entity_id": "invoice item", "order_item_id": "order item", "parent_id": "invoice"},
    "invoice comment": {"entity_id": "invoice comment", "parent_id": "invoice"},
    "memo": {
        "entity_id": "memo",
        "increment_id": "memo increment",
        "order_id": "order",
        "invoice_id": "invoice",
        "billing_address_id": "address",
        "shipping_address_id": "address",
        "transaction_id": "gateway transaction",
    },
    "memo item": {"entity_id": "memo item", "order_item_id": "order item", "parent_id": "memo"},
    "memo comment": {"entity_id": "memo comment", "parent_id": "memo"},
    "transaction": {
        "transaction_id": "transaction",
        "parent_id": "transaction",
        "order_id": "order",
        "payment_id": "payment",
        "txn_id": "gateway transaction",
        "parent_txn_id": "gateway transaction",
    },
    "bulk": {"bulk_uuid": "bulk", "bulk_id": "bulk"},
}

#: Kind of document → its parts → kind of part. Parts not named here hold no ids.
PARTS: dict[str, dict[str, str]] = {
    "order": {
        "items": "order item",
        "billing_address": "address",
        "payment": "payment",
        "status_histories": "history",
        "extension_attributes": "order extension",
    },
    "order item": {"parent_item": "order item"},
    "order extension": {"shipping_assignments": "assignment"},
    "assignment": {"shipping": "shipping", "items": "order item"},
    "shipping": {"address": "address"},
    "invoice": {"items": "invoice item", "comments": "invoice comment"},
    "memo": {"items": "memo item", "comments": "memo comment"},
    "transaction": {"child_transactions": "transaction"},
    "bulk": {"operations_list": "bulk"},
}

#: Lists that Magento returns in no particular order, compared by id.
UNSORTED = frozenset({"history", "memo comment", "invoice comment"})

#: The end of a route → what its answer is, and whether it is a list found by search.
_ANSWERS: tuple[tuple[str, str, bool], ...] = (
    (r"order/[^/]+/refund/?", "memo id", False),
    (r"invoice/[^/]+/refund/?", "memo id", False),
    (r"order/[^/]+/invoice", "invoice id", False),
    (r"order/[^/]+/ship", "shipment id", False),
    (r"creditmemo/refund", "memo", False),
    (r"creditmemo/[^/]+/comments", "memo comment", True),
    (r"creditmemo/[^/]+", "memo", False),
    (r"creditmemos", "memo", True),
    (r"orders/[^/]+/comments", "history", True),
    (r"orders/[^/]+", "order", False),
    (r"orders", "order", True),
    (r"invoices/[^/]+", "invoice", False),
    (r"invoices", "invoice", True),
    (r"transactions", "transaction", True),
    (r"bulk/.*", "bulk", False),
)

#: Kind of id that a number in a path stands for.
_IN_PATH = (
    (re.compile(r"(?<=/order/)\d+|(?<=/orders/)\d+"), "order"),
    (re.compile(r"(?<=/invoice/)\d+|(?<=/invoices/)\d+"), "invoice"),
    (re.compile(r"(?<=/creditmemo/)\d+"), "memo"),
    (re.compile(r"(?<=/bulk/)[0-9a-f-]{36}"), "bulk"),
)

_IN_BODY = {"order_item_id": "order item", "order_id": "order", "invoice_id": "invoice", "parent_id": "order"}

_TRANSACTION = re.compile(r"[a-z]+-[a-z]+-[0-9a-f]{12}")


def find_answer_kind(path: str) -> tuple[str | None, bool]:
    """What a route answers with, and whether that is the result of a search."""
    route = path.partition("?")[0].partition("/V1/")[2]
    for pattern, kind, is_search in _ANSWERS:
        if re.fullmatch(pattern, route):
            return ("bulk", False) if "/async/" in path else (kind, is_search)
    return None, False


def find_filter_kind(field: str, searched: str | None) -> str | None:
    """The kind of id a search filter's value is, e.g. order_id of a search for memos."""
    if searched is None:
        return None
    return ID_FIELDS.get(searched, {}).get(field)


class IdPairs:
    """Which id of the recording is which of the sandbox, per kind."""

    def __init__(self) -> None:
        self._to_sandbox: dict[tuple[str, str], str] = {}
        self._to_recorded: dict[tuple[str, str], str] = {}

    def pair(self, kind: str, recorded: object, sandbox: object) -> str | None:
        """Pairs the two, or says why they cannot be a pair."""
        left, right = str(recorded), str(sandbox)
        known = self._to_sandbox.setdefault((kind, left), right)
        known_back = self._to_recorded.setdefault((kind, right), left)
        if known != right:
            return f"{kind} {left} was {known} in the sandbox, now {right}"
        if known_back != left:
            return f"{kind} {right} of the sandbox was {known_back} in the recording, now {left}"
        return None

    def knows(self, kind: str, recorded: object) -> bool:
        return (kind, str(recorded)) in self._to_sandbox

    def translate(self, kind: str, recorded: object) -> str:
        """The sandbox's id; one that never appeared stays as it is (an id that does not exist)."""
        return self._to_sandbox.get((kind, str(recorded)), str(recorded))

    def translate_path(self, path: str) -> str:
        """A request path with the sandbox's ids, search filters included."""
        address, question, query = path.partition("?")
        for pattern, kind in _IN_PATH:
            address = pattern.sub(lambda found, kind=kind: self.translate(kind, found.group()), address)
        searched, _ = find_answer_kind(path)
        return address + question + self._translate_query(query, searched)

    def _translate_query(self, query: str, searched: str | None) -> str:
        fields = dict(re.findall(r"(\[\d+\]\[filters\]\[\d+\])\[field\]=([^&]*)", query))

        def translate(found: re.Match[str]) -> str:
            kind = find_filter_kind(fields.get(found.group(1), ""), searched)
            values = found.group(2)
            if kind is not None:
                values = ",".join(self.translate(kind, value) for value in values.split(","))
            return f"{found.group(1)}[value]={values}"

        return re.sub(r"(\[\d+\]\[filters\]\[\d+\])\[value\]=([^&]*)", translate, query)

    def translate_body(self, body: Any, name: str = "") -> Any:
        if isinstance(body, dict):
            return {key: self.translate_body(value, key) for key, value in body.items()}
        if isinstance(body, list):
            kind = "order_item_id" if name == "return_to_stock_items" else name
            return [self.translate_body(value, kind) for value in body]
        if name in _IN_BODY and isinstance(body, int) and not isinstance(body, bool):
            return int(self.translate(_IN_BODY[name], body))
        return body

    def pair_text(self, recorded: str, sandbox: str) -> str | None:
        """Pairs the gateway's transaction ids inside two texts; the rest has to be equal."""
        left, right = _TRANSACTION.findall(recorded), _TRANSACTION.findall(sandbox)
        if _TRANSACTION.sub("", recorded) != _TRANSACTION.sub("", sandbox) or len(left) != len(right):
            return f"{recorded!r} is {sandbox!r}"
        return next(
            (why for pair in zip(left, right, strict=True) if (why := self.pair("gateway transaction", *pair))), None
        )
