"""What Magento's REST API says about a freshly placed, invoiced and shipped order: full order and invoice documents.

Every field that the recordings have is there, and what they leave out is left out: an uninvoiced order has no
`*_invoiced`, a second invoice no `shipping_incl_tax`, a part priced by its parent no `base_original_price`. Whole
numbers are ints and the others Decimals, as parsed from Magento's JSON.
Source: the recordings' `before`; tests/sandbox/test_order_documents.py builds their orders anew and compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from service.sandbox.catalog import Kind
from service.sandbox.documents import Document
from service.sandbox.gateway import LedgerLine
from service.sandbox.order_pricing import (
    PlacedLine,
    PricedInvoice,
    PricedOrder,
    RowAmounts,
    Totals,
    price_order,
    units_per_line,
)
from service.sandbox.order_specs import SHIPPING_TITLES, Charge, OrderSpec, Override

_ZERO = Decimal(0)
_INVOICE_PAID = 2

_ADDRESSES = {
    # Tax is due in Michigan and not in New York, in the recordings' store as here.
    True: ("Detroit", "48201", "Michigan", "MI", 33),
    False: ("Purchase", "10577", "New York", "NY", 43),
}
_TAX_RULE = "US-MI-*-Rate 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderDocuments:
    order: Document
    invoices: tuple[Document, ...]
    ledger: tuple[LedgerLine, ...]
    #: Units per SKU that have left the shelf, and that are sold but still on it.
    gone_units: dict[str, Decimal]
    reserved_units: dict[str, Decimal]


class Ids(Protocol):
    """Who numbers things; kinds are "order", "order item", "invoice", "address" … and count apart."""

    def next_id(self, kind: str) -> int: ...

    def next_increment_id(self, kind: str, store_id: int = 1) -> str: ...


def build_documents(spec: OrderSpec, *, ids: Ids, now: datetime, magento_version: str) -> OrderDocuments:
    """The documents of a described order, as the given version of Magento would answer them. `now` is in UTC."""
    return _Writer(spec, price_order(spec), ids, now, magento_version).write()


class _Writer:
    """Holds what every part of one order's documents needs: its ids, its time, its prices."""

    def __init__(self, spec: OrderSpec, priced: PricedOrder, ids: Ids, now: datetime, version: str) -> None:
        self.spec, self.priced, self.ids = spec, priced, ids
        self.says_zero_shipping = version.startswith("2.4.1")
        self.at = now.strftime("%Y-%m-%d %H:%M:%S")
        self.order_id = ids.next_id("order")
        self.item_ids = [ids.next_id("order item") for _ in priced.lines]
        self.quote_item_ids = [ids.next_id("quote item") for _ in priced.lines]
        self.shipping_address_id = ids.next_id("address") if self.is_shippable else None
        self.billing_address_id = ids.next_id("address")
        self.shipped = _units_shipped(priced.lines, spec)
        self.invoiced = [sum(units, _ZERO) for units in zip(*(i.units for i in priced.invoices), strict=True)] or [
            _ZERO for _ in priced.lines
        ]
        self.ledger = _ledger_lines(spec, priced, now.timestamp())

    @property
    def is_shippable(self) -> bool:
        return any(line.product.kind.is_shippable for line in self.priced.lines)

    @property
    def is_invoiced(self) -> bool:
        return bool(self.priced.invoices)

    def write(self) -> OrderDocuments:
        items = self._items()
        order = self._order(items)
        return OrderDocuments(
            order=order,
            invoices=tuple(self._invoice(invoice, number) for number, invoice in enumerate(self.priced.invoices)),
            ledger=self.ledger,
            gone_units=self._count_units(self._gone()),
            reserved_units=self._count_units(
                [line.qty - gone for line, gone in zip(self.priced.lines, self._gone(), strict=True)]
            ),
        )

    def _order(self, items: list[Document]) -> Document:
        spec, base, shown = self.spec, self.priced.base, self.priced.shown
        base_paid, paid = self._sum_of_invoices()
        state, status = self._state()
        order: Document = {
            **self._currencies(),
            **_both("discount_amount", -base.discount, -shown.discount),
            **_both("grand_total", base.grand_total, shown.grand_total),
            **_both("discount_tax_compensation_amount", _ZERO, _ZERO),
            **self._shipping_totals(),
            **_both("subtotal", base.subtotal, shown.subtotal),
            **_both("subtotal_incl_tax", base.subtotal_incl_tax, shown.subtotal_incl_tax),
            **_both("tax_amount", base.tax, shown.tax),
            **_both("total_due", base.grand_total - base_paid, shown.grand_total - paid),
            "billing_address_id": self.billing_address_id,
            "created_at": self.at,
            "customer_email": "jdoe@example.com",
            "customer_firstname": "Jane",
            "customer_group_id": 0,
            "customer_is_guest": 1,
            "customer_lastname": "Doe",
            "customer_note_notify": 1,
            "email_sent": 1,
            "entity_id": self.order_id,
            "increment_id": spec.increment_id,
            "is_virtual": int(not self.is_shippable),
            "protect_code": hashlib.sha256(spec.increment_id.encode()).hexdigest()[:32],
            "quote_id": self.ids.next_id("quote"),
            "remote_ip": "127.0.0.1",
            "state": state,
            "status": status,
            "store_name": f"Main Website\nMain Website Store\n{self._store_view()[1]}",
            "total_item_count": sum(not self._children(index) for index in range(len(self.priced.lines))),
            "total_qty_ordered": _number(sum((Decimal(line.qty) for line in spec.lines), _ZERO)),
            "updated_at": self.at,
            "weight": _number(sum((item["row_weight"] for item in items), _ZERO)),
        }
        if self.is_invoiced:
            order |= self._invoiced_totals(base_paid, paid)
        if self.is_shippable:
            order["shipping_description"] = SHIPPING_TITLES[spec.shipping]
        if spec.discount_percent:
            order |= {"applied_rule_ids": "5", "coupon_code": self._coupon(), "discount_description": self._coupon()}
        if spec.override is Override.HELD:
            before = self._earned_state()
            order |= {"hold_before_state": before[0], "hold_before_status": before[1]}
        return order | {
            "items": items,
            "billing_address": self._address("billing", self.billing_address_id),
            "payment": self._payment(base_paid, paid),
            "status_histories": self._history(),
            "extension_attributes": self._extension_attributes(items),
        }

    def _currencies(self) -> Document:
        return {
            "base_currency_code": "USD",
            "base_to_global_rate": 1,
            "base_to_order_rate": _number(Decimal(self.spec.base_to_order_rate)),
            "global_currency_code": "USD",
            "order_currency_code": self.spec.currency,
            "store_currency_code": "USD",
            "store_id": self._store_view()[0],
            "store_to_base_rate": 0,
            "store_to_order_rate": 0,
        }

    def _store_view(self) -> tuple[int, str]:
        return (1, "Default Store View") if self.spec.currency == "USD" else (2, "Euro Store View")

    def _shipping_totals(self) -> Document:
        base, shown = self.priced.base, self.priced.shown
        totals = {
            **_both("shipping_amount", base.shipping, shown.shipping),
            **_both("shipping_discount_amount", _ZERO, _ZERO),
            **_no_shipping_compensation(),
            **_both("shipping_incl_tax", base.shipping + base.shipping_tax, shown.shipping + shown.shipping_tax),
            **_both("shipping_tax_amount", base.shipping_tax, shown.shipping_tax),
        }
        if self.is_invoiced:
            totals |= _both("shipping_invoiced", base.shipping, shown.shipping)
        return totals

    def _invoiced_totals(self, base_paid: Decimal, paid: Decimal) -> Document:
        base = [invoice.base for invoice in self.priced.invoices]
        shown = [invoice.shown for invoice in self.priced.invoices]
        return {
            **_both("discount_invoiced", -_sum(i.discount for i in base), -_sum(i.discount for i in shown)),
            **_both("discount_tax_compensation_invoiced", _ZERO, _ZERO),
            **_both("subtotal_invoiced", _sum(i.subtotal for i in base), _sum(i.subtotal for i in shown)),
            **_both("tax_invoiced", _sum(i.tax for i in base), _sum(i.tax for i in shown)),
            **_both("total_invoiced", base_paid, paid),
            **_both("total_paid", base_paid, paid),
            "base_total_invoiced_cost": 0,
        }

    def _sum_of_invoices(self) -> tuple[Decimal, Decimal]:
        return (
            _sum(invoice.base.grand_total for invoice in self.priced.invoices),
            _sum(invoice.shown.grand_total for invoice in self.priced.invoices),
        )

    def _state(self) -> tuple[str, str]:
        if self.spec.override:
            return self.spec.override.value, self.spec.override.value
        return self._earned_state()

    def _earned_state(self) -> tuple[str, str]:
        """State and status as Magento's own rules give them from what was invoiced and shipped."""
        if not self.is_invoiced and self.spec.method.charge is Charge.NOTHING:
            return "new", "pending"
        cart = list(enumerate(self.spec.lines))
        all_invoiced = all(_sum(u[i] for u in self.spec.units_by_invoice) == line.qty for i, line in cart)
        all_shipped = all(
            self.shipped[index] == line.qty
            for index, line in enumerate(self.priced.lines)
            if line.parent is None and line.product.kind.is_shippable
        )
        return ("complete", "complete") if all_invoiced and all_shipped else ("processing", "processing")

    def _items(self) -> list[Document]:
        items = [self._item(index) for index in range(len(self.priced.lines))]
        for index, line in enumerate(self.priced.lines):
            if line.parent is not None:
                items[index] |= {"parent_item_id": self.item_ids[line.parent], "parent_item": items[line.parent]}
        return items

    def _item(self, index: int) -> Document:
        line, base, shown = self.priced.lines[index], self.priced.base.rows[index], self.priced.shown.rows[index]
        item: Document = {
            **_both("amount_refunded", _ZERO, _ZERO),
            **_both("discount_amount", base.discount, shown.discount),
            **self._invoiced_amounts(index),
            **_both("price", base.price, shown.price),
            **_both("row_total", base.row_total - base.discount, shown.row_total - shown.discount),
            **_both("row_total_incl_tax", _rewritten_incl_tax(base), _rewritten_incl_tax(shown)),
            **_both("tax_amount", base.tax, shown.tax),
            "created_at": self.at,
            "discount_percent": 0 if line.is_priced_by_parts else _number(Decimal(self.spec.discount_percent)),
            "free_shipping": 0,
            "is_qty_decimal": int(line.product.is_qty_decimal),
            "is_virtual": int(not line.product.kind.is_shippable),
            "item_id": self.item_ids[index],
            "name": line.product.name,
            "no_discount": 0,
            "order_id": self.order_id,
            "original_price": _number(shown.original_price),
            "product_id": line.product.product_id,
            "product_type": line.product_type,
            "qty_canceled": _number(line.qty) if self.spec.override is Override.CANCELED else 0,
            "qty_invoiced": _number(self.invoiced[index]),
            "qty_ordered": _number(line.qty),
            "qty_refunded": 0,
            "qty_shipped": _number(self.shipped[index]),
            "quote_item_id": self.quote_item_ids[index],
            "row_weight": _number((line.product.weight or _ZERO) * line.qty if line.parent is None else _ZERO),
            "sku": line.sku,
            "store_id": self._store_view()[0],
            "updated_at": self.at,
        }
        if not line.is_priced_by_parent:
            item |= {
                **_both("price_incl_tax", base.price_incl_tax, shown.price_incl_tax),
                "base_original_price": _number(base.original_price),
            }
        if not line.is_priced_by_parts:
            item["tax_percent"] = _number(Decimal(self.spec.tax_percent)) if line.has_own_row else 0
        if line.has_own_row:
            item |= _both("discount_tax_compensation_amount", _ZERO, _ZERO)
            item |= {"applied_rule_ids": "5"} if self.spec.discount_percent else {}
            item |= {"weee_tax_applied": "[]"} if self.is_invoiced else {}
        if line.product.weight is not None:
            item["weight"] = _number(line.product.weight)
        if line.choices:
            item["product_option"] = {"extension_attributes": _product_option(line)}
        return item

    def _invoiced_amounts(self, index: int) -> Document:
        has_row = self.priced.lines[index].has_own_row
        base = [invoice.base.rows[index] for invoice in self.priced.invoices if has_row]
        shown = [invoice.shown.rows[index] for invoice in self.priced.invoices if has_row]
        amounts = {
            **_both("discount_invoiced", _sum(r.discount for r in base), _sum(r.discount for r in shown)),
            **_both("row_invoiced", _sum(r.row_total for r in base), _sum(r.row_total for r in shown)),
            **_both("tax_invoiced", _sum(r.tax for r in base), _sum(r.tax for r in shown)),
        }
        return amounts | (_both("discount_tax_compensation_invoiced", _ZERO, _ZERO) if self.is_invoiced else {})

    def _children(self, index: int) -> list[int]:
        return [child for child, line in enumerate(self.priced.lines) if line.parent == index]

    def _payment(self, base_paid: Decimal, paid: Decimal) -> Document:
        spec, base, shown = self.spec, self.priced.base, self.priced.shown
        payment: Document = {
            "account_status": None,
            "additional_information": [spec.method.title, *([None] if spec.payment == "banktransfer" else [])],
            "amount_ordered": _number(round(shown.grand_total, 2)),
            "base_amount_ordered": _number(round(base.grand_total, 2)),
            **_both("shipping_amount", base.shipping, shown.shipping),
            "cc_last4": None,
            "entity_id": self.order_id,
            "method": spec.payment,
            "parent_id": self.order_id,
        }
        if self.is_invoiced:
            payment |= _both("amount_paid", base_paid, paid)
            payment |= _both("shipping_captured", base.shipping, shown.shipping)
        if spec.method.charge is not Charge.NOTHING:
            payment |= _both("amount_authorized", base.grand_total, shown.grand_total)
            payment["last_trans_id"] = self.ledger[-1].txn
        if self._captures():
            payment["base_amount_paid_online"] = _number(base_paid)
        if spec.payment == "purchaseorder":
            payment["po_number"] = "PO-1001"
        return payment

    def _captures(self) -> list[LedgerLine]:
        return [line for line in self.ledger if line.what == "capture"]

    def _history(self) -> list[Document]:
        """What the gateway said, newest first. Orders without a gateway have no history until somebody writes one."""
        says = {
            "authorize": ("order", 'Authorized amount of ${:.2f}. Transaction ID: "{}"'),
            "capture": ("invoice", 'Captured amount of ${:.2f} online. Transaction ID: "{}"'),
        }
        entries = [
            {
                "comment": says[line.what][1].format(line.amount, line.txn),
                "created_at": self.at,
                "entity_id": self.ids.next_id("history"),
                "entity_name": says[line.what][0],
                "is_customer_notified": None,
                "is_visible_on_front": 0,
                "parent_id": self.order_id,
                "status": "processing",
            }
            for line in self.ledger
        ]
        return entries[::-1]

    def _extension_attributes(self, items: list[Document]) -> Document:
        spec = self.spec
        info = [{"key": "method_title", "value": spec.method.title}]
        if spec.payment == "banktransfer":
            info.append({"key": "instructions", "value": "null"})
        shipping: Document = {"total": self._shipping_totals()}
        if self.shipping_address_id is not None:
            address = self._address("shipping", self.shipping_address_id)
            shipping = {"address": address, "method": spec.shipping, **shipping}
        attributes: Document = {
            "shipping_assignments": [{"shipping": shipping, "items": items}],
            "payment_additional_info": info,
            **self._applied_taxes(),
        }
        if spec.store_credit:
            base, shown = self.priced.base, self.priced.shown
            attributes |= _both("customer_balance_amount", base.store_credit, shown.store_credit)
            if self.is_invoiced:
                attributes |= _both("customer_balance_invoiced", base.store_credit, shown.store_credit)
        return attributes

    def _applied_taxes(self) -> Document:
        if not self.spec.tax_percent:
            return {"applied_taxes": [], "item_applied_taxes": []}
        base, shown = self.priced.base, self.priced.shown
        by_item = [
            {"type": "product", "item_id": item_id, "applied_taxes": [self._applied(base_row.tax, row.tax)]}
            for item_id, line, base_row, row in zip(
                self.item_ids, self.priced.lines, base.rows, shown.rows, strict=True
            )
            if line.has_own_row
        ]
        if base.shipping_tax:
            applied = self._applied(base.shipping_tax, shown.shipping_tax)
            by_item.insert(0, {"type": "shipping", "applied_taxes": [applied]})
        return {
            "applied_taxes": [self._applied(base.tax, shown.tax)],
            "item_applied_taxes": by_item,
            "converting_from_quote": True,
        }

    def _applied(self, base_tax: Decimal, tax: Decimal) -> Document:
        percent = _number(Decimal(self.spec.tax_percent))
        return {
            "code": _TAX_RULE,
            "title": _TAX_RULE,
            "percent": percent,
            "amount": _number(tax),
            "base_amount": _number(base_tax),
        }

    def _address(self, kind: str, entity_id: int) -> Document:
        city, postcode, region, region_code, region_id = _ADDRESSES[bool(self.spec.tax_percent)]
        return {
            "address_type": kind,
            "city": city,
            "country_id": "US",
            "email": "jdoe@example.com",
            "entity_id": entity_id,
            "firstname": "Jane",
            "lastname": "Doe",
            "parent_id": self.order_id,
            "postcode": postcode,
            "region": region,
            "region_code": region_code,
            "region_id": region_id,
            "street": ["123 Oak Ave"],
            "telephone": "512-555-1111",
        }

    def _coupon(self) -> str:
        return f"C{self.spec.discount_percent}"

    def _invoice(self, invoice: PricedInvoice, number: int) -> Document:
        base, shown = invoice.base, invoice.shown
        entity_id = self.ids.next_id("invoice")
        captures = self._captures()
        document: Document = {
            **self._currencies(),
            **_both("discount_amount", -base.discount, -shown.discount),
            **_both("grand_total", base.grand_total, shown.grand_total),
            **_both("discount_tax_compensation_amount", _ZERO, _ZERO),
            **_both("subtotal", base.subtotal, shown.subtotal),
            **_both("subtotal_incl_tax", base.subtotal_incl_tax, shown.subtotal_incl_tax),
            **_both("tax_amount", base.tax, shown.tax),
            "billing_address_id": self.billing_address_id,
            "created_at": self.at,
            "entity_id": entity_id,
            "increment_id": self.ids.next_increment_id("invoice", self._store_view()[0]),
            "order_id": self.order_id,
            "state": _INVOICE_PAID,
            "total_qty": _number(sum(invoice.units, _ZERO)),
            "updated_at": self.at,
        }
        # Of a later invoice's shipping 2.4.1 says 0 and 2.4.6 nothing (recordings/online-two-invoices.json).
        if invoice.is_first or self.says_zero_shipping:
            document |= _both("shipping_amount", base.shipping, shown.shipping)
        if invoice.is_first:
            document |= {
                **_both("shipping_incl_tax", base.shipping + base.shipping_tax, shown.shipping + shown.shipping_tax),
                **_both("shipping_tax_amount", base.shipping_tax, shown.shipping_tax),
                **_no_shipping_compensation(),
            }
        if self.shipping_address_id is not None:
            document["shipping_address_id"] = self.shipping_address_id
        if self.spec.discount_percent:
            document["discount_description"] = self._coupon()
        document |= {"transaction_id": captures[number].txn} if captures else {"can_void_flag": 0}
        if self.spec.method.charge is Charge.CAPTURE:
            document["email_sent"] = 1
        return document | {"items": self._invoice_items(invoice, entity_id), "comments": []}

    def _invoice_items(self, invoice: PricedInvoice, invoice_id: int) -> list[Document]:
        return [
            self._invoice_item(line, item_id, units, base, shown) | {"parent_id": invoice_id}
            for line, item_id, units, base, shown in zip(
                self.priced.lines,
                self.item_ids,
                invoice.units,
                invoice.base.rows,
                invoice.shown.rows,
                strict=True,
            )
            if units
        ]

    def _invoice_item(
        self, line: PlacedLine, item_id: int, units: Decimal, base: RowAmounts, shown: RowAmounts
    ) -> Document:
        item: Document = {
            **_both("price", base.price, shown.price),
            "entity_id": self.ids.next_id("invoice item"),
            "name": line.product.name,
            "product_id": line.product.product_id,
            "sku": line.sku,
            "order_item_id": item_id,
            "qty": _number(units),
        }
        if not line.is_priced_by_parent:
            item |= _both("price_incl_tax", base.price_incl_tax, shown.price_incl_tax)
        if line.has_own_row:
            item |= _both("row_total", base.row_total, shown.row_total)
            item |= _both("row_total_incl_tax", base.row_total_incl_tax, shown.row_total_incl_tax)
            # An invoice made while the order is placed leaves amounts of zero out (recordings/gateway-decline.json).
            if base.tax or self.spec.method.charge is not Charge.CAPTURE:
                item |= _both("tax_amount", base.tax, shown.tax)
                item |= _both("discount_tax_compensation_amount", _ZERO, _ZERO)
            if base.discount:
                item |= _both("discount_amount", base.discount, shown.discount)
        return item

    def _gone(self) -> list[Decimal]:
        """Units that stock no longer has: shipped, or invoiced where there is nothing to ship."""
        sent = units_per_line(self.priced.lines, self.spec, self.spec.shipped_units)
        return [
            shipped if line.product.kind.is_shippable else invoiced
            for line, shipped, invoiced in zip(self.priced.lines, sent, self.invoiced, strict=True)
        ]

    def _count_units(self, units: Iterable[Decimal]) -> dict[str, Decimal]:
        counted: dict[str, Decimal] = {}
        for line, quantity in zip(self.priced.lines, units, strict=True):
            if line.product.kind.is_counted:
                counted[line.product.sku] = counted.get(line.product.sku, _ZERO) + quantity
        return counted


