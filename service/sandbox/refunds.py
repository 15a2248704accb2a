"""One refund: which lines and quantities it takes, whether Magento allows it, and the rows it writes.

Three steps that never mix: `draft_memo` (can refuse by itself), `find_objections` (all at once), `write_refund` (new
documents beside the old ones). Between them the store decides about locks, gateway and chance.
Source: Magento 2.4 Order/CreditmemoFactory, Order/Validation/*, Order/Creditmemo/Validation/*, RefundOperation,
Order/Payment::refund; recordings/adjustments-limits.json, online-two-invoices.json and the kits' recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from service.sandbox.documents import ZERO, Document, as_stored, cents, number, priced, save_row
from service.sandbox.gateway import is_online
from service.sandbox.lines import Line, default_status, find_saved_state, find_state, kept_status, read_lines
from service.sandbox.totals import Draft, MemoLine, check_money_left, collect_totals, find_row_totals_incl_tax
from service.sandbox.versions import Quirks


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedRefund:
    """What a caller asks for, after Magento's input conversion. None and empty mean left out."""

    items: tuple[tuple[int, Decimal], ...] = ()
    is_online: bool = False
    notify: bool = False
    append_comment: bool = False
    comment: Document | None = None
    shipping_amount: Decimal | None = None
    adjustment_positive: Decimal | None = None
    adjustment_negative: Decimal | None = None
    return_to_stock: tuple[int, ...] = ()

    @property
    def quantities(self) -> dict[int, Decimal]:
        """The last entry of a line wins; nothing is added up."""
        return dict(self.items)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a refund has read of the shop, once, before it computes; others may write meanwhile."""

    order: Document
    invoice: Document | None
    memos: tuple[Document, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """The rows a refund wants to write. `memo`, `history` and their parts still lack their ids."""

    order: Document
    invoice: Document | None
    memo: Document
    history: Document


_COPIED_FROM_ORDER = (
    "base_currency_code",
    "base_to_global_rate",
    "base_to_order_rate",
    "billing_address_id",
    "discount_description",
    "global_currency_code",
    "order_currency_code",
    "store_currency_code",
    "store_id",
    "store_to_base_rate",
    "store_to_order_rate",
)

_COPIED_FROM_ITEM = (
    "base_price",
    "base_price_incl_tax",
    "name",
    "price",
    "price_incl_tax",
    "product_id",
    "sku",
)

#: No recording has fixed product taxes; these are what an item without any shows.
_NO_FIXED_PRODUCT_TAX = {
    "base_weee_tax_row_disposition": ZERO,
    "weee_tax_applied_row_amount": ZERO,
    "weee_tax_row_disposition": ZERO,
}

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


def draft_memo(reading: Reading, asked: AskedRefund, quirks: Quirks, *, shipping_incl_tax: bool) -> Draft:
    """The memo Magento would make, with all amounts; raises RefusedError where building it already fails."""
    order = reading.order
    lines = read_lines(order)
    draft = Draft(
        order=order,
        lines=lines,
        invoice=reading.invoice,
        memos=reading.memos,
        items=_choose_items(lines, reading, asked.quantities),
        document=_start_memo(order, reading.invoice),
        shipping_asked=_shipping_asked(reading, asked, shipping_incl_tax=shipping_incl_tax),
        shipping_incl_tax=shipping_incl_tax,
        limits_tax_per_invoice=quirks.limits_tax_per_invoice,
        row_totals_incl_tax=find_row_totals_incl_tax(order),
    )
    _set_adjustments(draft, asked)
    collect_totals(draft)
    return draft


def _start_memo(order: Document, invoice: Document | None) -> Document:
    memo: Document = {name: order[name] for name in _COPIED_FROM_ORDER if name in order}
    memo["order_id"] = order["entity_id"]
    address = shipping_address_id(order)
    if address is not None:
        memo["shipping_address_id"] = address
    if invoice is not None:
        memo["invoice_id"] = invoice["entity_id"]
    return memo


def shipping_address_id(order: Document) -> int | None:
    """The id of the address goods went to; None for an order without any."""
    for assignment in order.get("extension_attributes", {}).get("shipping_assignments", ()):
        address = assignment.get("shipping", {}).get("address")
        if address:
            return int(address["entity_id"])
    return None


def _shipping_asked(reading: Reading, asked: AskedRefund, *, shipping_incl_tax: bool) -> Decimal | None:
    """The shipping to refund; on the invoice route what is left is limited to the invoice's own when none is asked."""
    if asked.shipping_amount is not None or reading.invoice is None:
        return asked.shipping_amount
    order = reading.order
    if shipping_incl_tax:
        refunded = number(order, "base_shipping_refunded") + number(order, "base_shipping_tax_refunded")
        return number(order, "base_shipping_incl_tax") - refunded
    left = number(order, "base_shipping_amount") - number(order, "base_shipping_refunded")
    return min(left, number(reading.invoice, "base_shipping_amount"))


