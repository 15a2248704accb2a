"""Magento's JSON → our values.

Fields we do not know are passed over; a field that is absent means null, because Magento leaves most nulls out. What a
plan cannot do without must be there: an order without its payment method, or a memo without its comments, would be
refunded the wrong way or twice. Numbers become Decimal from the bytes on.
Source: recordings/FORMAT.md, currency-eur-order.json, creditmemo-refund-route-offline.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any, NoReturn

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from service.core.orders import (
    CreditMemo,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    LineAmounts,
    MemoAmounts,
    MemoLine,
    MemoLineAmounts,
    Order,
    OrderLine,
    OrderTotals,
    ShippingAmounts,
)
from service.errors import MagentoUnreadable

ZERO = Decimal(0)

#: Our field → Magento's key. The same amount in the base currency has `base_` before its key, with one exception.
ORDER_TOTALS = {
    "grand_total": "grand_total",
    "paid": "total_paid",
    "refunded": "total_refunded",
    "online_refunded": "total_online_refunded",
    "offline_refunded": "total_offline_refunded",
    "tax_invoiced": "tax_invoiced",
    "tax_refunded": "tax_refunded",
    "tax_compensation_invoiced": "discount_tax_compensation_invoiced",
    "tax_compensation_refunded": "discount_tax_compensation_refunded",
}
ORDER_SHIPPING = {
    "amount": "shipping_amount",
    "including_tax": "shipping_incl_tax",
    "tax": "shipping_tax_amount",
    "discount": "shipping_discount_amount",
    "tax_compensation": "shipping_discount_tax_compensation_amount",
    "refunded": "shipping_refunded",
    "tax_refunded": "shipping_tax_refunded",
}
ORDER_LINE = {
    "price": "price",
    "price_incl_tax": "price_incl_tax",
    "row_invoiced": "row_invoiced",
    "tax_invoiced": "tax_invoiced",
    "discount_invoiced": "discount_invoiced",
    "tax_compensation_invoiced": "discount_tax_compensation_invoiced",
    "row_refunded": "amount_refunded",
    "tax_refunded": "tax_refunded",
    "discount_refunded": "discount_refunded",
    "tax_compensation_refunded": "discount_tax_compensation_refunded",
}
INVOICE_TAX = {
    "tax": "tax_amount",
    "tax_compensation": "discount_tax_compensation_amount",
    "shipping_tax": "shipping_tax_amount",
    "shipping_tax_compensation": "shipping_discount_tax_compensation_amount",
}
MEMO = {
    "grand_total": "grand_total",
    "subtotal": "subtotal",
    "tax": "tax_amount",
    "discount": "discount_amount",
    "tax_compensation": "discount_tax_compensation_amount",
    "shipping": "shipping_amount",
    "shipping_tax": "shipping_tax_amount",
    "adjustment_positive": "adjustment_positive",
    "adjustment_negative": "adjustment_negative",
}
MEMO_LINE = {
    "row": "row_total",
    "tax": "tax_amount",
    "discount": "discount_amount",
    "tax_compensation": "discount_tax_compensation_amount",
}
#: Database columns were once limited to 30 characters.
SHORTENED = {"shipping_discount_tax_compensation_amount": "base_shipping_discount_tax_compensation_amnt"}

#: Means of payment beside the order's method, which `total_paid` leaves out (Adobe Commerce).
OTHER_TENDERS = {
    "store credit": "customer_balance_amount",
    "gift card": "gift_cards_amount",
    "reward points": "reward_currency_amount",
}

#: Names of fields that stand for many of Magento's keys; not keys themselves.
_AMOUNTS, _SHIPPING = "(amounts)", "(shipping)"


def parse_json(body: bytes) -> Any:
    """Parse an answer with numbers as Decimal; NaN and Infinity, which are not JSON, are refused."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, nested without end
        raise MagentoUnreadable(
            f"Magento's answer of {len(body)} bytes is not JSON: {error}. Is a proxy or a maintenance page in between?"
        ) from error


