"""What the store gives and takes: one frozen value per kind of row, named as in the design, with numbers for ids.

Rows of other tables are named by their numeric id; `ids.format_id` makes them public.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from service.core.drift import Drift, OrderBefore
from service.core.lifecycle import DeliveryState, RefundState
from service.core.plan import RefundRequest, Route, Verdict
from service.core.returns import OrderReference, ReturnEvent


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


_Row = TypeVar("_Row", bound=_Dataclass)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDelivery:
    """What arrived: the raw bytes as signed, and the few headers that a later look needs (never a signature)."""

    source: str
    delivery_key: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What became of it. `clash`: the key was known with another body; stored by itself, waits for a person."""

    delivery_id: int
    duplicate: bool
    clash: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverySummary:
    """A delivery as lists show it: everything but the bytes."""

    id: int
    source: str
    delivery_key: str
    body_sha256: str
    received_at: datetime
    state: DeliveryState
    #: None: nothing will happen by itself.
    due_at: datetime | None
    #: Not None while a worker holds it; in the past when that worker died.
    lease_until: datetime | None
    worker: str
    fence: int
    attempts: int
    #: The sender's name of the event; None before it was read.
    event_id: str | None
    return_id: int | None
    reason_code: str
    reason: str
    redeliveries: int
    last_redelivered_at: datetime | None
    clashes_with: int | None
    #: When its body was forgotten; None: it is there.
    purged_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery(DeliverySummary):
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceCount:
    """How many of a source's deliveries are in one state, and when the last of these came."""

    source: str
    state: DeliveryState
    count: int
    last_received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One worker's hold on a delivery until `lease_until`. Whoever claims next has a higher fence, and this is void."""

    delivery: Delivery
    worker: str
    fence: int
    lease_until: datetime


