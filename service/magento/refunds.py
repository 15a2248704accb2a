"""A refund request as the JSON that Magento takes, and the path it is posted to.

Nothing is left to Magento's defaults: left-out items or shipping mean "refund all of it", a misspelt top-level name is
ignored (so `isOnline` written otherwise refunds no money), an unknown nested name is a 500.
Source: recordings/tutorial-refund-simple.json, items-omitted-empty-zero-unknown.json, online-flag-variants.json.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from service.core.plan import RefundRequest, Route


def refund_path(request: RefundRequest) -> str:
    """The path below `/rest/<store_code>`. Its id is an entity_id: an increment id would be cast to another order's."""
    if request.route is Route.INVOICE:
        return f"/V1/invoice/{request.invoice_id}/refund"
    return f"/V1/order/{request.order_id}/refund"


def refund_body(request: RefundRequest) -> dict[str, Any]:
    """Plain JSON values; `json.dumps` of it is exact.

    `appendComment` is left out, which Magento reads as false: true would mail the marker to the customer
    (recordings/notify-with-comment.json).
    """
    arguments: dict[str, Any] = {
        "shipping_amount": json_number(request.shipping_amount),
        "adjustment_positive": json_number(request.adjustment_positive),
        "adjustment_negative": json_number(request.adjustment_negative),
    }
    if request.return_to_stock:
        arguments["extension_attributes"] = {"return_to_stock_items": list(request.return_to_stock)}
    body: dict[str, Any] = {
        "items": [{"order_item_id": item.order_item_id, "qty": json_number(item.qty)} for item in request.items],
        "notify": request.notify,
        "comment": {"comment": request.comment, "is_visible_on_front": 0},
        "arguments": arguments,
    }
    if request.route is Route.INVOICE:
        body["isOnline"] = True
    return body


def json_number(value: Decimal) -> int | float:
    """The JSON number that reads back as exactly this decimal.

    A float is written in its shortest form, which is the decimal itself up to 15 digits; one that is not is a
    ValueError, never a cent. Magento keeps four places.
    """
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise ValueError(f"{value} has more digits than a JSON number carries; amounts and quantities have four places")
    return number