def _units_shipped(lines: Sequence[PlacedLine], spec: OrderSpec) -> list[Decimal]:
    """A configurable's child never counts as shipped, a kit's parts do (recordings/tutorial-refund-simple.json)."""
    units = units_per_line(lines, spec, spec.shipped_units)

    def counts(line: PlacedLine) -> bool:
        parent = None if line.parent is None else lines[line.parent]
        return line.product.kind.is_shippable and (parent is None or parent.product.kind is not Kind.CONFIGURABLE)

    return [shipped if counts(line) else _ZERO for line, shipped in zip(lines, units, strict=True)]


def _ledger_lines(spec: OrderSpec, priced: PricedOrder, at: float) -> tuple[LedgerLine, ...]:
    lines = []
    if spec.method.charge is Charge.AUTHORIZE:
        lines.append(_ledger_line(spec, "authorize", priced.base, 0, at))
    if spec.method.charge is not Charge.NOTHING and spec.is_captured:
        lines += [_ledger_line(spec, "capture", invoice.base, n, at) for n, invoice in enumerate(priced.invoices)]
    return tuple(lines)


def _ledger_line(spec: OrderSpec, what: str, totals: Totals, number: int, at: float) -> LedgerLine:
    digest = hashlib.sha256(f"{what}:{spec.increment_id}:{number}".encode()).hexdigest()[:12]
    word = {"authorize": "auth"}.get(what, what)
    return LedgerLine(
        at=at,
        what=what,
        method=spec.payment,
        order=spec.increment_id,
        amount=totals.grand_total,
        txn=f"sbx-{word}-{digest}",
    )


