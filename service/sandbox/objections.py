"""Everything Magento has against a refund, all at once and in its own order.

Source: Magento 2.4 Order/Validation/{RefundOrder, RefundInvoice, CanRefund}, Order/Creditmemo/Validation,
Order/Invoice/Validation/CanRefund, SalesInventory ReturnValidator; recordings/adjustments-limits.json,
two-invoices-offline-by-invoice.json, order-on-hold.json, differences-2.4.6.md parts A and B.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from service.sandbox.documents import ZERO, Document, cents, number
from service.sandbox.gateway import is_online
from service.sandbox.memo_draft import AskedRefund, is_left, left_on_invoice
from service.sandbox.totals import Draft, MemoLine, check_money_left
from service.sandbox.versions import Quirks


def find_objections(draft: Draft, asked: AskedRefund, quirks: Quirks, *, skus: Mapping[int, str]) -> list[str]:
    """Every reason against the refund, in Magento's order. `skus` names all order items of the shop."""
    objections = [_check_order(draft.order, quirks)]
    objections += _check_quantities(draft, quirks)
    objections.append(check_money_left(draft))
    if draft.invoice is not None:
        objections.append(_check_invoice(draft.invoice, draft.order, quirks))
    objections += [_check_asked_item(draft, item_id, qty) for item_id, qty in asked.items]
    objections.append(_check_return_to_stock(draft, asked, skus))
    return [objection for objection in objections if objection]


def _check_order(order: Document, quirks: Quirks) -> str | None:
    if order["state"] in {"payment_review", "holded", "canceled", "closed"}:
        return f"A creditmemo can not be created when an order has a status of {order['status']}"
    paid = number(order, "total_paid")
    if not paid and quirks.allows_zero_grand_total:
        return None
    if cents(paid) == number(order, "total_refunded"):
        return "The order does not allow a creditmemo to be created."
    return None


def _check_quantities(draft: Draft, quirks: Quirks) -> list[str]:
    limits = left_on_invoice(draft.invoice, draft.memos) if draft.invoice is not None else {}
    messages = []
    total = ZERO
    for item in draft.items:
        sku = item.line.document.get("sku")
        if _is_cut_off(item, quirks):
            messages.append(f'We found an invalid quantity to refund item "{sku}".')
        elif _has_enough(item, limits):
            total += item.qty
        else:
            messages.append(
                f'The quantity to creditmemo must not be greater than the unrefunded quantity for product SKU "{sku}".'
            )
    if number(draft.document, "grand_total") <= 0 and not quirks.allows_zero_grand_total:
        messages.append("The credit memo's total must be positive.")
    elif _lacks_products(draft.order, total, quirks):
        messages.append("You can't create a creditmemo without products.")
    return messages


def _is_cut_off(item: MemoLine, quirks: Quirks) -> bool:
    is_fraction = item.qty != int(item.qty) and not item.line.document.get("is_qty_decimal")
    return quirks.refuses_fractions_of_whole_units and is_fraction


def _has_enough(item: MemoLine, limits: Mapping[int, Decimal]) -> bool:
    if item.line.is_dummy:
        return item.qty > 0
    return is_left(item.line, limits) and item.qty <= item.line.qty_to_refund


def _lacks_products(order: Document, total: Decimal, quirks: Quirks) -> bool:
    if not quirks.needs_products_or_shipping:
        return total < 0
    return total <= 0 and cents(number(order, "shipping_amount")) == number(order, "shipping_refunded")


def _check_invoice(invoice: Document, order: Document, quirks: Quirks) -> str | None:
    payment = order["payment"]
    left = number(invoice, "base_grand_total") - number(invoice, "base_total_refunded")
    is_free = payment.get("method") == "free" and quirks.refunds_free_invoices
    has_paid_more = number(payment, "amount_paid") > number(payment, "amount_refunded")
    pays_back = is_free or (is_online(payment) and (has_paid_more or not invoice.get("is_used_for_refund")))
    if invoice.get("state") == 2 and (left or quirks.allows_zero_grand_total) and pays_back:
        return None
    return "We can't create creditmemo for the invoice."


def _check_asked_item(draft: Draft, item_id: int, qty: Decimal) -> str | None:
    line = next((line for line in draft.lines if line.item_id == item_id), None)
    if line is None:
        return "The creditmemo contains product item that is not part of the original order."
    if line.is_dummy:
        return "The creditmemo contains incorrect product items."
    if qty > line.qty_to_refund:
        return "The quantity to refund must not be greater than the unrefunded quantity."
    return None


def _check_return_to_stock(draft: Draft, asked: AskedRefund, skus: Mapping[int, str]) -> str | None:
    in_memo = {item.line.item_id for item in draft.items}
    for item_id in asked.return_to_stock:
        if item_id not in skus:
            return "The return to stock argument contains product item that is not part of the original order."
        if item_id not in in_memo:
            return f'The "{skus[item_id]}" product is not part of the current creditmemo.'
    return None
