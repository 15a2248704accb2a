"""What a memo does to the order's own counters, which the next memo is computed from.

Counters are what Magento goes by; they forget refunds made at once, which is why plans count memos as well. Quantities
of a dynamic bundle's parent overrun here as they do there. States and histories are left as they are.
Source: Magento 2.4.6 RefundOperation::execute, Creditmemo Item::register.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from service.core.orders import (
    CreditMemo,
    LineAmounts,
    MemoAmounts,
    MemoLine,
    MemoLineAmounts,
    OrderLine,
    OrderTotals,
    Reading,
    ShippingAmounts,
)
from service.core.rounding import to_cent

ZERO = Decimal(0)


def after_memo(reading: Reading, memo: CreditMemo) -> Reading:
    """The reading as it will be once this memo, and nothing else, has been added."""
    order = reading.order
    given = {line.order_item_id: line for line in memo.lines}
    online = memo.transaction_id is not None
    return replace(
        reading,
        memos=(*reading.memos, memo),
        order=replace(
            order,
            base=_totals(order.base, memo.base, online=online),
            shown=_totals(order.shown, memo.shown, online=online),
            base_shipping=_shipping(order.base_shipping, memo.base),
            shown_shipping=_shipping(order.shown_shipping, memo.shown),
            lines=tuple(_line(line, given[line.item_id]) if line.item_id in given else line for line in order.lines),
            shows_a_refund=True,
        ),
    )


def _totals(totals: OrderTotals, memo: MemoAmounts, *, online: bool) -> OrderTotals:
    return replace(
        totals,
        refunded=to_cent(totals.refunded + memo.grand_total),
        online_refunded=totals.online_refunded + (memo.grand_total if online else ZERO),
        offline_refunded=totals.offline_refunded + (ZERO if online else memo.grand_total),
        tax_refunded=totals.tax_refunded + memo.tax,
        tax_compensation_refunded=totals.tax_compensation_refunded + memo.tax_compensation,
    )


def _shipping(shipping: ShippingAmounts, memo: MemoAmounts) -> ShippingAmounts:
    return replace(
        shipping, refunded=shipping.refunded + memo.shipping, tax_refunded=shipping.tax_refunded + memo.shipping_tax
    )


def _line(line: OrderLine, given: MemoLine) -> OrderLine:
    return replace(
        line,
        qty_refunded=line.qty_refunded + given.qty,
        base=_line_amounts(line.base, given.base),
        shown=_line_amounts(line.shown, given.shown),
    )


def _line_amounts(amounts: LineAmounts, given: MemoLineAmounts) -> LineAmounts:
    return replace(
        amounts,
        row_refunded=amounts.row_refunded + given.row,
        tax_refunded=amounts.tax_refunded + given.tax,
        discount_refunded=amounts.discount_refunded + given.discount,
        tax_compensation_refunded=amounts.tax_compensation_refunded + given.tax_compensation,
    )
