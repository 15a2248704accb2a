"""The rows a refund writes: the memo, the order with its counters and payment, the invoice, a line of history.

New documents beside the old ones; nothing that was read is changed.
Source: Magento 2.4 Order/Creditmemo/RefundOperation, Order/Creditmemo/Item::register, Order/Payment::refund,
RefundOrder, RefundInvoice; recordings/online-flag-variants.json, decimal-qty.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from service.sandbox.documents import Document, as_stored, cents, number, priced, save_row
from service.sandbox.lines import Line, default_status, find_saved_state, find_state, kept_status, read_lines
from service.sandbox.memo_draft import AskedRefund
from service.sandbox.totals import Draft, MemoLine


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """The rows a refund wants to write. `memo`, `history` and their parts still lack their ids."""

    order: Document
    invoice: Document | None
    memo: Document
    history: Document


#: Memo column → order column it adds to, in both currencies.
_ADDED_TO_ORDER = {
    "subtotal": "subtotal_refunded",
    "tax_amount": "tax_refunded",
    "discount_tax_compensation_amount": "discount_tax_compensation_refunded",
    "shipping_amount": "shipping_refunded",
    "shipping_tax_amount": "shipping_tax_refunded",
    "adjustment_positive": "adjustment_positive",
    "adjustment_negative": "adjustment_negative",
    "discount_amount": "discount_refunded",
}

#: Memo item column → order item column it adds to, in both currencies.
_ADDED_TO_ITEM = {
    "tax_amount": "tax_refunded",
    "discount_tax_compensation_amount": "discount_tax_compensation_refunded",
    "row_total": "amount_refunded",
    "discount_amount": "discount_refunded",
}

_PREFIXES = ("", "base_")


def write_refund(draft: Draft, asked: AskedRefund, *, txn: str | None, memos_before: int, now: str) -> Written:
    """The rows after the refund. `txn` is the gateway's transaction; None where no gateway was called."""
    refunded = [item for item in draft.items if item.qty > 0]
    memo = _finish_memo(draft, refunded, asked, txn=txn, now=now)
    order = _write_order(draft.order, memo, refunded, asked, txn=txn, now=now)
    history = settle_order(order, memo, txn=txn, memos_before=memos_before, now=now)
    lines = read_lines(order)
    keep = draft.invoice is None
    state = find_state(order, lines, memos_before=memos_before)
    order["status"] = kept_status(state, order.get("status")) if keep else default_status(state)
    order["state"] = state
    save_state(order, lines, memos_before=memos_before)
    invoice = draft.invoice
    if invoice is not None and not asked.is_online:
        refunded_before = number(invoice, "base_total_refunded")
        total = as_stored(refunded_before + number(memo, "base_grand_total"))
        invoice = {**invoice, "is_used_for_refund": 1, "base_total_refunded": total}
    return Written(order=save_row(draft.order, order), invoice=invoice, memo=memo, history=history)


def _finish_memo(
    draft: Draft, refunded: Sequence[MemoLine], asked: AskedRefund, *, txn: str | None, now: str
) -> Document:
    memo = _to_row(draft.document)
    memo |= {"state": 2, "created_at": now, "updated_at": now, "comments": []}
    if asked.notify:
        memo["email_sent"] = 1
    if txn is not None:
        memo["transaction_id"] = txn
    memo["items"] = [_to_row(item.document) for item in refunded]
    return memo


def _to_row(document: Document) -> Document:
    return {name: as_stored(value) if isinstance(value, Decimal) else value for name, value in document.items()}


def _write_order(
    order: Document,
    memo: Document,
    refunded: Sequence[MemoLine],
    asked: AskedRefund,
    *,
    txn: str | None,
    now: str,
) -> Document:
    by_id = {item.line.item_id: item for item in refunded}
    written = {
        **order,
        "items": [_write_item(item, by_id.get(item["item_id"]), now) for item in order["items"]],
        "customer_note_notify": int(asked.notify),
        "updated_at": now,
    }
    add_memo_to_order(written, memo, online=asked.is_online)
    written["payment"] = pay_back(order["payment"], memo, txn=txn)
    return written


def _write_item(item: Document, refunded: MemoLine | None, now: str) -> Document:
    if refunded is None:
        return item
    return register_item(item, refunded.document, now)


def register_item(item: Document, memo_item: Document, now: str) -> Document:
    """The order item after a memo item has been counted on it."""
    written = {**item, "qty_refunded": as_stored(number(item, "qty_refunded") + number(memo_item, "qty"))}
    for prefix in _PREFIXES:
        for source, target in _ADDED_TO_ITEM.items():
            total = number(item, prefix + target) + number(memo_item, prefix + source)
            written[prefix + target] = as_stored(total)
    written["updated_at"] = now
    return written


def add_memo_to_order(order: Document, memo: Document, *, online: bool) -> None:
    """Adds the memo to the order's totals; the total refunded is rounded to cents, its two parts are not."""
    for prefix in _PREFIXES:
        grand_total = number(memo, f"{prefix}grand_total")
        order[f"{prefix}total_refunded"] = cents(number(order, f"{prefix}total_refunded") + grand_total)
        for source, target in _ADDED_TO_ORDER.items():
            total = number(order, prefix + target) + number(memo, prefix + source)
            order[prefix + target] = as_stored(total)
        part = f"{prefix}total_{'online' if online else 'offline'}_refunded"
        order[part] = as_stored(number(order, part) + grand_total)


def pay_back(payment: Document, memo: Document, *, txn: str | None) -> Document:
    amount = cents(number(memo, "base_grand_total"))
    added = {
        "amount_refunded": number(memo, "grand_total"),
        "base_amount_refunded": amount,
        "shipping_refunded": number(memo, "shipping_amount"),
        "base_shipping_refunded": number(memo, "base_shipping_amount"),
    }
    if txn is not None:
        added["base_amount_refunded_online"] = amount
    written = {**payment, **{name: as_stored(number(payment, name) + value) for name, value in added.items()}}
    if txn is not None:
        written["last_trans_id"] = txn
    return written


def settle_order(order: Document, memo: Document, *, txn: str | None, memos_before: int, now: str) -> Document:
    """The line in the order's history that Magento itself writes about the refund."""
    state = find_state(order, read_lines(order), memos_before=memos_before)
    amount = priced(number(memo, "base_grand_total"), order.get("base_currency_code", "USD"))
    told = f'We refunded {amount} online. Transaction ID: "{txn}"' if txn else f"We refunded {amount} offline."
    return {
        "comment": told,
        "created_at": now,
        "entity_name": "creditmemo",
        "is_customer_notified": order.get("customer_note_notify", 0),
        "is_visible_on_front": 0,
        "parent_id": order["entity_id"],
        "status": kept_status(state, order.get("status")),
    }


def save_state(order: Document, lines: Sequence[Line], *, memos_before: int) -> None:
    """What saving the order makes of its state."""
    state = find_saved_state(order, lines, memos_before=memos_before)
    if state != order["state"]:
        order["state"] = state
        order["status"] = default_status(state)
