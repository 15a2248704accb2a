"""What we mean to ask of Magento, and why: the values a plan is made of.

A `RefundRequest` without lines, without an explicit shipping amount or without a marker cannot be constructed: Magento
would refund everything, or all shipping, or leave us nothing to recognise it by.
Source: recordings/items-omitted-empty-zero-unknown.json, shipping-amount-omitted.json.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Route(StrEnum):
    """Which refund endpoint: ORDER books and moves no money, INVOICE here always means isOnline true."""

    ORDER = "order"
    INVOICE = "invoice"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestItem:
    order_item_id: int
    qty: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundRequest:
    """One call. Amounts are in the base currency; `return_to_stock` names order items and has no quantities."""

    route: Route
    order_id: int
    invoice_id: int | None = None
    items: tuple[RequestItem, ...]
    shipping_amount: Decimal
    adjustment_positive: Decimal = Decimal(0)
    adjustment_negative: Decimal = Decimal(0)
    return_to_stock: tuple[int, ...] = ()
    notify: bool
    marker: str
    comment: str

    def __post_init__(self) -> None:
        if not self.items or any(item.qty <= 0 for item in self.items):
            raise ValueError(
                "a refund names its lines, each with a positive quantity: Magento refunds everything otherwise"
            )
        if len({item.order_item_id for item in self.items}) != len(self.items):
            raise ValueError("a refund names each line once: of duplicates Magento takes the last")
        if (self.route is Route.INVOICE) != (self.invoice_id is not None):
            raise ValueError("the invoice route names its invoice, the order route none")
        if min(self.shipping_amount, self.adjustment_positive, self.adjustment_negative) < 0:
            raise ValueError("amounts are zero or positive: Magento takes negative ones without a word")
        if not self.marker or self.marker not in self.comment:
            raise ValueError("the comment carries the marker: without it a lost answer could not be found again")

    @property
    def restocks(self) -> bool:
        return bool(self.return_to_stock)

    def qty_of(self, item_id: int) -> Decimal:
        return sum((item.qty for item in self.items if item.order_item_id == item_id), Decimal(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictedTotals:
    """What the memo of a request will say, to the cent (or to four places where Magento keeps them)."""

    base_grand_total: Decimal
    grand_total: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRefund:
    request: RefundRequest
    predicted: PredictedTotals


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One decision and its reason: which rule, about what, in words for a person."""

    rule: str
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What only a person can decide. `code` is stable; `candidates` are what they may choose from."""

    code: str
    subject: str
    text: str
    candidates: tuple[str, ...] = ()


class Verdict(StrEnum):
    REFUND = "refund"
    NOTHING = "nothing"
    APPROVAL = "approval"
    PERSON = "person"
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is still to be given back to a return, as of one reading.

    PERSON: questions stand, nothing is sent. APPROVAL: the refunds are sound, but somebody must say yes to this
    fingerprint. WAIT: Magento is not ready yet (not invoiced, on hold); planned again later. NOTHING: no difference.
    """

    return_id: str
    order_id: int
    increment_id: str
    currency: str
    base_currency: str
    refunds: tuple[PlannedRefund, ...] = ()
    notes: tuple[Note, ...] = ()
    questions: tuple[Question, ...] = ()
    verdict: Verdict

    @property
    def base_total(self) -> Decimal:
        return sum((refund.predicted.base_grand_total for refund in self.refunds), Decimal(0))

    def fingerprint(self) -> str:
        """What would be sent, 12 hex digits a refund joined by "+". A person approves this and nothing else."""
        return "+".join(_digest(refund.request) for refund in self.refunds)

    def is_approved_by(self, fingerprint: str | None) -> bool:
        """Whether each refund of this plan stood in the approved one; some of those may have been made since."""
        return set(self.fingerprint().split("+")) <= set((fingerprint or "").split("+"))


def _digest(request: RefundRequest) -> str:
    return hashlib.sha256(json.dumps(_facts(request)).encode()).hexdigest()[:12]


def _facts(request: RefundRequest) -> list[object]:
    return [
        request.route,
        request.order_id,
        request.invoice_id,
        [[item.order_item_id, format(item.qty.normalize(), "f")] for item in request.items],
        [
            format(a.normalize(), "f")
            for a in (request.shipping_amount, request.adjustment_positive, request.adjustment_negative)
        ],
        list(request.return_to_stock),
        request.notify,
        request.marker,
    ]
