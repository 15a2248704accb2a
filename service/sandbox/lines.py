"""Order lines and what Magento still allows to be done with them and with their order.

Kits are where it gets strange: of a parent and its children one side carries the price, the other is a *dummy* that
merely follows. Source: Magento 2.4 Order/Item::isDummy, getQtyToRefund, getQtyToShip; Order::canInvoice, canShip,
canCreditmemo; Order/StateResolver; ResourceModel/Order/Handler/State.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from service.sandbox.documents import ZERO, Document, cents, number

#: Sums below this are nothing to Magento: its guard against float noise.
_NOTHING = Decimal("0.0001")
_FINAL_STATES = ("canceled", "complete", "closed")

#: Statuses that belong to a state besides the state's own; the order route keeps them, the invoice route does not.
_STATUSES = {"new": ("pending",), "processing": ("processing", "fraud")}


@dataclass(slots=True, eq=False)
class Line:
    """One order item with its kit around it. `document` may be replaced by a refund, never changed in place."""

    document: Document
    parent: Line | None = None
    children: list[Line] = field(default_factory=list)

    @property
    def item_id(self) -> int:
        return int(self.document["item_id"])

    @property
    def product_type(self) -> str:
        return str(self.document.get("product_type", "simple"))

    @property
    def qty_ordered(self) -> Decimal:
        return number(self.document, "qty_ordered")

    @property
    def qty_refunded(self) -> Decimal:
        return number(self.document, "qty_refunded")

    @property
    def is_dummy(self) -> bool:
        """The line follows its kit: its parent or its children carry the price."""
        if self.children:
            return self._children_carry_the_price
        return self.parent is not None and not self.parent._children_carry_the_price  # noqa: SLF001  # same class

    @property
    def _children_carry_the_price(self) -> bool:
        return self.product_type == "bundle" and any(number(child.document, "base_price") for child in self.children)

    @property
    def qty_to_refund(self) -> Decimal:
        return ZERO if self.is_dummy else max(number(self.document, "qty_invoiced") - self.qty_refunded, ZERO)

    @property
    def qty_to_invoice(self) -> Decimal:
        if self.is_dummy:
            return ZERO
        return max(
            self.qty_ordered - number(self.document, "qty_invoiced") - number(self.document, "qty_canceled"), ZERO
        )

    @property
    def qty_to_ship(self) -> Decimal:
        if self.parent is not None and not self.parent._ships_separately:  # noqa: SLF001  # same class
            return ZERO
        if self.children and self._ships_separately:
            return ZERO
        gone = max(number(self.document, "qty_shipped"), self.qty_refunded)
        return max(self.qty_ordered - gone - number(self.document, "qty_canceled"), ZERO)

    @property
    def _ships_separately(self) -> bool:
        """REST does not tell how a kit ships; a kit whose parts have left without it does so in parts."""
        return not number(self.document, "qty_shipped") and any(
            number(child.document, "qty_shipped") for child in self.children
        )

    @property
    def qty_of_kit(self) -> Decimal:
        """How many of this part are in one kit; 1 for the child of a configurable."""
        if self.parent is None or self.parent.product_type != "bundle" or not self.parent.qty_ordered:
            return Decimal(1)
        return self.qty_ordered / self.parent.qty_ordered


def read_lines(order: Document) -> tuple[Line, ...]:
    lines = {item["item_id"]: Line(item) for item in order["items"]}
    for line in lines.values():
        parent = lines.get(line.document.get("parent_item_id"))
        if parent is not None:
            line.parent = parent
            parent.children.append(line)
    return tuple(lines.values())


def find_state(order: Document, lines: Sequence[Line], *, memos_before: int) -> str:
    """The state the order moves to when it is refunded; `memos_before` counts those already saved."""
    state = str(order["state"])
    if _is_settled(order, lines) and not can_ship(order, lines):
        if not number(order, "base_grand_total") or can_credit(order, lines, memos_before=memos_before):
            return "complete"
        if number(order, "total_refunded"):
            return "closed"
    return "processing" if state == "processing" else "new"


def find_saved_state(order: Document, lines: Sequence[Line], *, memos_before: int) -> str:
    """What Magento makes of the state when the order is saved: a second opinion on top of `find_state`."""
    state = str(order["state"])
    if _is_settled(order, lines):
        shippable = can_ship(order, lines)
        if (
            state in {"processing", "complete"}
            and not shippable
            and not can_credit(order, lines, memos_before=memos_before)
        ):
            return "closed"
        if state == "processing" and not shippable:
            return "complete"
    return state


def default_status(state: str) -> str:
    return _STATUSES.get(state, (state,))[0]


def kept_status(state: str, status: str | None) -> str:
    """The order's own status where it belongs to the state, else the state's default."""
    return status if status in _STATUSES.get(state, (state,)) else default_status(state)


def _is_settled(order: Document, lines: Sequence[Line]) -> bool:
    return order["state"] not in {"canceled", "holded"} and not can_invoice(order, lines)


def can_invoice(order: Document, lines: Sequence[Line]) -> bool:
    if order["state"] in {"holded", "payment_review", *_FINAL_STATES}:
        return False
    return any(line.qty_to_invoice > 0 for line in lines)


def can_ship(order: Document, lines: Sequence[Line]) -> bool:
    if order["state"] in {"holded", "payment_review", "canceled"} or order.get("is_virtual"):
        return False
    return any(
        line.qty_to_ship > 0 and not line.document.get("is_virtual") and line.qty_refunded != line.qty_ordered
        for line in lines
    )


def can_credit(order: Document, lines: Sequence[Line], *, memos_before: int) -> bool:
    """Whether money of the order is left to refund, by Magento's count.

    A fee that was kept counts as given back: an order refunded less a fee closes.
    """
    if order["state"] in {"holded", "payment_review", "canceled", "closed"}:
        return False
    paid, refunded = number(order, "total_paid"), number(order, "total_refunded")
    left = cents(paid) - refunded
    left_is_the_fee = abs(left - number(order, "adjustment_negative")) < _NOTHING
    if abs(number(order, "grand_total")) >= _NOTHING:
        return not (abs(left) < _NOTHING or left_is_the_fee)
    paid_no_more_than_due = paid <= number(order, "grand_total")
    is_due = can_invoice(order, lines) and paid_no_more_than_due
    is_given_back = refunded == paid and memos_before > 0
    return not (is_due or is_given_back or (not paid_no_more_than_due and left_is_the_fee))
