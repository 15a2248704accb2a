"""Quantities → invoices, oldest first, never past what an invoice holds in units, shipping or money.

Asked for more than an invoice holds, Magento silently gives less and answers 200; shipping it limits by the order only.
What an invoice has left is the sum of its own memos: the invoice's counters are not kept up for online refunds.
Source: recordings/online-two-invoices.json; Magento 2.4.6 CreditmemoFactory::createByInvoice.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from service.core.orders import INVOICE_PAID, Invoice, Reading, refunded_units
from service.core.plan import RefundRequest

ZERO = Decimal(0)


def refundable_invoices(reading: Reading) -> tuple[Invoice, ...]:
    """Paid invoices that name the gateway's transaction, oldest first."""
    usable = [invoice for invoice in reading.invoices if invoice.state == INVOICE_PAID and invoice.transaction_id]
    return tuple(sorted(usable, key=lambda invoice: invoice.entity_id))


def units_left_on(invoice: Invoice, item_id: int, reading: Reading, unsettled: Iterable[RefundRequest] = ()) -> Decimal:
    mine = [memo for memo in reading.memos if memo.invoice_id == invoice.entity_id]
    in_flight = sum((ask.qty_of(item_id) for ask in unsettled if ask.invoice_id == invoice.entity_id), ZERO)
    return max(invoice.qty_of(item_id) - refunded_units(mine, item_id) - in_flight, ZERO)


def shipping_left_on(invoice: Invoice, reading: Reading, *, includes_tax: bool) -> Decimal:
    """Base shipping of the invoice that its own memos have not given back, with or without its tax."""
    given = sum((memo.base.shipping for memo in reading.memos if memo.invoice_id == invoice.entity_id), ZERO)
    left = invoice.base_shipping - given
    if includes_tax:
        given_tax = sum(
            (memo.base.shipping_tax for memo in reading.memos if memo.invoice_id == invoice.entity_id), ZERO
        )
        left += invoice.base_shipping_tax - given_tax
    return max(left, ZERO)


def money_left_on(invoice: Invoice, reading: Reading) -> Decimal:
    """Base money of the invoice that its own memos have not given back."""
    given = sum((memo.base.grand_total for memo in reading.memos if memo.invoice_id == invoice.entity_id), ZERO)
    return max(invoice.base_grand_total - given, ZERO)


def allocate(
    quantity: Decimal, holdings: Iterable[tuple[int, Decimal]]
) -> tuple[tuple[tuple[int, Decimal], ...], Decimal]:
    """Fill holders in order: ((holder, units), …) and what fitted nowhere.

    >>> allocate(Decimal(3), [(10, Decimal(1)), (11, Decimal(5))])
    (((10, Decimal('1')), (11, Decimal('2'))), Decimal('0'))
    """
    parts: list[tuple[int, Decimal]] = []
    rest = quantity
    for holder, held in holdings:
        taken = min(rest, held)
        if taken > 0:
            parts.append((holder, taken))
            rest -= taken
    return tuple(parts), rest
