"""What was asked against what Magento made of it: a refund is shown as right only when its memo says so.

A 200 proves little: the invoice route silently gives less than was asked, and without isOnline moves no money. What a
memo cannot show is whether stock moved. Source: recordings/online-two-invoices.json, online-flag-variants.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from service.core.marker import markers_of
from service.core.orders import CreditMemo
from service.core.plan import PredictedTotals, RefundRequest, Route
from service.core.wording import money, units

_MARKER, _INVOICE, _TRANSACTION = "marker", "invoice", "gateway transaction"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    what: str
    asked: str
    got: str

    def __str__(self) -> str:
        return f"{self.what}: asked {self.asked}, the memo says {self.got}"


def compare(
    request: RefundRequest,
    predicted: PredictedTotals,
    memo: CreditMemo,
    *,
    was_named_by_person: bool = False,
    was_paid_before: bool = False,
) -> tuple[Difference, ...]:
    """Every difference between a request and its memo; empty means that it can be trusted.

    A memo that a person named as the refund's may lack the marker: staff or a gateway's plugin made it. One that only
    books what the gateway had paid before has no invoice and no transaction either.
    """
    lacks = {_MARKER} if was_named_by_person else set()
    if was_paid_before:
        lacks |= {_INVOICE, _TRANSACTION}
    return tuple(each for each in _differences(request, predicted, memo) if each.what not in lacks)


def _differences(request: RefundRequest, predicted: PredictedTotals, memo: CreditMemo) -> Iterable[Difference]:
    if memo.order_id != request.order_id:
        yield Difference(what="order", asked=str(request.order_id), got=str(memo.order_id))
    if memo.invoice_id != request.invoice_id:
        yield Difference(what=_INVOICE, asked=str(request.invoice_id or "none"), got=str(memo.invoice_id or "none"))
    if request.route is Route.INVOICE and not memo.transaction_id:
        yield Difference(what=_TRANSACTION, asked="one", got="none: no money may have moved")
    if request.marker not in map(str, markers_of(memo)):
        yield Difference(what=_MARKER, asked=request.marker, got="not in its comments")
    for item in request.items:
        got = memo.qty_of(item.order_item_id)
        if got != item.qty:
            yield Difference(what=f"quantity of item {item.order_item_id}", asked=units(item.qty), got=units(got))
    amounts: tuple[tuple[str, Decimal, Decimal], ...] = (
        ("base total", predicted.base_grand_total, memo.base.grand_total),
        ("total", predicted.grand_total, memo.shown.grand_total),
        ("fee", request.adjustment_negative, memo.base.adjustment_negative),
        ("extra amount", request.adjustment_positive, memo.base.adjustment_positive),
    )
    for what, asked, got in amounts:
        if asked != got:
            yield Difference(what=what, asked=money(asked), got=money(got))
