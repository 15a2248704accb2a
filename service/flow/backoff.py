"""The pause before something is tried again: growing by a factor and limited, so that no outage ends in a storm."""

from __future__ import annotations

from datetime import timedelta

from service.settings import ServiceSettings

#: Beyond this many tries every factor has reached its limit, and the power would overflow.
_MOST_TRIES = 30


def pause_after(service: ServiceSettings, tries: int) -> timedelta:
    """The pause after the try of this number, the first being 1."""
    repeated = min(max(tries - 1, 0), _MOST_TRIES)
    seconds = min(service.retry_first_seconds * service.retry_factor**repeated, service.retry_max_seconds)
    return timedelta(seconds=seconds)


def waited_before(service: ServiceSettings, tries: int) -> timedelta:
    """What the pauses before the try of this number come to.

    Counted in tries and not from the arrival: what a person wakes after a week starts anew.
    """
    return sum((pause_after(service, each) for each in range(1, tries)), timedelta())
