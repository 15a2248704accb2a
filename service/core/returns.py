"""What portals and warehouses say, in our words.

A return event states what has been approved *so far* (cumulative), or which receipts there were (delta); either way
hearing it twice, late or out of order changes nothing. Quantities are units, money is in the order's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Quantities(StrEnum):
    """What a quantity counts: all that was approved so far, or what one receipt added."""

    CUMULATIVE = "cumulative"
    DELTA = "delta"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderReference:
    """How a sender names the order: by exactly one of the two, never one for the other.

    Magento casts an increment id "000000012" in a path to entity 12 and refunds another order.
    """

    increment_id: str | None = None
    entity_id: int | None = None

    def __post_init__(self) -> None:
        if (self.increment_id is None) == (self.entity_id is None):
            raise ValueError("an order is named by increment_id or by entity_id, one of them")

    def __str__(self) -> str:
        return f"#{self.increment_id}" if self.increment_id is not None else f"entity {self.entity_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnedPart:
    """Some units of a line that share a disposition (the sender's word, lower case; "" when nothing was said)."""

    quantity: Decimal
    disposition: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PortalAmount:
    """Money as the sender computed it; `includes_tax` None: it did not say."""

    amount: Decimal
    includes_tax: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fee:
    """One deduction, of the sender's own type ("restocking"; "" when nothing was said)."""

    type: str = ""
    amount: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnLine:
    """One line of a return; names the order item by id, by the sender's copy of it, or by SKU. Ids win over SKU."""

    sku: str | None = None
    order_item_id: int | None = None
    external_line_id: str | None = None
    parts: tuple[ReturnedPart, ...]
    reason: str = ""
    #: What the customer gets for it, and by which way, in the sender's words (lower case; "" when nothing was said).
    resolution: str = ""
    refund_destination: str = ""
    #: The goods stay with the customer: money without a receipt, and nothing for the shelf.
    keep_item: bool = False
    #: The sender's figure for these units, before fees and without shipping.
    refund_amount: PortalAmount | None = None

    @property
    def quantity(self) -> Decimal:
        return sum((part.quantity for part in self.parts), Decimal(0))

    @property
    def named(self) -> str:
        """How the sender named it, for notes: "24-MB01", "item 510"."""
        if self.order_item_id is not None:
            return f"item {self.order_item_id}" + (f" ({self.sku})" if self.sku else "")
        return self.sku or f"line {self.external_line_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """One act of receiving goods; `id` "" when the sender gave none, and then nobody can tell it from a repeat."""

    id: str = ""
    lines: tuple[ReturnLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """What the events of a return say against each other, for a person; `code` is stable."""

    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnEvent:
    """What one delivery said about one return of one order; a body that names several orders is several events."""

    event_id: str
    #: The sender gave no id, and this one was made from what the event says.
    id_is_of_content: bool = False
    type: str
    return_id: str
    order: OrderReference
    #: Cumulative. Of a delta event they are empty until all its return's receipts are summed (core/folding.py).
    lines: tuple[ReturnLine, ...]
    quantities: Quantities = Quantities.CUMULATIVE
    receipts: tuple[Receipt, ...] = ()
    #: All that was approved is taken back.
    is_withdrawn: bool = False
    #: The other orders of the same body, as the sender named them: another set under the same id is another content.
    together_with: tuple[str, ...] = ()
    #: Cumulative, in the order's currency; deducted from what is given back.
    fees: Decimal = Decimal(0)
    #: What `fees` are made of.
    fee_items: tuple[Fee, ...] = ()
    currency: str | None = None
    #: What the sender says the customer gets in all so far: shipping included, fees taken off.
    refund_total: PortalAmount | None = None
    #: The sender's total is of several orders, so it is nobody's figure.
    total_is_shared: bool = False
    #: Given in another way than money back, as the sender says.
    store_credit: Decimal = Decimal(0)
    exchange_credit: Decimal = Decimal(0)
    #: The sender has given the money back itself.
    already_refunded: bool = False
    #: What was wrong with what came back, in the sender's words or found in its numbers; see core/discrepancies.py.
    discrepancies: tuple[str, ...] = ()
    #: When the sender says it happened (aware, UTC); None: it did not say.
    occurred_at: datetime | None = None
    #: What the event asks for beyond a refund, in words for a person: "line 2: resolution 'store_credit'".
    unsupported: tuple[str, ...] = ()
    #: Found by folding, and never stored.
    doubts: tuple[Doubt, ...] = ()

    @property
    def counts_when_late(self) -> bool:
        """Whether it changes what is owed although a newer event is known: receipts add up, and a payment happened."""
        return self.quantities is Quantities.DELTA or self.already_refunded


#: What clocks may be apart, ours included, which may have been put back by an hour: events in their right order must
#: not change places for that. Further ahead it is no clock but a mistake, as a local time without its zone, or 2099.
_CLOCKS_DIFFER_BY = timedelta(hours=2)


def is_yet_to_come(event: ReturnEvent, received_at: datetime) -> bool:
    return event.occurred_at is not None and event.occurred_at > received_at + _CLOCKS_DIFFER_BY


def placed_at(event: ReturnEvent, received_at: datetime, newest_before: datetime | None = None) -> datetime:
    """Where an event stands among those of its return: when it happened, and its arrival where that is yet to come.

    Such a time would make it the newest for good, and every event after it one that is late. `newest_before` is where
    the newest of those stands that arrived before it: should our own clock have been put back, the event follows them.
    """
    if event.occurred_at is None:
        return received_at
    if is_yet_to_come(event, received_at):
        return min(event.occurred_at, max(received_at, newest_before or received_at))
    return event.occurred_at


def says_the_same(one: ReturnEvent, other: ReturnEvent) -> bool:
    """Whether two events under one id are one.

    An id made of content leaves out what changes with every sending. What customers gave as reasons moves no money, and
    is forgotten with the body.
    """
    return _without_reasons(one) == _without_reasons(other) or (
        one.id_is_of_content and other.id_is_of_content and one.event_id == other.event_id
    )


def _without_reasons(event: ReturnEvent) -> ReturnEvent:
    receipts = tuple(replace(receipt, lines=_unreasoned(receipt.lines)) for receipt in event.receipts)
    return replace(event, lines=_unreasoned(event.lines), receipts=receipts)


def _unreasoned(lines: tuple[ReturnLine, ...]) -> tuple[ReturnLine, ...]:
    return tuple(replace(line, reason="") for line in lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """A delivery that asks for nothing, and why."""

    reason: str
    event_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovedReturn:
    """What a plan must know of a return besides Magento: what was approved so far, and what people have answered."""

    #: Frozen name that sources reporting the same returns share; part of the marker.
    namespace: str
    #: The Magento installation, not the store view: two store codes reach the same order.
    instance: str
    source: str
    event: ReturnEvent
    #: When the return first happened (or reached us). An older memo of somebody else's is not about it.
    known_since: datetime
    #: memo id → True "this return", False "something else".
    memo_answers: Mapping[int, bool] = field(default_factory=dict)
    #: memo id → marker of the refund of this return that it belongs to; one that was made by hand does not carry it.
    memo_markers: Mapping[int, str] = field(default_factory=dict)
    #: False from the second send on: the first may have mailed the customer already.
    may_notify: bool = True
    #: The fingerprint somebody said yes to.
    approved_fingerprint: str | None = None
