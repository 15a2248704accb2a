"""What an event says, in one line."""

from __future__ import annotations

from service.core.returns import ReturnEvent
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
    """Each line's units and where they go, and the fees."""
    said = ", ".join(
        f"{part.quantity.normalize():f} × {line.named} ({part.disposition or 'nothing said'})"
        for line in event.lines
        for part in line.parts
    )
    return said + (f", fees {money(event.fees, event.currency or '')}" if event.fees else "")