def _set_adjustments(draft: Draft, asked: AskedRefund) -> None:
    rate = number(draft.order, "base_to_order_rate") or Decimal(1)
    for name, amount in (
        ("adjustment_positive", asked.adjustment_positive),
        ("adjustment_negative", asked.adjustment_negative),
    ):
        if amount is not None:
            draft.document[f"base_{name}"] = cents(amount)
            draft.document[name] = cents(cents(amount) * rate)


def _choose_items(lines: Sequence[Line], reading: Reading, asked: Mapping[int, Decimal]) -> list[MemoLine]:
    by_id = {line.item_id: line for line in lines}
    if reading.invoice is None:
        return [_start_item(line, _choose_qty(line, asked, {})) for line in lines if _is_refundable(line, asked, {})]
    limits = _left_on_invoice(reading.invoice, reading.memos)
    chosen = []
    for invoiced in reading.invoice["items"]:
        line = by_id[invoiced["order_item_id"]]
        if _is_refundable(line, asked, limits):
            qty = min(_choose_qty(line, asked, limits), number(invoiced, "qty"))
            chosen.append(_start_item(line, qty))
    return chosen


def _left_on_invoice(invoice: Document, memos: Sequence[Document]) -> dict[int, Decimal]:
    """Units per order item; only memos of the invoice route carry an invoice_id and count."""
    left = {item["order_item_id"]: number(item, "qty") for item in invoice["items"]}
    for memo in memos:
        if memo.get("invoice_id") == invoice["entity_id"]:
            for item in memo["items"]:
                if item["order_item_id"] in left:
                    left[item["order_item_id"]] -= number(item, "qty")
    return left


def _is_refundable(line: Line, asked: Mapping[int, Decimal], limits: Mapping[int, Decimal]) -> bool:
    """A dummy comes along with what it belongs to, everything else unless its invoice is used up."""
    if not line.is_dummy:
        return _is_left(line, limits)
    if line.children:
        if not asked:
            return any(_is_left(child, limits) for child in line.children)
        return any(asked.get(child.item_id, ZERO) > 0 for child in line.children)
    if line.parent is None:
        return False
    return asked.get(line.parent.item_id, ZERO) > 0 if asked else _is_left(line.parent, limits)


def _is_left(line: Line, limits: Mapping[int, Decimal]) -> bool:
    return limits.get(line.item_id, Decimal(1)) > 0


def _choose_qty(line: Line, asked: Mapping[int, Decimal], limits: Mapping[int, Decimal]) -> Decimal:
    if line.is_dummy:
        return _follow_kit(line, asked)
    if not asked:
        qty = line.qty_to_refund
    elif line.item_id in asked:
        qty = asked[line.item_id]
    else:
        return ZERO
    return min(qty, limits.get(line.item_id, qty))


def _follow_kit(line: Line, asked: Mapping[int, Decimal]) -> Decimal:
    """A kit that is refunded by its parts counts as all its kits each time: its counter overruns."""
    if line.parent is not None and line.parent.item_id in asked:
        return asked[line.parent.item_id] * line.qty_of_kit
    if line.product_type == "bundle":
        return number(line.document, "qty_invoiced")
    return (line.parent.qty_to_refund if line.parent is not None else Decimal(1)) * line.qty_of_kit


def _start_item(line: Line, qty: Decimal) -> MemoLine:
    document: Document = {"base_cost": None}
    document.update({name: line.document[name] for name in _COPIED_FROM_ITEM if name in line.document})
    document["order_item_id"] = line.item_id
    document["qty"] = qty
    if not line.is_dummy:
        document.update(_NO_FIXED_PRODUCT_TAX)
        document["weee_tax_applied"] = line.document.get("weee_tax_applied", "[]")
    return MemoLine(line, qty, document)


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
    limits = _left_on_invoice(draft.invoice, draft.memos) if draft.invoice is not None else {}
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
    return _is_left(item.line, limits) and item.qty <= item.line.qty_to_refund


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
