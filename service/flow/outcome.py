"""How far a delivery got, and what happens next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    #: Whether it uses up the delivery's patience: what waits for a person's stop to end, or for the next worker, has
    #: not failed.
    is_try: bool = True

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
        """Until then, for nothing that this delivery is to blame for: not a try, however often."""
        return Ended(state=DeliveryState.WAITING, code=code, reason=reason, due_at=due_at, is_try=False)


#: Which of several orders' endings a delivery takes. Waiting comes first: what waits comes again by itself, and a call
#: whose outcome is unknown has to; the question of another order is kept on its return, and asked of the delivery last.
_FIRST_OF = (
    DeliveryState.WAITING,
    DeliveryState.NEEDS_PERSON,
    DeliveryState.SHADOWED,
    DeliveryState.DONE,
    DeliveryState.IGNORED,
)


def together(ended: Sequence[tuple[str, Ended]]) -> Ended:
    """The one ending of a delivery that spoke of several orders, with every reason by its order's name."""
    if len(ended) == 1:
        return ended[0][1]
    decisive = min((each for _, each in ended), key=lambda each: _FIRST_OF.index(each.state))
    waits = [each.due_at for _, each in ended if each.due_at is not None]
    reason = "; ".join(f"order {order}: {each.reason}" for order, each in ended)
    # One that waits for nothing of its own makes the others look more often than their patience was meant for.
    is_try = all(each.is_try for _, each in ended)
    return replace(decisive, reason=reason, due_at=min(waits, default=None), is_try=is_try)