def read_order(document: Any) -> Order:
    """An item of `GET /V1/orders`, or all of `GET /V1/orders/:id`."""
    found = _load(_ORDER, document, "order")
    base, shown = found[_AMOUNTS]
    base_shipping, shown_shipping = found[_SHIPPING]
    lines = tuple(_order_line(item) for item in found["items"])
    return Order(
        entity_id=found["entity_id"],
        increment_id=found["increment_id"],
        store_id=found["store_id"],
        state=found["state"],
        status=found["status"] or "",
        created_at=found["created_at"],
        currency=found["order_currency_code"],
        base_currency=found["base_currency_code"],
        base_to_order_rate=_rate(found),
        payment_method=found["payment"]["method"],
        base_paid_online=found["payment"]["base_amount_paid_online"] or ZERO,
        shipping_method=_shipping_method(found["extension_attributes"]),
        base=base,
        shown=shown,
        base_shipping=base_shipping,
        shown_shipping=shown_shipping,
        lines=lines,
        other_tenders=_other_tenders(found["extension_attributes"]),
        shows_a_refund=bool(
            base.refunded
            or shown.refunded
            or any(line.qty_refunded for line in lines)
            or any(entry["entity_name"] == "creditmemo" for entry in found["status_histories"] or ())
        ),
    )


def read_invoice(document: Any) -> Invoice:
    """An item of `GET /V1/invoices`, or all of `GET /V1/invoices/:id`."""
    found = _load(_INVOICE, document, "invoice")
    base, shown = found[_AMOUNTS]
    return Invoice(
        entity_id=found["entity_id"],
        increment_id=found["increment_id"] or "",
        order_id=found["order_id"],
        state=found["state"],
        transaction_id=found["transaction_id"] or None,
        base_grand_total=found["base_grand_total"] or ZERO,
        base_shipping=found["base_shipping_amount"] or ZERO,
        base=base,
        shown=shown,
        lines=tuple(
            InvoiceLine(order_item_id=item["order_item_id"], qty=item["qty"] or ZERO) for item in found["items"]
        ),
    )


def read_memo(document: Any) -> CreditMemo:
    """An item of `GET /V1/creditmemos`, or all of `GET /V1/creditmemo/:id`.

    Amounts may be absent: `POST /V1/creditmemo/refund` makes memos without any.
    """
    found = _load(_MEMO, document, "credit memo")
    base, shown = found[_AMOUNTS]
    return CreditMemo(
        entity_id=found["entity_id"],
        increment_id=found["increment_id"] or "",
        order_id=found["order_id"],
        invoice_id=found["invoice_id"],
        transaction_id=found["transaction_id"] or None,
        created_at=found["created_at"],
        base=base,
        shown=shown,
        lines=tuple(_memo_line(item) for item in found["items"] or ()),
        comments=tuple(entry["comment"] for entry in found["comments"] or () if entry["comment"]),
        email_sent=bool(found["email_sent"]),
    )


def _order_line(item: Mapping[str, Any]) -> OrderLine:
    base, shown = item[_AMOUNTS]
    return OrderLine(
        item_id=item["item_id"],
        parent_item_id=item["parent_item_id"],
        product_type=item["product_type"],
        sku=item["sku"],
        name=item["name"] or "",
        qty_ordered=item["qty_ordered"],
        qty_invoiced=item["qty_invoiced"] or ZERO,
        qty_shipped=item["qty_shipped"] or ZERO,
        qty_refunded=item["qty_refunded"] or ZERO,
        qty_canceled=item["qty_canceled"] or ZERO,
        is_qty_decimal=bool(item["is_qty_decimal"]),
        is_virtual=bool(item["is_virtual"]),
        has_fixed_product_tax=item["weee_tax_applied"] not in (None, "", "[]"),
        has_custom_options=bool(_dig(item["product_option"], "extension_attributes", "custom_options")),
        has_own_amounts=item["discount_tax_compensation_amount"] is not None,
        base=base,
        shown=shown,
    )


def _memo_line(item: Mapping[str, Any]) -> MemoLine:
    base, shown = item[_AMOUNTS]
    return MemoLine(order_item_id=item["order_item_id"], qty=item["qty"] or ZERO, base=base, shown=shown)


