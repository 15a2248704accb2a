"""Bodies in a sender's own form: the source's map brings them into the canonical event's names.

Generic sources and every preset are read here; they differ in their `[map]` alone.
"""

from __future__ import annotations

from service.core.returns import Ignored, ReturnEvent
from service.settings import SourceSettings
from service.sources.base import Document, Limits
from service.sources.kinds.canonical import read_event
from service.sources.mapping import map_body, map_type, says_refunded
from service.sources.unreadable import shown


def read(source: SourceSettings, document: Document, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
    """What a mapped body says; Unreadable names path, value and remedy."""
    assert source.map is not None, "settings give every kind but canonical a map"
    # First, so that a body which asks for nothing may look as it likes.
    said, event_type = map_type(source.map, document)
    if event_type is None and said:
        return Ignored(reason=f"type {shown(said)} is not in map.type.lookup")
    counted = (*source.policy.refund_on, *source.policy.withdraw_on)
    is_of_money = isinstance(event_type, str) and event_type.lower() in counted
    if isinstance(event_type, str) and not is_of_money and not says_refunded(source.map, document):
        return Ignored(reason=f"type {shown(event_type)} is not in refund_on")
    return read_event(source.policy, map_body(source.map, document, limits), limits)
