"""What a stored delivery says when it is read again: by the settings in force, or by others that are only tried out.

Nothing is stored or claimed here, so a changed mapping can be held against what really came before it is put to work.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.core.lifecycle import DeliveryState
from service.core.returns import Ignored, ReturnEvent
from service.errors import Unreadable
from service.runtime import Runtime
from service.settings import Settings
from service.sources import Headers, Limits, parse
from service.store import DeliverySummary
from service.store.content import plain


class Trouble(StrEnum):
    """Why a delivery is kept aside."""

    UNREADABLE = "unreadable"  # it says nothing that we understand
    SOURCE_GONE = "source gone"  # nothing says any more how to read it
    CLASH = "contradiction"  # one id came with two contents


#: What `reason_code` says of a delivery that mending the configuration, or a person's choice, can bring back.
TROUBLES: Mapping[str, Trouble] = {
    "unreadable": Trouble.UNREADABLE,
    "source-gone": Trouble.SOURCE_GONE,
    "event-clash": Trouble.CLASH,
    "delivery-clash": Trouble.CLASH,
}

_KEPT_ASIDE = (DeliveryState.UNREADABLE, DeliveryState.NEEDS_PERSON)
_PAGE = 200


class Reading(StrEnum):
    EVENT = "event"
    IGNORED = "ignored"
    UNREADABLE = "unreadable"
    NO_SOURCE = "no source"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reread:
    """What one body says to one configuration."""

    reading: Reading
    #: Why it is no event.
    reason: str = ""
    events: tuple[ReturnEvent, ...] = ()

    @property
    def is_understood(self) -> bool:
        return self.reading in (Reading.EVENT, Reading.IGNORED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One value that another configuration reads differently; None: it is not there."""

    path: str
    before: str | None
    after: str | None


def quarantined(runtime: Runtime, source: str | None = None) -> Iterator[tuple[Trouble, DeliverySummary]]:
    """All that is kept aside, newest first; read page by page, as there may be very many."""
    by_state = [_kept_aside(runtime, state, source) for state in _KEPT_ASIDE]
    return heapq.merge(*by_state, key=lambda each: -each[1].id)


def _kept_aside(
    runtime: Runtime, state: DeliveryState, source: str | None
) -> Iterator[tuple[Trouble, DeliverySummary]]:
    before = None
    while page := runtime.store.inbox.list(source=source, state=state, before=before, limit=_PAGE):
        yield from (
            (TROUBLES[each.reason_code], each)
            for each in page
            if each.reason_code in TROUBLES and each.purged_at is None
        )
        before = page[-1].id


def reread(settings: Settings, source_name: str, raw: bytes, headers: Headers) -> Reread:
    """What a delivery would say if it were read now."""
    source = settings.sources.get(source_name)
    if source is None:
        return Reread(reading=Reading.NO_SOURCE, reason=f"source '{source_name}' is not configured")
    try:
        said = parse(source, raw, headers, Limits(json_depth=settings.service.max_json_depth))
    except Unreadable as error:
        return Reread(reading=Reading.UNREADABLE, reason=error.message)
    if isinstance(said, Ignored):
        return Reread(reading=Reading.IGNORED, reason=said.reason)
    return Reread(reading=Reading.EVENT, events=said)


def changes(before: Reread, after: Reread) -> tuple[Change, ...]:
    """Every value that differs, in the order of the event's fields."""
    old, new = _values(before), _values(after)
    return tuple(
        Change(path=path, before=old.get(path), after=new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    )


def _values(said: Reread) -> dict[str, str]:
    values = {"reading": str(said.reading)} | ({"reason": said.reason} if said.reason else {})
    for number, event in enumerate(said.events):
        prefix = "" if len(said.events) == 1 else f"events[{number}]."
        values |= {prefix + path: value for path, value in _leaves(plain(event), "")}
    return values


def _leaves(content: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _leaves(value, f"{path}.{key}".lstrip("."))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _leaves(value, f"{path}[{number}]")
    elif content not in (None, ""):
        yield path, str(content)
