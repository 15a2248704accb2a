"""Which lines a memo will hold, and how many units of each: more than was named, and sometimes less.

A memo holds every line of the order or of the invoice, unnamed ones with no units; children come with their parent; the
invoice route quietly cuts a quantity to what that invoice has left, and drops lines that it does not hold.
Source: Magento 2.4.6 CreditmemoFactory::createByOrder, createByInvoice; recordings/online-two-invoices.json,
two-invoices-offline-by-invoice.json, items-omitted-empty-zero-unknown.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from service.core.lines import is_dummy, parent_of, units_per_parent
from service.core.orders import Invoice, Order, OrderLine, Reading, refunded_units
from service.core.plan import RefundRequest

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoAsk:
    """What Magento takes from a refund call's body, ours or anybody's; amounts are in the base currency.

    `items` are pairs of order item and quantity; none at all means everything that is left, and `shipping_amount` None
    means all shipping that is left. A `RefundRequest` is the part of this that we allow ourselves.
    """

    items: tuple[tuple[int, Decimal], ...] = ()
    shipping_amount: Decimal | None = None
    adjustment_positive: Decimal = ZERO
    adjustment_negative: Decimal = ZERO
    #: None: the order route.
    invoice_id: int | None = None

    @classmethod
    def of(cls, request: RefundRequest) -> MemoAsk:
        return cls(
            items=tuple((item.order_item_id, item.qty) for item in request.items),
            shipping_amount=request.shipping_amount,
            adjustment_positive=request.adjustment_positive,
            adjustment_negative=request.adjustment_negative,
            invoice_id=request.invoice_id,
        )

    def invoice_in(self, reading: Reading) -> Invoice | None:
        """The invoice that the call names; None on the order route."""
        if self.invoice_id is None:
            return None
        invoice = reading.invoice(self.invoice_id)
        if invoice is None:
            raise WouldBeRefused(
                f"invoice {self.invoice_id} is not among those of order {reading.order.entity_id}. Read them again."
            )
        return invoice


class WouldBeRefused(ValueError):
    """Magento refuses such a call as a whole; there is nothing to predict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedLine:
    """A line of the memo to be, with the quantity that the memo will show."""

    line: OrderLine
    qty: Decimal
    is_dummy: bool

    @property
    def left(self) -> Decimal:
        """Units that Magento lets go back, by the order's own counters."""
        return ZERO if self.is_dummy else max(self.line.qty_invoiced - self.line.qty_refunded, ZERO)

    @property
    def counted(self) -> Decimal:
        """Units that are paid back: 1.5 of a whole-unit item count as 1, though the memo says 1.5 (Magento 2.4.1)."""
        return max(self.qty if self.line.is_qty_decimal else Decimal(int(self.qty)), ZERO)

    @property
    def is_last(self) -> bool:
        """Whether nothing stays behind; such a line takes the remainder of its amounts, unrounded."""
        return self.counted == self.left


def lines_of_memo(reading: Reading, ask: MemoAsk) -> tuple[AskedLine, ...]:
    """The lines in the order's sequence, which is the sequence of rounding.

    Raises WouldBeRefused for more units than are left.
    """
    named = dict(ask.items)
    invoice = ask.invoice_in(reading)
    limits = {} if invoice is None else _left_on_invoice(reading, invoice)
    lines: list[AskedLine] = []
    for line in reading.order.lines:
        if invoice is not None and line.item_id not in limits:
            continue
        dummy = is_dummy(reading.order, line)
        if not _comes_along(reading.order, line, named, limits, dummy=dummy):
            continue
        qty = _qty_of_dummy(reading.order, line, named) if dummy else _qty_of(line, named, limits)
        if invoice is not None:
            qty = min(qty, invoice.qty_of(line.item_id))
        asked = AskedLine(line=line, qty=qty, is_dummy=dummy)
        if not dummy and asked.counted > asked.left:
            raise WouldBeRefused(
                f"order item {line.item_id}: {asked.counted} asked for, {asked.left} left. Ask for no more."
            )
        lines.append(asked)
    return tuple(lines)


def _left_on_invoice(reading: Reading, invoice: Invoice) -> dict[int, Decimal]:
    """Units per order item; memos of the order route do not count here."""
    mine = [memo for memo in reading.memos if memo.invoice_id == invoice.entity_id]
    return {line.order_item_id: line.qty - refunded_units(mine, line.order_item_id) for line in invoice.lines}


def _comes_along(
    order: Order, line: OrderLine, named: Mapping[int, Decimal], limits: Mapping[int, Decimal], *, dummy: bool
) -> bool:
    """Magento's canRefundItem: a line without money follows the one that carries it."""
    if not dummy:
        return _may_come(line, limits)
    parent = parent_of(order, line)
    carriers = order.children_of(line) if parent is None else (parent,)
    if not named:
        return any(_may_come(carrier, limits) for carrier in carriers)
    return any(named.get(carrier.item_id, ZERO) > 0 for carrier in carriers)


def _may_come(line: OrderLine, limits: Mapping[int, Decimal]) -> bool:
    return line.item_id not in limits or limits[line.item_id] > 0


def _qty_of(line: OrderLine, named: Mapping[int, Decimal], limits: Mapping[int, Decimal]) -> Decimal:
    left = max(line.qty_invoiced - line.qty_refunded, ZERO)
    qty = named.get(line.item_id, ZERO) if named else left
    return min(qty, limits[line.item_id]) if line.item_id in limits else qty


def _qty_of_dummy(order: Order, line: OrderLine, named: Mapping[int, Decimal]) -> Decimal:
    """A child follows its parent. A dynamic bundle comes whole each time: its `qty_refunded` overruns."""
    parent = parent_of(order, line)
    if parent is None:
        return line.qty_invoiced
    of_parent = named.get(parent.item_id, max(parent.qty_invoiced - parent.qty_refunded, ZERO))
    return of_parent * units_per_parent(order, line)
