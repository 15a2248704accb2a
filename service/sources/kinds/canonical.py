"""The canonical event: the one form of body that every sender can be brought to.

What an event asks for beyond a refund of money is kept in `unsupported`, for the plan to ask a person about; amounts
that the sender computed are not read: Magento computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from marshmallow import ValidationError

from service.core.policy import SourcePolicy
from service.core.returns import Ignored, OrderReference, ReturnedPart, ReturnEvent, ReturnLine
from service.settings import EnvelopeFormat, SourceSettings
from service.sources.base import MAX_ID_LENGTH, Document, Limits
from service.sources.kinds.canonical_body import EVENT_ALIASES, EVENT_SCHEMA, renamed, shape_body
from service.sources.unreadable import Body, explain, line_named, shown, unreadable

#: What we do by ourselves; another word goes to a person.
SUPPORTED = {"resolution": "refund", "refund_destination": "original_payment", "quantity_semantics": "cumulative"}


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
    if event_type not in policy.refund_on:
        return Ignored(reason=f"type {shown(event_type)} is not in refund_on", event_id=_told_id(body))
    if _is_test(body):
        return Ignored(reason="is_test: the sender is trying out", event_id=_told_id(body))
    shaped = shape_body(body, event_type, limits)
    try:
        read = EVENT_SCHEMA.load(shaped)
    except ValidationError as error:
        raise explain(EVENT_SCHEMA, shaped, error.messages_dict) from error
    by_order = _lines_by_order(read)
    return tuple(_event(read, shaped, event_type, order, by_order) for order in by_order)


def _lines_by_order(read: Body) -> dict[OrderReference, tuple[int, ...]]:
    """The numbers of the lines that belong to each order: a line may name another than the body's own."""
    own = _order(read["order"], "order") if "order" in read else None
    found: dict[OrderReference, tuple[int, ...]] = {}
    for index, line in enumerate(read["lines"]):
        order = _order(line["order"], f"lines[{index}].order") if "order" in line else own
        if order is None:
            raise unreadable("order", None, "missing", 'Send an object, as {"increment_id": "000000264"}')
        found[order] = (*found.get(order, ()), index)
    return found


def _event(
    read: Body, shaped: Body, event_type: str, order: OrderReference, by_order: Mapping[OrderReference, Sequence[int]]
) -> ReturnEvent:
    orders, numbers = tuple(by_order), by_order[order]
    fees = sum((fee["amount"] for fee in read.get("fees", ())), Decimal(0))
    currency = next(iter(_currencies(read)), None)
    if fees and currency is None:
        raise unreadable("currency", None, "missing, and there are fees", 'Send the order\'s currency, as "EUR"')
    return ReturnEvent(
        event_id=_event_id(read, order, orders),
        type=event_type,
        return_id=read["returned"]["id"],
        order=order,
        lines=tuple(_line(read["lines"][index], index) for index in numbers),
        together_with=tuple(str(other) for other in orders if other != order),
        fees=fees if len(orders) == 1 else Decimal(0),
        currency=currency,
        occurred_at=read.get("occurred_at"),
        unsupported=tuple(_unsupported(read, shaped, numbers, shares_fees=fees > 0 and len(orders) > 1)),
    )


def _event_id(read: Body, order: OrderReference, orders: Sequence[OrderReference]) -> str:
    """The body's own id; where it names several orders, that of another than the body's own says which."""
    is_own = len(orders) == 1 or ("order" in read and order == _order(read["order"], "order"))
    event_id: str = read["id"]
    return event_id if is_own else f"{event_id} of {order}"


def _currencies(read: Body) -> tuple[str, ...]:
    """The currencies that are named, each once, the event's own first; a fee of nothing is nothing in any of them."""
    of_fees = (fee.get("currency") for fee in read.get("fees", ()) if fee["amount"])
    return tuple(dict.fromkeys(currency for currency in (read.get("currency"), *of_fees) if currency is not None))


def _order(order: Body, path: str) -> OrderReference:
    if len(order) != 1:
        raise unreadable(
            path,
            order,
            "names the order in two ways" if order else "does not name the order",
            "Send increment_id (a string) or entity_id, one of them",
        )
    return OrderReference(**order)


def _line(line: Body, index: int) -> ReturnLine:
    if not ({"sku", "order_item_id", "external_line_id"} & line.keys()):
        raise unreadable(
            f"lines[{index}]", line, "does not say what was returned", "Send order_item_id, external_line_id or sku"
        )
    return ReturnLine(
        sku=line.get("sku"),
        order_item_id=line.get("order_item_id"),
        external_line_id=line.get("external_line_id"),
        parts=_parts(line, index),
        reason=line.get("reason", ""),
    )


def _parts(line: Body, index: int) -> tuple[ReturnedPart, ...]:
    quantity: Decimal | None = line.get("quantity")
    splits = line.get("splits", ())
    total = sum((split["quantity"] for split in splits), Decimal(0)) if splits else quantity
    if total is None:
        remedy = 'Send a decimal string above 0, as "1"'
        raise unreadable(f"lines[{index}].quantity", None, "missing", remedy, of=line_named(line))
    if quantity is not None and total != quantity:
        problem = f"come to {total}, the line says {quantity}"
        raise unreadable(f"lines[{index}].splits", splits, problem, "Send splits that add up", of=line_named(line))
    # Goods that stay with the customer cannot go back to the shelf, whatever their disposition says.
    if line.get("keep_item"):
        return (ReturnedPart(quantity=total, disposition=""),)
    disposition = line.get("disposition", "")
    if not splits:
        return (ReturnedPart(quantity=total, disposition=disposition),)
    return tuple(
        ReturnedPart(quantity=split["quantity"], disposition=split.get("disposition") or disposition)
        for split in splits
    )


def _unsupported(read: Body, shaped: Body, numbers: Sequence[int], *, shares_fees: bool) -> Iterator[str]:
    """What a person must decide: other than money back, in several currencies, or not as sums."""
    if (semantics := read.get("quantity_semantics") or "cumulative") != SUPPORTED["quantity_semantics"]:
        yield f"quantity_semantics {semantics!r}"
    if len(currencies := _currencies(read)) > 1:
        yield f"several currencies ({', '.join(currencies)})"
    if shares_fees:
        yield "a fee that several orders share"
    for number in numbers:
        line = read["lines"][number]
        for key in ("resolution", "refund_destination"):
            word = line.get(key) or read.get(key) or SUPPORTED[key]
            if word != SUPPORTED[key]:
                yield f"line {number + 1}: {key} {word!r}"
    totals = shaped.get("totals")
    for key in ("store_credit", "exchange_credit"):
        credit = totals.get(key) if isinstance(totals, dict) else None
        if credit is not None and str(credit).strip("0.") != "":
            yield f"totals.{key} {shown(credit)}"
    discrepancies = shaped.get("discrepancies")
    for discrepancy in discrepancies if isinstance(discrepancies, list) else ():
        yield f"discrepancy {shown(discrepancy)}"


def _is_test(body: Body) -> bool:
    is_test = body.get("is_test", False)
    if not isinstance(is_test, bool):
        raise unreadable("is_test", is_test, "not true or false", "Send true or false, or leave it out")
    return is_test


def _told_id(body: Body) -> str | None:
    told = body.get("id")
    return told if isinstance(told, str) and told.isprintable() and 0 < len(told) <= MAX_ID_LENGTH else None