def _rate(found: Mapping[str, Any]) -> Decimal:
    """The order's own rate; an order shown in another currency cannot do without."""
    rate: Decimal | None = found["base_to_order_rate"]
    if rate:
        return rate
    if found["order_currency_code"] == found["base_currency_code"]:
        return Decimal(1)
    raise MagentoUnreadable(
        f"order {found['entity_id']}: base_to_order_rate = {rate!r}, but it is in {found['order_currency_code']} "
        f"and the base currency is {found['base_currency_code']}. Refund it by hand in Magento.",
        path="base_to_order_rate",
    )


def _shipping_method(extension_attributes: Any) -> str:
    method = _dig(extension_attributes, "shipping_assignments", 0, "shipping", "method")
    return method if isinstance(method, str) else ""


def _other_tenders(extension_attributes: Any) -> tuple[str, ...]:
    return tuple(
        name
        for name, key in OTHER_TENDERS.items()
        if _dig(extension_attributes, key) or _dig(extension_attributes, f"base_{key}")
    )


def _dig(value: Any, *steps: str | int) -> Any:
    """What lies at the end of the steps; None as soon as one is missing."""
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _base_key(key: str) -> str:
    return SHORTENED.get(key, f"base_{key}")


def _load(schema: Schema, document: Any, kind: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        path, problem = _first_problem(error.messages)
        named = f"{kind} {_dig(document, 'entity_id')}"
        value = _dig(document, *path)
        where = ".".join(str(step) for step in path) or "the answer"
        raise MagentoUnreadable(
            f"{named}: {where} = {_named(value)}: {problem} Check what the integration may read, "
            "and that no extension changes this answer.",
            path=where,
        ) from error
    return found


def _named(value: Any) -> str:
    """A plain value as it is; of anything larger only its type, since customers' data may be inside."""
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else repr(value)[:80]


def _first_problem(messages: Any) -> tuple[tuple[str | int, ...], str]:
    """Marshmallow nests {field: {index: {field: [text]}}}; the first leaf is enough to go and look."""
    path: list[str | int] = []
    while isinstance(messages, dict):
        key, messages = next(iter(messages.items()))
        if key not in {"_schema", _AMOUNTS, _SHIPPING}:
            path.append(key)
    return tuple(path), str(messages[0])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _Read(Schema):
    class Meta:
        unknown = EXCLUDE


class _InBothCurrencies(fields.Field[Any]):
    """(base, shown): one of core's classes of amounts twice, from the keys around this field; absent means zero.

    An order has forty amounts a line: a field for each would be most of the time that reading takes.
    """

    def __init__(self, of: type[Any], keys: Mapping[str, str]) -> None:
        super().__init__()
        self._of = of
        self._base = tuple((name, _base_key(key)) for name, key in keys.items())
        self._shown = tuple(keys.items())

    def deserialize(
        self,
        value: Any,  # noqa: ARG002 -- there is no key of this name
        attr: str | None = None,  # noqa: ARG002 -- interface
        data: Mapping[str, Any] | None = None,
        **_options: Any,
    ) -> tuple[Any, Any]:
        found = data or {}
        return (
            self._of(**{name: _amount(found, key) for name, key in self._base}),
            self._of(**{name: _amount(found, key) for name, key in self._shown}),
        )


_NUMBER = fields.Decimal(allow_none=True)


def _amount(found: Mapping[str, Any], key: str) -> Decimal:
    value = found.get(key)
    # What `parse_json` makes of a number; marshmallow is asked about anything else only.
    if type(value) is Decimal or type(value) is int:
        return Decimal(value)
    try:
        return _NUMBER.deserialize(value) or ZERO
    except ValidationError as error:
        raise ValidationError({key: error.messages}) from error


def _needed_id() -> fields.Field[Any]:
    return fields.Integer(required=True)


def _needed_text() -> fields.Field[Any]:
    return fields.String(required=True)


def _needed_time() -> fields.Field[Any]:
    """Magento writes UTC without saying so."""
    return fields.AwareDateTime(required=True, format="%Y-%m-%d %H:%M:%S", default_timezone=UTC)


def _maybe(field: type[fields.Field[Any]]) -> fields.Field[Any]:
    return field(load_default=None, allow_none=True)


def _shape(known: Mapping[str, fields.Field[Any]]) -> Schema:
    return _Read.from_dict(dict(known))()


def _list_of(known: Mapping[str, fields.Field[Any]], *, or_null: bool) -> fields.Field[Any]:
    """A list that must be there. `fields=` in a search turns an empty one into null."""
    return fields.List(fields.Nested(_shape(known)), required=True, allow_none=or_null)


_ORDER = _shape(
    {
        "entity_id": _needed_id(),
        "increment_id": _needed_text(),
        "store_id": _needed_id(),
        "state": _needed_text(),
        "status": _maybe(fields.String),
        "created_at": _needed_time(),
        "order_currency_code": _needed_text(),
        "base_currency_code": _needed_text(),
        "base_to_order_rate": _maybe(fields.Decimal),
        "payment": fields.Nested(
            _shape({"method": _needed_text(), "base_amount_paid_online": _maybe(fields.Decimal)}), required=True
        ),
        "extension_attributes": _maybe(fields.Raw),
        "status_histories": fields.List(
            fields.Nested(_shape({"entity_name": _maybe(fields.String)})), load_default=None, allow_none=True
        ),
        _AMOUNTS: _InBothCurrencies(OrderTotals, ORDER_TOTALS),
        _SHIPPING: _InBothCurrencies(ShippingAmounts, ORDER_SHIPPING),
        "items": _list_of(
            {
                "item_id": _needed_id(),
                "parent_item_id": _maybe(fields.Integer),
                "product_type": _needed_text(),
                "sku": _needed_text(),
                "name": _maybe(fields.String),
                "qty_ordered": fields.Decimal(required=True),
                "qty_invoiced": _maybe(fields.Decimal),
                "qty_shipped": _maybe(fields.Decimal),
                "qty_refunded": _maybe(fields.Decimal),
                "qty_canceled": _maybe(fields.Decimal),
                "is_qty_decimal": _maybe(fields.Boolean),
                "is_virtual": _maybe(fields.Boolean),
                "product_option": _maybe(fields.Raw),
                "weee_tax_applied": _maybe(fields.Raw),
                "discount_tax_compensation_amount": _maybe(fields.Decimal),
                _AMOUNTS: _InBothCurrencies(LineAmounts, ORDER_LINE),
            },
            or_null=False,
        ),
    }
)

_INVOICE = _shape(
    {
        "entity_id": _needed_id(),
        "increment_id": _maybe(fields.String),
        "order_id": _needed_id(),
        "state": _needed_id(),
        "transaction_id": _maybe(fields.String),
        "base_grand_total": _maybe(fields.Decimal),
        "base_shipping_amount": _maybe(fields.Decimal),
        _AMOUNTS: _InBothCurrencies(InvoiceTax, INVOICE_TAX),
        "items": _list_of({"order_item_id": _needed_id(), "qty": _maybe(fields.Decimal)}, or_null=False),
    }
)

_MEMO = _shape(
    {
        "entity_id": _needed_id(),
        "increment_id": _maybe(fields.String),
        "order_id": _needed_id(),
        "invoice_id": _maybe(fields.Integer),
        "transaction_id": _maybe(fields.String),
        "created_at": _needed_time(),
        "email_sent": _maybe(fields.Boolean),
        _AMOUNTS: _InBothCurrencies(MemoAmounts, MEMO),
        "items": _list_of(
            {
                "order_item_id": _needed_id(),
                "qty": _maybe(fields.Decimal),
                _AMOUNTS: _InBothCurrencies(MemoLineAmounts, MEMO_LINE),
            },
            or_null=True,
        ),
        # Without comments no marker can be found, and a refund that was made would be made again.
        "comments": _list_of({"comment": _maybe(fields.String)}, or_null=True),
    }
)
