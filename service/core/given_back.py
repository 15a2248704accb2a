"""What has already been given back, to this return and on the whole order.

Given back to a return: the memos with its marker, the memos that a person said are this return's, and the units of its
refunds whose outcome is unknown or that were paid without a memo. Left on a line: what was invoiced less every memo,
ours or not. Memo items are the measure, because the order's counters forget refunds made at once.
Source: recordings/concurrent-two-items-offline.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from service.core.marker import markers_in, markers_of, memo_with
from service.core.orders import CreditMemo, OrderLine, Reading, refunded_units
from service.core.plan import RefundRequest
from service.core.returns import ApprovedReturn

ZERO = Decimal(0)

#: Magento writes whole seconds of its own clock, we compare with ours. Asking about a memo of the minute before costs a
#: look; taking one made since for an older one pays twice.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenBack:
    """Units per order item, by stock decision; fees deducted (order currency) and shipping given (base currency)."""

    restocked: Mapping[int, Decimal]
    not_restocked: Mapping[int, Decimal]
    #: Units of memos that are this return's because a person said so.
    named_by_person: Mapping[int, Decimal] = field(default_factory=dict)
    fees: Decimal
    shipping: Decimal
    #: Tax of that shipping, which a store may count into its shipping amounts.
    shipping_tax: Decimal = ZERO
    #: Number of the next part of the marker.
    next_part: int
    #: Memos of this return, for the reader of the plan.
    memos: tuple[CreditMemo, ...]

    def units(self, item_id: int) -> Decimal:
        return self.restocked.get(item_id, ZERO) + self.not_restocked.get(item_id, ZERO)


def without_memo(unsettled: Iterable[RefundRequest], reading: Reading) -> tuple[RefundRequest, ...]:
    """Those of `unsettled` that no memo carries the marker of.

    The memo of a refund that was said to be paid without one can appear late; counted beside it, the same money would
    be given back twice, and what is still owed would be kept.
    """
    return tuple(ask for ask in unsettled if memo_with(ask.marker, reading.memos) is None)


def given_back(
    approved: ApprovedReturn, reading: Reading, unsettled: Iterable[RefundRequest], *, stem: str
) -> GivenBack:
    """What this return has had. `unsettled` are refunds of the order without a memo whose money may have moved."""
    restocked: dict[int, Decimal] = {}
    not_restocked: dict[int, Decimal] = {}
    named: dict[int, Decimal] = {}
    fees = shipping = shipping_tax = ZERO
    parts = [0]
    mine: list[CreditMemo] = []
    for memo in reading.memos:
        markers = [marker for marker in markers_of(memo) if marker.stem == stem]
        # That a refund of this return has it outranks what anybody answers about it later.
        is_named = memo.entity_id in approved.memo_markers or approved.memo_answers.get(memo.entity_id) is True
        if not markers and not is_named:
            continue
        mine.append(memo)
        parts += [marker.part for marker in markers]
        # Its refund has the number, though the memo does not say so: the next one may not get it again.
        parts += [marker.part for marker in markers_in(approved.memo_markers.get(memo.entity_id, ""))]
        into = restocked if any(marker.restocks for marker in markers) else not_restocked
        for line in memo.lines:
            into[line.order_item_id] = into.get(line.order_item_id, ZERO) + line.qty
            if not markers:
                named[line.order_item_id] = named.get(line.order_item_id, ZERO) + line.qty
        fees += memo.shown.adjustment_negative
        shipping += memo.base.shipping
        shipping_tax += memo.base.shipping_tax
    for request in unsettled:
        marker = next((found for found in markers_in(request.marker) if found.stem == stem), None)
        if marker is None:
            continue
        parts.append(marker.part)
        into = restocked if marker.restocks else not_restocked
        for item in request.items:
            into[item.order_item_id] = into.get(item.order_item_id, ZERO) + item.qty
        fees += request.adjustment_negative * reading.order.base_to_order_rate
        shipping += request.shipping_amount
    return GivenBack(
        restocked=restocked,
        not_restocked=not_restocked,
        named_by_person=named,
        fees=fees,
        shipping=shipping,
        shipping_tax=shipping_tax,
        next_part=max(parts) + 1,
        memos=tuple(mine),
    )


def units_left(line: OrderLine, reading: Reading, unsettled: Iterable[RefundRequest]) -> Decimal:
    """Units of `line` that may still be refunded; never negative, staff can over-refund by hand.

    The larger of memos and counter counts: a memo that the counter forgot, or a counter that Magento will go by.
    """
    in_flight = sum((ask.qty_of(line.item_id) for ask in unsettled), ZERO)
    refunded = max(refunded_units(reading.memos, line.item_id), line.qty_refunded)
    return max(line.qty_invoiced - refunded - in_flight, ZERO)


def foreign_memos(approved: ApprovedReturn, reading: Reading, touched: Iterable[int]) -> tuple[CreditMemo, ...]:
    """Memos that somebody else made since this return began and that may be this very refund: a person must say.

    Those on the return's lines, and those without any item. A memo marked as another return's raises no question.
    """
    lines = set(touched)
    return tuple(
        memo
        for memo in reading.memos
        if memo.entity_id not in approved.memo_answers
        and memo.entity_id not in approved.memo_markers
        and not markers_of(memo)
        and memo.created_at >= approved.known_since - _CLOCKS_DIFFER_BY
        and (not memo.lines or any(line.order_item_id in lines and line.qty > 0 for line in memo.lines))
    )
