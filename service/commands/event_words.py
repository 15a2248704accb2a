"""What an event says, in one line."""

from __future__ import annotations

from service.core.returns import ReturnEvent, ReturnLine
from service.core.wording import money
from service.flow.reread import Reading, Reread


def said_words(said: Reread) -> str:
    """A delivery as it is read: what its events ask for, or why there is none."""
    if said.reading is Reading.EVENT:
        return "; ".join(map(event_words, said.events))
    return said.reason if said.reading is Reading.NO_SOURCE else f"{said.reading}: {said.reason}"


def event_words(event: ReturnEvent) -> str:
    return f"{event.type} {event.return_id} of order {event.order}: {line_words(event)}"


def line_words(event: ReturnEvent) -> str:
    """What came back and where it goes, by line or by receipt, and what else matters for the money."""
    said = [*map(_line_words, event.lines)]
    said += [f"receipt {each.id or '(no id)'}: {', '.join(map(_line_words, each.lines))}" for each in event.receipts]
    if event.fees:
        said.append(f"fees {money(event.fees, event.currency or '')}")
    if event.refund_total is not None:
        said.append(f"{money(event.refund_total.amount, event.currency or '')} in all, says the sender")
    if event.already_refunded:
        said.append("refunded by the sender already")
    said += event.discrepancies
    return ", ".join(said)


def _line_words(line: ReturnLine) -> str:
    wishes = ["kept by the customer"] if line.keep_item else []
    wishes += [word for word in (line.resolution, line.refund_destination) if word]
    return ", ".join(
        f"{part.quantity.normalize():f} × {line.named} ({', '.join([part.disposition or 'nothing said', *wishes])})"
        for part in line.parts
    )
