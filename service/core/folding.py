"""All events of a return → what is owed by now, whatever order they came in, late and repeated ones included.

Cumulative: the newest event says everything. Delta: every receipt counts once, by its id, over all events. Either is
taken back by a withdrawal that is the newest. A payment
that the sender once said it made is remembered: the money is gone, whatever a later event says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.core.returns import Doubt, Quantities, Receipt, ReturnEvent, ReturnLine

#: What events of one return may say against each other, and what a person is told of it.
DOUBTS = {
    "quantities-mixed": "some of its events say all that was approved so far, others what each receipt added; have the "
    "sender do one of the two, or refund by hand",
    "receipt-without-id": "{count} receipt(s) came without an id, so that a repeat cannot be told from more goods; "
    "have the sender give each receipt an id, or refund by hand",
    "receipt-clash": "receipt {receipt} says something else in event {event} than before; settle it with the sender",
    "portal-paid-before": "event {event} said that the sender had given the money back itself, a newer one asks for "
    "more: find out what the customer has had",
}


def fold(events: Sequence[ReturnEvent]) -> ReturnEvent:
    """The newest event with everything that is owed by now; `events` are oldest first, and at least one.

    What they say against each other is in its `doubts`: with one of those nothing may be refunded.
    """
    newest = events[-1]
    if newest.is_withdrawn:
        return newest  # whatever was said before, nothing is owed
    doubts = tuple(_doubts(events))
    if all(event.quantities is Quantities.CUMULATIVE for event in events):
        return replace(newest, doubts=doubts) if doubts else newest
    receipts = _receipts_once(events)
    return replace(newest, lines=tuple(_lines_of(receipts)), receipts=receipts, doubts=doubts)


def _receipts_once(events: Sequence[ReturnEvent]) -> tuple[Receipt, ...]:
    """Every receipt with an id, as it was first told."""
    first: dict[str, Receipt] = {}
    for event in events:
        for receipt in event.receipts:
            if receipt.id:
                first.setdefault(receipt.id, receipt)
    return tuple(first.values())


def _lines_of(receipts: Sequence[Receipt]) -> Iterator[ReturnLine]:
    for receipt in receipts:
        yield from receipt.lines


def _doubts(events: Sequence[ReturnEvent]) -> Iterator[Doubt]:
    if len({event.quantities for event in events}) > 1:
        yield _doubt("quantities-mixed")
    yield from _doubts_of_receipts(events)
    if not events[-1].already_refunded and any(event.already_refunded for event in events):
        paid = next(event for event in reversed(events) if event.already_refunded)
        yield _doubt("portal-paid-before", event=paid.event_id)


def _doubts_of_receipts(events: Sequence[ReturnEvent]) -> Iterator[Doubt]:
    told: dict[str, tuple[ReturnLine, ...]] = {}
    clashing: dict[str, str] = {}
    without_id = 0
    for event in events:
        for receipt in event.receipts:
            said = _essence(receipt.lines)
            if not receipt.id:
                without_id += 1
            elif told.setdefault(receipt.id, said) != said:
                clashing.setdefault(receipt.id, event.event_id)
    for receipt_id, event_id in clashing.items():
        yield _doubt("receipt-clash", receipt=repr(receipt_id), event=event_id)
    if without_id:
        yield _doubt("receipt-without-id", count=without_id)


def _doubt(code: str, **told: object) -> Doubt:
    return Doubt(code=code, text=DOUBTS[code].format(**told))


def _essence(lines: Sequence[ReturnLine]) -> tuple[ReturnLine, ...]:
    """Lines without what people may reword, in an order that does not matter."""
    return tuple(sorted((replace(line, reason="") for line in lines), key=repr))
