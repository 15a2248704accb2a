"""The canonical event: the one form of body that every sender can be brought to; docs/canonical-event.md tells it all.

A body becomes one event per order. What is to be done about it is not decided here: words, figures and discrepancies
are passed on for the plan, and what contradicts itself is kept in `unsupported`, for the plan to ask a person about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError

from service.core.content_id import content_id
from service.core.policy import Amounts, SharedFees, SourcePolicy
from service.core.returns import (
    Fee,
    Ignored,
    OrderReference,
    PortalAmount,
    Quantities,
    Receipt,
    ReturnedPart,
    ReturnEvent,
    ReturnLine,
)
from service.errors import BlindReturn
from service.settings import EnvelopeFormat, SourceSettings
from service.sources.base import MAX_ID_LENGTH, Document, Limits
from service.sources.kinds.canonical_body import EVENT_ALIASES, EVENT_SCHEMA, renamed, shape_body, without_figures
from service.sources.unreadable import Body, explain, line_named, shown, unreadable

ZERO = Decimal(0)
#: The disposition of what `qty_restock` counts.
RESTOCK = "restock"


def read(source: SourceSettings, document: Document, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
    """What a canonical body says; Unreadable names path, value and remedy."""
    body = document.body if source.envelope is not EnvelopeFormat.CLOUDEVENTS else _out_of_cloud_event(document.body)
    return read_event(source.policy, body, limits)


def _out_of_cloud_event(event: Body) -> Body:
    """A CloudEvent's data; its context says what the data does not."""
    data = event.get("data")
    if not isinstance(data, dict):
        raise unreadable("data", data, "not an object", "Send the canonical event as the CloudEvent's data")
    context = {"id": event["id"], "type": event["type"], "occurred_at": event.get("time")}
    return context | renamed(data, EVENT_ALIASES, "data.")