def _product_option(line: PlacedLine) -> Document:
    if line.product.kind is Kind.CONFIGURABLE:
        return {
            "configurable_item_options": [
                {"option_id": str(choice.option_id), "option_value": choice.value_id} for choice in line.choices
            ]
        }
    if line.product.parts:
        return {
            "bundle_options": [
                {"option_id": choice.option_id, "option_qty": 1, "option_selections": [choice.value_id]}
                for choice in line.choices
            ]
        }
    return {
        "custom_options": [
            {"option_id": str(choice.option_id), "option_value": str(choice.value_id)} for choice in line.choices
        ]
    }


def _rewritten_incl_tax(row: RowAmounts) -> Decimal:
    """REST shows an order item's row after its discount; without one the figure stands."""
    return row.row_total - row.discount + row.tax if row.discount else row.row_total_incl_tax


def _no_shipping_compensation() -> Document:
    # Magento's own spelling: the base column's name was cut to fit a database's limit.
    return {"base_shipping_discount_tax_compensation_amnt": 0, "shipping_discount_tax_compensation_amount": 0}


def _both(name: str, base: Decimal, shown: Decimal) -> Document:
    return {f"base_{name}": _number(base), name: _number(shown)}


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, _ZERO)


def _number(amount: Decimal | int) -> Decimal | int:
    """As Magento's JSON has it: 22, not 22.0000; and 24.975."""
    amount = Decimal(amount)
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()
