"""The part of Magento that we reason about: one reading of an order, its invoices and its credit memos.

Amounts come twice: in the base currency, which requests and the gateway use, and in the currency the customer saw.
REST rewrites `row_total` (after discount), so lines carry what was *invoiced*.
Source: recordings/currency-eur-order.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

#: Magento's invoice state 2. An open (1) or cancelled (3) invoice has no money to give back.
INVOICE_PAID = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class LineAmounts:
    """What a line was invoiced and what has been refunded of it, in one currency; per line, only prices per unit."""

    price: Decimal = Decimal(0)
    price_incl_tax: Decimal = Decimal(0)
    row_invoiced: Decimal = Decimal(0)
    tax_invoiced: Decimal = Decimal(0)
    discount_invoiced: Decimal = Decimal(0)
    tax_compensation_invoiced: Decimal = Decimal(0)
    row_refunded: Decimal = Decimal(0)
    tax_refunded: Decimal = Decimal(0)
    discount_refunded: Decimal = Decimal(0)
    tax_compensation_refunded: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderLine:
    """One `sales_order_item`. A configurable or a bundle is a parent line and its children, in one flat list."""

    item_id: int
    parent_item_id: int | None = None
    product_type: str
    sku: str
    name: str = ""
    qty_ordered: Decimal
    qty_invoiced: Decimal = Decimal(0)
    qty_shipped: Decimal = Decimal(0)
    qty_refunded: Decimal = Decimal(0)
    qty_canceled: Decimal = Decimal(0)
    is_qty_decimal: bool = False
    is_virtual: bool = False
    #: Recycling fees and the like, which Magento adds to memos by rules of their own.
    has_fixed_product_tax: bool = False
    #: Chosen options may have put their own SKU behind the product's: "24-MB01-engraved".
    has_custom_options: bool = False
    #: Magento calculated amounts for this line itself (it shows a `discount_tax_compensation_amount`), be they zero.
    has_own_amounts: bool = False
    base: LineAmounts = field(default_factory=LineAmounts)
    shown: LineAmounts = field(default_factory=LineAmounts)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShippingAmounts:
    """Shipping of an order in one currency; `amount` is without tax, `tax` is the tax on it."""

    amount: Decimal = Decimal(0)
    including_tax: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    tax_compensation: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    tax_refunded: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderTotals:
    """The order's counters in one currency.

    They forget refunds made at once, so memos are the measure. Source: recordings/concurrent-two-items-offline.json.
    """

    grand_total: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    online_refunded: Decimal = Decimal(0)
    offline_refunded: Decimal = Decimal(0)
    tax_invoiced: Decimal = Decimal(0)
    tax_refunded: Decimal = Decimal(0)
    tax_compensation_invoiced: Decimal = Decimal(0)
    tax_compensation_refunded: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    entity_id: int
    increment_id: str
    store_id: int
    state: str
    status: str
    created_at: datetime
    currency: str
    base_currency: str
    base_to_order_rate: Decimal = Decimal(1)
    payment_method: str
    #: What the gateway captured (payment.base_amount_paid_online).
    base_paid_online: Decimal = Decimal(0)
    shipping_method: str = ""
    base: OrderTotals
    shown: OrderTotals
    base_shipping: ShippingAmounts
    shown_shipping: ShippingAmounts
    lines: tuple[OrderLine, ...]
    #: What else paid for it (store credit, gift card, points), by name; such orders go to a person.
    other_tenders: tuple[str, ...] = ()
    #: True when history or totals say that some refund was made: the memos must then be read.
    shows_a_refund: bool = False

    def line(self, item_id: int) -> OrderLine | None:
        return next((line for line in self.lines if line.item_id == item_id), None)

    def children_of(self, line: OrderLine) -> tuple[OrderLine, ...]:
        return tuple(child for child in self.lines if child.parent_item_id == line.item_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class InvoiceLine:
    order_item_id: int
    qty: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class InvoiceTax:
    """Tax of an invoice in one currency; `tax` holds the tax of shipping too, `tax_compensation` does not."""

    tax: Decimal = Decimal(0)
    tax_compensation: Decimal = Decimal(0)
    shipping_tax: Decimal = Decimal(0)
    shipping_tax_compensation: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Invoice:
    entity_id: int
    increment_id: str
    order_id: int
    state: int
    #: None: captured offline or not at all; the gateway has nothing to refund against.
    transaction_id: str | None = None
    base_grand_total: Decimal
    base_shipping: Decimal = Decimal(0)
    base: InvoiceTax = field(default_factory=InvoiceTax)
    shown: InvoiceTax = field(default_factory=InvoiceTax)
    lines: tuple[InvoiceLine, ...]

    @property
    def base_shipping_tax(self) -> Decimal:
        return self.base.shipping_tax

    def qty_of(self, item_id: int) -> Decimal:
        return sum((line.qty for line in self.lines if line.order_item_id == item_id), Decimal(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoAmounts:
    """Amounts of a memo in one currency. `shipping` is without its tax; `tax` holds the tax of shipping too."""

    grand_total: Decimal
    subtotal: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    #: As Magento says it on a memo: zero or negative.
    discount: Decimal = Decimal(0)
    tax_compensation: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)
    shipping_tax: Decimal = Decimal(0)
    adjustment_positive: Decimal = Decimal(0)
    adjustment_negative: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoLineAmounts:
    """What a memo gave back on one line, in one currency; all zero on a line that carries no money of its own."""

    row: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    tax_compensation: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoLine:
    order_item_id: int
    qty: Decimal
    base: MemoLineAmounts = field(default_factory=MemoLineAmounts)
    shown: MemoLineAmounts = field(default_factory=MemoLineAmounts)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditMemo:
    entity_id: int
    increment_id: str
    order_id: int
    #: None for a memo of the order route.
    invoice_id: int | None = None
    #: Present when a gateway refund was made.
    transaction_id: str | None = None
    created_at: datetime
    base: MemoAmounts
    shown: MemoAmounts
    lines: tuple[MemoLine, ...]
    comments: tuple[str, ...] = ()
    email_sent: bool = False

    def qty_of(self, item_id: int) -> Decimal:
        return sum((line.qty for line in self.lines if line.order_item_id == item_id), Decimal(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Order, invoices and memos as they were read together; what a plan is made from."""

    order: Order
    invoices: tuple[Invoice, ...]
    memos: tuple[CreditMemo, ...]

    def invoice(self, invoice_id: int) -> Invoice | None:
        return next((invoice for invoice in self.invoices if invoice.entity_id == invoice_id), None)


def refunded_units(memos: Iterable[CreditMemo], item_id: int) -> Decimal:
    """Units of an order item that all these memos have given back, ours or not."""
    return sum((memo.qty_of(item_id) for memo in memos), Decimal(0))
