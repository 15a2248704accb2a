"""How far a delivery got, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.core.lifecycle import DeliveryState


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    state: DeliveryState
    #: Stable word for scripts; `reason` is the sentence for a person.
    code: str = ""
    reason: str = ""
    #: When it is due again. None: not by itself, or, while waiting, after a back-off.
    due_at: datetime | None = None
    at_least_seconds: float = 0

    @staticmethod
    def done(reason: str, code: str = "refunded") -> Ended:
        return Ended(state=DeliveryState.DONE, code=code, reason=reason)

    @staticmethod
    def needs_person(code: str, reason: str) -> Ended:
        return Ended(state=DeliveryState.NEEDS_PERSON, code=code, reason=reason)

    @staticmethod
    def later(code: str, reason: str, *, at_least_seconds: float = 0) -> Ended:
        """Again after a back-off, and given up to a person after too many."""
        return Ended(state=DeliveryState.WAITING, code=code, reason=reason, at_least_seconds=at_least_seconds)

    @staticmethod
    def waiting(code: str, reason: str, due_at: datetime) -> Ended:
        return Ended(state=DeliveryState.WAITING, code=code, reason=reason, due_at=due_at)
