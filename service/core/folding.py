"""All events of a return → what is owed by now, whatever order they came in, late and repeated ones included.

Cumulative: the newest event says everything. Delta: every receipt counts once, by its id, over all events. A payment
that the sender once said it made is remembered: the money is gone, whatever a later event says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.core.returns import Doubt, Quantities, Receipt, ReturnEvent, ReturnLine


def fold(events: Sequence[ReturnEvent]) -> ReturnEvent:
    """The newest event with everything that is owed by now; `events` are oldest first, and at least one.

    What they say against each other is in its `doubts`: with one of those nothing may be refunded.
    """
    newest = events[-1]
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
    newest = events[-1]
    if len({event.quantities for event in events}) > 1:
        text = "some of its events say all that was approved so far, others what each receipt added; have the sender "
        yield Doubt(code="quantities-mixed", text=text + "do one of the two, or refund by hand")
    yield from _doubts_of_receipts(events)
    if not newest.already_refunded and any(event.already_refunded for event in events):
        paid = next(event for event in reversed(events) if event.already_refunded)
        text = f"event {paid.event_id} said that the sender had given the money back itself; a newer one asks for more"
        yield Doubt(code="portal-paid-before", text=text + ": find out what the customer has had")


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
        text = f"receipt {receipt_id!r} says something else in event {event_id} than before; settle it with the sender"
        yield Doubt(code="receipt-clash", text=text)
    if without_id:
        text = f"{without_id} receipt(s) came without an id, so that a repeat cannot be told from more goods; have the "
        yield Doubt(code="receipt-without-id", text=text + "sender give each receipt an id, or refund by hand")


def _essence(lines: Sequence[ReturnLine]) -> tuple[ReturnLine, ...]:
    """Lines without what people may reword, in an order that does not matter."""
    return tuple(sorted((replace(line, reason="") for line in lines), key=repr))
