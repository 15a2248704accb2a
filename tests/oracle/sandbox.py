"""The third opinion: the same order in the sandbox store, which computes apart from the planner and from the oracle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from service.core.orders import Invoice, Order, OrderLine, Reading, ShippingAmounts
from service.core.plan import RefundRequest
from service.magento.refunds import refund_body, refund_path
from service.sandbox import documents
from service.sandbox.http import Request
from service.sandbox.store import SandboxStore
from tests.oracle.model import BASE, CURRENCIES, SHOWN

_PREFIX = {BASE: "base_", SHOWN: ""}
_NONE = Decimal(0)


class SandboxOpinion:
    """A sandbox store that holds one order and makes its refunds."""

    def __init__(self, reading: Reading) -> None:
        self._store = SandboxStore(magento_version="2.4.6-p4", now=lambda: 1_795_000_000.0, pause=lambda point: None)
        invoices = [_invoice(invoice, reading.order) for invoice in reading.invoices]
        self._store.add_order(_order(reading.order), invoices or [_offline_invoice(reading.order)], None)
        self._headers = self._store.bearer()

    def give_back(self, request: RefundRequest) -> dict[str, Decimal] | str:
        """The memo's total per currency; what was said, where the sandbox refuses."""
        path = f"/rest/default{refund_path(request)}"
        body = json.dumps(refund_body(request)).encode()
        answer = self._store.handle(Request(method="POST", path=path, headers=self._headers, body=body))
        if answer.status != 200:
            return answer.body.decode()
        memo = self._store.shop.memos[int(documents.parse(answer.body))]
        return {currency: Decimal(memo[f"{prefix}grand_total"]) for currency, prefix in _PREFIX.items()}


def _order(order: Order) -> dict[str, Any]:
    totals = {BASE: order.base, SHOWN: order.shown}
    shipping = {BASE: order.base_shipping, SHOWN: order.shown_shipping}
    document: dict[str, Any] = {
        "entity_id": order.entity_id,
        "increment_id": order.increment_id,
        "store_id": 1,
        "state": "processing",
        "status": "processing",
        "base_currency_code": order.base_currency,
        "order_currency_code": order.currency,
        "base_to_order_rate": order.base_to_order_rate,
        "items": [_line(line) for line in order.lines],
        "payment": {"entity_id": order.entity_id, "method": order.payment_method},
        "status_histories": [],
        "extension_attributes": {"shipping_assignments": []},
    }
    for currency, prefix in _PREFIX.items():
        document |= {
            f"{prefix}grand_total": totals[currency].grand_total,
            f"{prefix}total_paid": totals[currency].paid,
            f"{prefix}tax_invoiced": totals[currency].tax_invoiced,
            **_shipping(prefix, shipping[currency]),
        }
        document["payment"][f"{prefix}amount_paid"] = totals[currency].paid
    return document


def _line(line: OrderLine) -> dict[str, Any]:
    document: dict[str, Any] = {
        "item_id": line.item_id,
        "sku": line.sku,
        "name": line.sku,
        "product_type": line.product_type,
        "is_qty_decimal": int(line.is_qty_decimal),
        "qty_ordered": line.qty_ordered,
        "qty_invoiced": line.qty_invoiced,
        "qty_shipped": line.qty_shipped,
        "qty_refunded": _NONE,
        "qty_canceled": _NONE,
        "amount_refunded": _NONE,
        "base_amount_refunded": _NONE,
    }
    for currency in CURRENCIES:
        amounts, prefix = getattr(line, currency), _PREFIX[currency]
        document |= {
            f"{prefix}price": amounts.price,
            f"{prefix}row_total": amounts.row_invoiced - amounts.discount_invoiced,
            f"{prefix}row_total_incl_tax": amounts.row_invoiced + amounts.tax_invoiced,
            **{
                f"{prefix}{name}": getattr(amounts, name)
                for name in ("row_invoiced", "tax_invoiced", "discount_invoiced")
            },
        }
    if line.parent_item_id is not None:
        document["parent_item_id"] = line.parent_item_id
    return document


def _shipping(prefix: str, amounts: ShippingAmounts) -> dict[str, Decimal]:
    return {
        f"{prefix}shipping_amount": amounts.amount,
        f"{prefix}shipping_incl_tax": amounts.including_tax,
        f"{prefix}shipping_tax_amount": amounts.tax,
    }


def _invoice(invoice: Invoice, order: Order) -> dict[str, Any]:
    return {
        "entity_id": invoice.entity_id,
        "increment_id": invoice.increment_id,
        "order_id": order.entity_id,
        "store_id": 1,
        "state": invoice.state,
        "transaction_id": invoice.transaction_id,
        "base_grand_total": invoice.base_grand_total,
        "base_shipping_amount": invoice.base_shipping,
        "tax_amount": invoice.shown.tax,
        "base_tax_amount": invoice.base.tax,
        "shipping_tax_amount": invoice.shown.shipping_tax,
        "base_shipping_tax_amount": invoice.base.shipping_tax,
        "items": list(_invoice_items(invoice)),
    }


def _invoice_items(invoice: Invoice) -> Iterator[dict[str, Any]]:
    for number, held in enumerate(invoice.lines):
        yield {"entity_id": invoice.entity_id * 10 + number, "order_item_id": held.order_item_id, "qty": held.qty}


def _offline_invoice(order: Order) -> dict[str, Any]:
    return {
        "entity_id": 310,
        "increment_id": "000000310",
        "order_id": order.entity_id,
        "store_id": 1,
        "state": 2,
        "base_grand_total": order.base.grand_total,
        "base_shipping_amount": order.base_shipping.amount,
        "items": [
            {"entity_id": 3100 + number, "order_item_id": line.item_id, "qty": line.qty_ordered}
            for number, line in enumerate(order.lines)
        ],
    }