class Finished(NamedTuple):
    """How a delivery was given back: in the state that was asked for, or to a person because of a refund of it."""

    state: DeliveryState
    reason_code: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEvent:
    """What one delivery said; `occurred_at` is when it arrived where the sender said no time that can be."""

    id: int
    delivery_id: int
    source: str
    return_id: int
    occurred_at: datetime
    event: ReturnEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnCase:
    """One return of one order at one Magento: what was said last, what we mean to do, what people answered."""

    id: int
    namespace: str
    instance: str
    store: str
    source: str
    return_key: str
    order_key: str
    #: Both known once it was planned; before, only the one that the sender used.
    order_increment_id: str | None
    order_entity_id: int | None
    #: Never later than when we first heard of it: a sender's fast clock must not hide memos made since.
    first_occurred_at: datetime
    #: The newest event by (occurred_at, arrival), and the delivery that said it.
    event: ReturnEvent
    event_delivery_id: int
    #: Of `record_event`: the event given is the current one. True elsewhere.
    is_newest: bool
    plan: Mapping[str, Any] | None
    plan_fingerprint: str | None
    plan_verdict: Verdict | None
    planned_at: datetime | None
    approved_fingerprint: str | None
    approved_by: str | None
    approved_at: datetime | None
    needs_person: bool
    reason_code: str
    reason: str
    #: memo id → a person says that it gives back this return (True) or something else (False).
    memo_answers: Mapping[int, bool]
    #: A refund of it is done and its memo was not read back yet.
    has_unread_memo: bool
    created_at: datetime
    updated_at: datetime

    @property
    def order(self) -> OrderReference:
        return self.event.order

    @property
    def is_approved(self) -> bool:
        """A person said yes to exactly the plan that is saved."""
        return self.plan_fingerprint is not None and self.plan_fingerprint == self.approved_fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundRow:
    """One credit memo that we ask for, from the order's slot to its answer."""

    id: int
    return_id: int
    #: The delivery that works on it, and its fence at that time; 0 after a person decided.
    delivery_id: int
    fence: int
    instance: str
    order_increment_id: str | None
    order_entity_id: int | None
    state: RefundState
    marker: str | None
    route: Route | None
    invoice_id: int | None
    #: None while the slot is held and nothing was planned yet.
    request: RefundRequest | None
    body: Mapping[str, Any] | None
    predicted_base_total: Decimal | None
    predicted_total: Decimal | None
    base_currency: str | None
    currency: str | None
    #: A newer plan does not ask for it; kept because a call was tried.
    superseded: bool
    needs_person: bool
    reason_code: str
    reason: str
    #: Calls that may have arrived; one that provably did not is taken back.
    sends: int
    sent_at: datetime | None
    settle_at: datetime | None
    #: None on a `done` row: a person said that it was paid without a memo.
    memo_id: int | None
    memo: Mapping[str, Any] | None
    differences: tuple[Any, ...] | None
    #: False: the memo is there, but no 200 was seen, so stock may not have been returned. None: not done yet.
    stock_proven: bool | None
    email_state: str
    #: What the order said when the call was decided on; None before that.
    order_before: OrderBefore | None
    created_at: datetime
    updated_at: datetime

    @property
    def alarm(self) -> str:
        """What a refund that is done needs a person for, as 8 hex digits; empty where it needs nobody.

        A person has seen to this alarm and to no later one.
        """
        if self.state is not RefundState.DONE or not self.needs_person:
            return ""
        return hashlib.sha256(f"{self.reason_code}\n{self.reason}".encode()).hexdigest()[:8]

    @property
    def is_paid_without_memo(self) -> bool:
        """A person said so, and named no memo since: its units count as given back by what was asked."""
        return self.state is RefundState.DONE and self.memo_id is None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftCheck:
    """One later look at a refund that is done."""

    id: int
    refund_id: int
    #: When it was first due; `due_at` moves on while Magento cannot be read.
    planned_for: datetime
    #: None: it was made, or given up.
    due_at: datetime | None
    lease_until: datetime | None
    fence: int
    tries: int
    looked_at: datetime | None
    drifts: tuple[Drift, ...]
    said: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Online refunds of an installation wait, because this database may have forgotten some of them."""

    instance: str
    set_at: datetime
    reason: str
    #: What Magento did before is in the database for certain; None: nothing is.
    known_until: datetime | None
    #: None: nobody has looked yet, so nobody can accept.
    reconciled_at: datetime | None
    reconciled_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundMarker:
    """A marker that Magento holds on a memo and that this database never sent."""

    instance: str
    marker: str
    order_entity_id: int
    memo_id: int
    memo_created_at: datetime
    base_total: Decimal
    #: The known return that it belongs to, by its marker; None: of a return that was forgotten too.
    return_id: int | None
    found_at: datetime
    accepted_at: datetime | None
    accepted_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """Evidence of one call: written whoever holds the lease. `ended_at` None: no answer was ever recorded."""

    id: int
    refund_id: int
    fence: int
    started_at: datetime
    ended_at: datetime | None
    path: str
    status: int | None
    outcome: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalEntry:
    id: int
    at: datetime
    #: "worker", "source NAME", or a person's name.
    actor: str
    #: A stable code, like "refund.done".
    what: str
    text: str
    data: Mapping[str, Any]
    delivery_id: int | None
    return_id: int | None
    refund_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """What erasing came to: deliveries whose bodies are gone, and those that somebody still works on."""

    delivery_ids: tuple[int, ...]
    still_open: Mapping[int, DeliveryState]


class Settlement(StrEnum):
    """A person's answer to "did this call pay?"."""

    MEMO = "memo"
    PAID_NO_MEMO = "paid-no-memo"
    NOT_PAID = "not-paid"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadBack:
    """A memo as it was read back, and where it differs from what was asked."""

    memo: object
    differences: Sequence[object]
    #: What a person is told of the differences; empty where there are none.
    reason: str


class SentTotals(NamedTuple):
    """How much went out since a time; what may have gone out counts."""

    refunds: int
    base_total: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An API key; the token itself is known to its holder alone."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch:
    """A stop that is in force for `scope`: "all", "store:NAME" or "source:NAME"."""

    scope: str
    stopped_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StorePause:
    """A store that is left alone; with `until` in the past, nobody has been answered since."""

    store: str
    until: datetime
    reason: str
    worker: str
    set_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A request that was not stored: bad signature, unknown source, too large."""

    id: int
    at: datetime
    source: str
    status: int
    reason: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusalCount:
    source: str
    status: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """When a worker was last alive."""

    worker: str
    at: datetime


def row_as(kind: type[_Row], columns: Mapping[Any, Any]) -> _Row:
    """A row's value from columns of the same names."""
    return kind(**{name: columns[name] for name in _names(kind)})


@cache
def _names(kind: type[_Dataclass]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
