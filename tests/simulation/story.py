"""What happens in a schedule, as data: who says what and when, what goes wrong, and which Magento it is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tests.simulation.boundaries import Strike


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A delivery that a sender sends until it is acknowledged; `key` and `event_id` may be another message's."""

    at_seconds: float
    key: str
    event_id: str
    return_id: str
    order: str
    #: (SKU, units, disposition): all that has been approved so far for the return.
    lines: tuple[tuple[str, int, str], ...]
    #: When it was said; the newest counts.
    occurred_seconds: float = -10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HandRefund:
    """A refund that somebody makes in Magento's admin, over the order's line of a SKU."""

    order: str
    sku: str
    units: Decimal = Decimal(1)
    at_seconds: float = 0.0
    #: Instead of at a time: when one of ours first comes to this boundary.
    at_boundary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    name: str
    seed: str
    magento_version: str
    messages: tuple[Message, ...]
    hand_refunds: tuple[HandRefund, ...] = ()
    #: Faults at the first passage of their boundary, each after the one before it has struck.
    strikes: tuple[Strike, ...] = ()
    #: Scheduling points from which on the next passage is struck by a fault that the seed chooses.
    strikes_from: tuple[int, ...] = ()
    gateway_declines: int = 0
    #: How often Magento calls a stale write a deadlock, of a hundred.
    deadlocks_percent: int = 0
    #: Whether the orders of finished refunds are read again later, for drift.
    looks_later: bool = True