def read_event(policy: SourcePolicy, body: Body, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
    """What a body in the canonical event's names says, one event per order: kinds of portals end here too."""
    body = renamed(body, EVENT_ALIASES, "")
    event_type = body.get("type")
    if not isinstance(event_type, str) or not event_type.strip():
        raise unreadable("type", event_type, "not an event type", 'Send a string, as "return.approved"')
    event_type = event_type.strip().lower()
    # That the sender has paid matters whatever the occasion on which it says so.
    counts = event_type in policy.refund_on or event_type in policy.withdraw_on or body.get("already_refunded") is True
    if not counts:
        return Ignored(reason=f"type {shown(event_type)} is not in refund_on", event_id=_told_id(body))
    if _is_test(body):
        return Ignored(reason="is_test: the sender is trying out", event_id=_told_id(body))
    shaped = shape_body(body, event_type, limits)
    if policy.amounts is Amounts.COMPUTE and policy.shared_fees is SharedFees.PERSON:
        shaped = without_figures(shaped)
    try:
        read = EVENT_SCHEMA.load(shaped)
    except ValidationError as error:
        raise explain(EVENT_SCHEMA, shaped, error.messages_dict) from error
    said = _Said(read=read, type=event_type, policy=policy)
    if said.is_withdrawn and not _orders(said):
        return Ignored(
            reason=f"{event_type} names no order, so that nothing is known to withdraw", event_id=_told_id(body)
        )
    return _events(said)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Said:
    """A body that has passed the schema, and whose words are read by which policy."""

    read: Body
    type: str
    policy: SourcePolicy

    @property
    def is_withdrawn(self) -> bool:
        return self.type in self.policy.withdraw_on and self.type not in self.policy.refund_on

    @property
    def quantities(self) -> Quantities:
        return Quantities(self.read.get("quantities", self.policy.quantities))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Goods:
    """What came back of one order: lines of a cumulative event, receipts of a delta one."""

    lines: tuple[ReturnLine, ...] = ()
    receipts: tuple[Receipt, ...] = ()

    @property
    def all_lines(self) -> tuple[ReturnLine, ...]:
        return self.lines + tuple(line for receipt in self.receipts for line in receipt.lines)


def _events(said: _Said) -> tuple[ReturnEvent, ...]:
    goods = _goods_by_order(said)
    orders = tuple(goods)
    pays_fees = _order_of_fees(said, goods)
    events = (
        _event(said, order, goods[order], others=tuple(each for each in orders if each != order), pays_fees=pays_fees)
        for order in orders
    )
    return tuple(_with_id(said, event) for event in events)


def _event(
    said: _Said,
    order: OrderReference,
    goods: _Goods,
    *,
    others: tuple[OrderReference, ...],
    pays_fees: OrderReference | None,
) -> ReturnEvent:
    read, totals = said.read, said.read.get("totals", {})
    currency = next(iter(_currencies(read)), None)
    fees = _fees(read)
    if _sum(fees) and currency is None:
        raise unreadable("currency", None, "missing, and there are fees", 'Send the order\'s currency, as "EUR"')
    mine = fees if pays_fees == order else ()
    refund = totals.get("refund")
    return ReturnEvent(
        event_id="",
        type=said.type,
        return_id=read["returned"]["id"],
        order=order,
        lines=goods.lines,
        quantities=said.quantities,
        is_withdrawn=said.is_withdrawn,
        receipts=goods.receipts,
        together_with=tuple(map(str, others)),
        fees=_sum(mine),
        fee_items=mine,
        currency=currency,
        refund_total=None if refund is None or others else _amount(refund, totals, "includes_tax", read),
        total_is_shared=refund is not None and bool(others),
        store_credit=totals.get("store_credit", ZERO),
        exchange_credit=totals.get("exchange_credit", ZERO),
        already_refunded=read.get("already_refunded", False),
        discrepancies=(*(word for word in read.get("discrepancies", ()) if word), *_over_receipts(said, order)),
        occurred_at=read.get("occurred_at"),
        unsupported=tuple(_unsupported(read, shares_fees=bool(_sum(fees)) and pays_fees is None)),
    )


def _with_id(said: _Said, event: ReturnEvent) -> ReturnEvent:
    """The body's own id; where it names several orders, that of another than the body's own says which."""
    told: str | None = said.read.get("id")
    if told is None:
        return replace(event, event_id=content_id(event), id_is_of_content=True)
    is_own = not event.together_with or event.order == _own_order(said.read)
    return replace(event, event_id=told if is_own else f"{told} of {event.order}")


# --- orders, lines and receipts -------------------------------------------------------------------------------------


def _goods_by_order(said: _Said) -> dict[OrderReference, _Goods]:
    """What belongs to each order: a line may name another than the body's own."""
    read = said.read
    if said.is_withdrawn:
        return {order: _Goods() for order in _orders(said)}
    if said.quantities is Quantities.CUMULATIVE:
        lines = read.get("lines", ())
        if not lines and not read.get("already_refunded"):
            raise unreadable("lines", lines or None, "names no line", "Send a list of lines")
        by_order = _lines_by_order(said, lines, "lines")
        return {order: _Goods(lines=lines) for order, lines in by_order.items()}
    goods: dict[OrderReference, _Goods] = {}
    for receipt_id, lines, path in _receipts(read):
        for order, of_order in _lines_by_order(said, lines, path).items():
            before = goods.get(order, _Goods())
            goods[order] = replace(before, receipts=(*before.receipts, Receipt(id=receipt_id, lines=of_order)))
    return goods or {_order_of({}, "lines", read): _Goods()}


def _orders(said: _Said) -> tuple[OrderReference, ...]:
    """The orders that a body names, whatever it says of their goods."""
    read = said.read
    named = [
        _order(line["order"], f"lines[{i}].order") for i, line in enumerate(read.get("lines", ())) if "order" in line
    ]
    own = _own_order(read)
    if own is not None and (not named or len(named) < len(read.get("lines", ()))):
        named.insert(0, own)
    return tuple(dict.fromkeys(named))


def _receipts(read: Body) -> Iterator[tuple[str, Sequence[Body], str]]:
    """(id, lines, path) of each receipt; an id of "" is none. What stays with the customer is a receipt by itself."""
    lines = read.get("lines", ())
    if "receipts" not in read:
        yield read.get("receipt_id", ""), lines, "lines"
        return
    for index, receipt in enumerate(read["receipts"]):
        items = [_told_more(item, lines) for item in receipt["lines"]]
        yield receipt.get("id", ""), items, f"receipts[{index}].lines"
    for line in lines:
        if line.get("keep_item", read.get("keep_item")) and line.get("quantity"):
            yield f"kept:{_key(line)}", [line], "lines"


def _told_more(item: Body, lines: Sequence[Body]) -> Body:
    """A receipt's item with what the return's line of the same goods says of all its units."""
    for key in ("order_item_id", "external_line_id", "sku"):
        same = [line for line in lines if key in item and line.get(key) == item[key]]
        if len(same) == 1:
            lent = {name: same[0][name] for name in _LENT if name in same[0]}
            if same[0].get("amount_scope") == "unit":
                lent |= {name: same[0][name] for name in _LENT_BY_UNIT if name in same[0]}
            return lent | dict(item)
    return item


#: What a receipt's item takes over from its line, where it does not say it itself.
_LENT = ("order", "order_item_id", "external_line_id", "sku", "resolution", "refund_destination", "reason")
_LENT_BY_UNIT = ("refund_amount", "amount_includes_tax", "amount_scope")


def _lines_by_order(said: _Said, lines: Sequence[Body], path: str) -> dict[OrderReference, tuple[ReturnLine, ...]]:
    found: dict[OrderReference, tuple[ReturnLine, ...]] = {}
    for index, line in enumerate(lines):
        where = f"{path}[{index}]"
        order = _order_of(line, where, said.read)
        found[order] = (*found.get(order, ()), _line(line, where, said.read))
    return found or {_order_of({}, path, said.read): ()}


def _order_of(line: Body, path: str, read: Body) -> OrderReference:
    if "order" in line:
        return _order(line["order"], f"{path}.order")
    own = _own_order(read)
    if own is None:
        raise BlindReturn(
            f"order: missing, so that nobody can say what these goods were sold with ({path}). Find the order and "
            "refund by hand, or have the sender name it",
            path="order",
        )
    return own


def _own_order(read: Body) -> OrderReference | None:
    return _order(read["order"], "order") if read.get("order") else None


def _order(order: Body, path: str) -> OrderReference:
    if len(order) != 1:
        raise unreadable(
            path,
            order,
            "names the order in two ways" if order else "does not name the order",
            "Send increment_id (a string) or entity_id, one of them",
        )
    return OrderReference(**order)


def _line(line: Body, path: str, read: Body) -> ReturnLine:
    if not ({"sku", "order_item_id", "external_line_id"} & line.keys()):
        raise unreadable(path, line, "does not say what was returned", "Send order_item_id, external_line_id or sku")
    keep_item = line.get("keep_item", read.get("keep_item", False))
    parts = _parts(line, path, keep_item=keep_item)
    return ReturnLine(
        sku=line.get("sku"),
        order_item_id=line.get("order_item_id"),
        external_line_id=line.get("external_line_id"),
        parts=parts,
        reason=line.get("reason", ""),
        resolution=line.get("resolution") or read.get("resolution", ""),
        refund_destination=line.get("refund_destination") or read.get("refund_destination", ""),
        keep_item=keep_item,
        refund_amount=_line_amount(line, path, read, units=sum((part.quantity for part in parts), ZERO)),
    )


def _parts(line: Body, path: str, *, keep_item: bool) -> tuple[ReturnedPart, ...]:
    quantity: Decimal | None = line.get("quantity")
    splits = line.get("splits", ())
    total = sum((split["quantity"] for split in splits), ZERO) if splits else quantity
    if total is None:
        remedy = 'Send a decimal string, as "1"'
        raise unreadable(f"{path}.quantity", None, "missing", remedy, of=line_named(line))
    if quantity is not None and total != quantity:
        problem = f"come to {total}, the line says {quantity}"
        raise unreadable(f"{path}.splits", splits, problem, "Send splits that add up", of=line_named(line))
    # Goods that stay with the customer cannot go back to the shelf, whatever their disposition says.
    if keep_item:
        return (ReturnedPart(quantity=total, disposition=""),)
    disposition = line.get("disposition", "")
    if splits:
        return tuple(
            ReturnedPart(quantity=split["quantity"], disposition=split.get("disposition") or disposition)
            for split in splits
        )
    restock = line.get("qty_restock")
    if restock is None or disposition:
        return (ReturnedPart(quantity=total, disposition=disposition),)
    # More may go to the shelf than is refunded: an exchange puts back goods that no money is for.
    back = min(restock, total)
    parts = ((back, RESTOCK), (total - back, ""))
    return tuple(ReturnedPart(quantity=units, disposition=word) for units, word in parts if units)


# --- money ----------------------------------------------------------------------------------------------------------


def _line_amount(line: Body, path: str, read: Body, *, units: Decimal) -> PortalAmount | None:
    amount = line.get("refund_amount")
    if amount is None:
        return None
    scope = line.get("amount_scope") or "line"
    if scope not in {"line", "unit"}:
        raise unreadable(f"{path}.amount_scope", scope, "not a scope", 'Send "line" or "unit"', of=line_named(line))
    return _amount(amount * units if scope == "unit" else amount, line, "amount_includes_tax", read)


def _amount(amount: Decimal, said: Body, key: str, read: Body) -> PortalAmount:
    """`said` may tell by `key` whether the amount includes tax; else the event tells it of all its amounts."""
    return PortalAmount(amount=amount, includes_tax=said.get(key, read.get("amounts_include_tax")))


def _fees(read: Body) -> tuple[Fee, ...]:
    return tuple(Fee(type=fee.get("type", ""), amount=fee["amount"]) for fee in read.get("fees", ()) if fee["amount"])


def _sum(fees: Sequence[Fee]) -> Decimal:
    return sum((fee.amount for fee in fees), ZERO)


def _order_of_fees(said: _Said, goods: Mapping[OrderReference, _Goods]) -> OrderReference | None:
    """Whose the fees are; None: nobody can say. The largest refund, by the sender's figures, where that is wanted."""
    if len(goods) == 1:
        return next(iter(goods))
    figures = {order: [line.refund_amount for line in of.all_lines] for order, of in goods.items()}
    if said.policy.shared_fees is not SharedFees.LARGEST or not all(all(told) for told in figures.values()):
        return None
    totals = {order: sum((each.amount for each in told if each), ZERO) for order, told in figures.items()}
    return max(totals, key=lambda order: (totals[order], str(order)))


def _currencies(read: Body) -> tuple[str, ...]:
    """The currencies that are named, each once, the event's own first; a fee of nothing is nothing in any of them."""
    of_fees = (fee.get("currency") for fee in read.get("fees", ()) if fee["amount"])
    return tuple(dict.fromkeys(currency for currency in (read.get("currency"), *of_fees) if currency is not None))


# --- what a person must see -----------------------------------------------------------------------------------------


def _over_receipts(said: _Said, order: OrderReference) -> Iterator[str]:
    """Lines of which more came back than was announced, by the sender's own numbers."""
    for index, line in enumerate(said.read.get("lines", ())):
        announced = line.get("qty_authorized")
        came = max(line.get("qty_received", ZERO), line.get("quantity", ZERO))
        if announced is not None and came > announced and _order_of(line, f"lines[{index}]", said.read) == order:
            yield f"over_receipt: {came} of {_key(line)}, {announced} announced"


def _unsupported(read: Body, *, shares_fees: bool) -> Iterator[str]:
    """What contradicts itself, or nobody could place."""
    if len(currencies := _currencies(read)) > 1:
        yield f"several currencies ({', '.join(currencies)})"
    if shares_fees:
        yield "a fee that several orders share"
    if any(fee.get("includes_tax") is False and fee["amount"] for fee in read.get("fees", ())):
        yield "a fee without its tax, and Magento taxes no deduction"


def _key(line: Body) -> str:
    named: Any = next((line[key] for key in ("order_item_id", "external_line_id", "sku") if key in line), "")
    return str(named)


def _is_test(body: Body) -> bool:
    is_test = body.get("is_test", False)
    if not isinstance(is_test, bool):
        raise unreadable("is_test", is_test, "not true or false", "Send true or false, or leave it out")
    return is_test


def _told_id(body: Body) -> str | None:
    told = body.get("id")
    return told if isinstance(told, str) and told.isprintable() and 0 < len(told) <= MAX_ID_LENGTH else None
