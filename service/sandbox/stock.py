"""Stock the way Magento's multi-source inventory keeps it, and what a refund moves.

On hand is counted per source; salable is on hand plus reservations: an order reserves its units (a negative number),
shipping takes them off the source and gives the reservation back. A refund of units that never left has to settle
both. Source: Magento MSI ReturnProcessor/{ProcessRefundItems, DeductSourceItemQuantityOnRefund}; recordings
restock-*.json, virtual-and-downloadable.json, differences-2.4.6.md part C.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.sandbox.documents import ZERO, Document, number
from service.sandbox.lines import Line
from service.sandbox.totals import MemoLine

#: The kinds of order line whose units lie in a source. Members of a grouped product are stored as simple ones.
_KEPT_IN_SOURCES = frozenset({"simple", "virtual", "downloadable", "grouped"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What one refund does to one SKU."""

    sku: str
    on_hand: Decimal
    reserved: Decimal


@dataclass(slots=True)
class _Units:
    """Units of one SKU in one memo: refunded now, not refunded before, and gone from the source."""

    refunded: Decimal = ZERO
    open_before: Decimal = ZERO
    gone: Decimal = ZERO

    @property
    def not_gone(self) -> Decimal:
        """Magento takes the units that never left first."""
        return min(self.refunded, max(self.open_before - self.gone, ZERO))


class Stock:
    """All SKUs that are counted. A SKU that is not here is not managed, and refunds pass it by."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._sources: dict[str, dict[str, Decimal]] = {}
        self._reserved: dict[str, Decimal] = {}
        self.add(documents)

    def add(self, documents: Mapping[str, Document]) -> None:
        """Documents are `{"source_items": [{"source_code", "quantity"}], "salable"}` per SKU."""
        for sku, document in documents.items():
            sources = {item["source_code"]: Decimal(item["quantity"]) for item in document["source_items"]}
            self._sources[sku] = sources
            self._reserved[sku] = Decimal(document["salable"]) - sum(sources.values(), ZERO)

    def on_hand(self, sku: str) -> Decimal:
        return sum(self._sources[sku].values(), ZERO)

    def salable(self, sku: str) -> Decimal:
        return self.on_hand(sku) + self._reserved[sku]

    def knows(self, sku: str) -> bool:
        return sku in self._sources

    def find_sku(self, ordered: str) -> str | None:
        """The catalogue's SKU behind an ordered one: custom options append their own to it."""
        if ordered in self._sources:
            return ordered
        return max((sku for sku in self._sources if ordered.startswith(sku + "-")), key=len, default=None)

    def read(self) -> dict[str, Decimal]:
        """The on-hand figures as a refund sees them that will add to them later."""
        return {sku: self.on_hand(sku) for sku in self._sources}

    def move(self, moves: Iterable[Move], *, seen: Mapping[str, Decimal] | None = None) -> None:
        """Applies the moves; with `seen`, writes what that reading plus the move makes, whoever wrote in between."""
        for move in moves:
            sources = self._sources[move.sku]
            first = next(iter(sources))
            if seen is not None:
                sources[first] += seen[move.sku] - self.on_hand(move.sku)
            sources[first] += move.on_hand
            self._reserved[move.sku] += move.reserved

    def reserve(self, sku: str, quantity: Decimal) -> None:
        if sku in self._reserved:
            self._reserved[sku] += quantity

    def ship(self, sku: str, quantity: Decimal) -> None:
        if sku in self._sources:
            self.move([Move(sku=sku, on_hand=-quantity, reserved=quantity)])

    def to_document(self, sku: str) -> Document:
        items = [{"source_code": code, "quantity": quantity} for code, quantity in self._sources[sku].items()]
        return {"source_items": items, "salable": self.salable(sku)}

    def to_documents(self) -> dict[str, Document]:
        return {sku: self.to_document(sku) for sku in self._sources}

    def source_items(self) -> list[dict[str, Any]]:
        return [
            {"sku": sku, "source_code": code, "quantity": quantity, "status": 1 if quantity > 0 else 0}
            for sku, sources in self._sources.items()
            for code, quantity in sources.items()
        ]


def plan_moves(
    stock: Stock, items: Sequence[MemoLine], *, named: Collection[int], deducts_named_unshipped: bool
) -> tuple[Move, ...]:
    """What the memo moves; `named` are the order item ids to be returned to stock."""
    on_hand: dict[str, Decimal] = {}
    reserved: dict[str, Decimal] = {}

    def add(sku: str, hand: Decimal, promise: Decimal) -> None:
        on_hand[sku] = on_hand.get(sku, ZERO) + hand
        reserved[sku] = reserved.get(sku, ZERO) + promise

    kept = [item for item in items if item.qty > 0 and item.line.product_type in _KEPT_IN_SOURCES]
    deducted = [
        item
        for item in kept
        if not item.line.document.get("is_virtual") and (deducts_named_unshipped or item.line.item_id not in named)
    ]
    for sku, units in _count_by_sku(stock, deducted).items():
        add(sku, -units.not_gone, units.not_gone)
    returned = [item for item in kept if item.line.item_id in named]
    for sku, units in _count_by_sku(stock, returned).items():
        add(sku, min(units.gone, units.refunded - units.not_gone), units.not_gone)
    return tuple(Move(sku=sku, on_hand=on_hand[sku], reserved=reserved[sku]) for sku in on_hand)


def _count_by_sku(stock: Stock, items: Iterable[MemoLine]) -> dict[str, _Units]:
    counted: dict[str, _Units] = {}
    for item in items:
        sku = stock.find_sku(str(item.line.document["sku"]))
        if sku is None:
            continue
        units = counted.setdefault(sku, _Units())
        units.refunded += item.qty
        units.open_before += number(item.line.document, "qty_invoiced") - item.line.qty_refunded
        units.gone += _units_gone(item.line)
    return counted


def _units_gone(line: Line) -> Decimal:
    """Units that have left their source: shipped, with the kit where the kit ships, or, virtual, invoiced."""
    if line.document.get("is_virtual"):
        return number(line.document, "qty_invoiced")
    shipped = number(line.document, "qty_shipped")
    if not shipped and line.parent is not None:
        return number(line.parent.document, "qty_shipped") * line.qty_of_kit
    return shipped
