"""What was given back: by a memo of Magento's, or by a payment that a person found to have been made without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.core.marker import Marker, markers_in, markers_of
from service.core.orders import CreditMemo
from service.store import RefundRow, format_id
from tests.torture.load import Units


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    name: str
    #: The stems of its markers: whose return it gives back.
    stems: frozenset[str]
    #: In the base currency.
    amount: Decimal
    units: Units


def given_by_memo(memo: CreditMemo, skus: Mapping[int, str]) -> Given:
    """`skus` names the SKU of each order item."""
    quantities = ((skus[line.order_item_id], line.qty) for line in memo.lines)
    return _given(f"memo {memo.entity_id}", markers_of(memo), memo.base.grand_total, quantities)


def given_by_view(memo: Mapping[str, Any]) -> Given:
    """A memo as the sandbox shows it at /sandbox/memos."""
    markers = [marker for text in memo["comments"] for marker in markers_in(text)]
    quantities = ((line["sku"], line["qty"]) for line in memo["lines"])
    return _given(f"memo {memo['entity_id']}", markers, memo["base_grand_total"], quantities)


def given_without_memo(row: RefundRow, skus: Mapping[int, str]) -> Given:
    """A refund that a person settled as paid without a memo: what it asked for is what was paid for."""
    assert row.request is not None, "a refund is sent with its request"
    assert row.predicted_base_total is not None, "a refund is planned with its total"
    quantities = ((skus[item.order_item_id], item.qty) for item in row.request.items)
    return _given(
        f"{format_id('refund', row.id)}, settled as paid without a memo,",
        markers_in(row.request.marker),
        row.predicted_base_total,
        quantities,
    )


def _given(name: str, markers: Iterable[Marker], amount: Decimal, quantities: Iterable[tuple[str, Decimal]]) -> Given:
    found = tuple(markers)
    restocks = any(marker.restocks for marker in found)
    units: Units = Counter()
    for sku, quantity in quantities:
        if quantity:
            units[sku, restocks] += int(quantity)
    return Given(name=name, stems=frozenset(marker.stem for marker in found), amount=Decimal(amount), units=units)
