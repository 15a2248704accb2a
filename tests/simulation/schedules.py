"""What a seed means: which returns are said, how often, in which order, and where it goes wrong."""

from __future__ import annotations

import random
from decimal import Decimal

from tests.simulation.shop import BAG, BOTTLE, OFFLINE, ONLINE, SPLIT
from tests.simulation.story import HandRefund, Message, Story

_VERSIONS = ("2.4.6-p4", "2.4.1")
_DISPOSITIONS = ("sellable", "damaged")


_FEWEST = 2


def story_of(seed: int) -> Story:
    chance = random.Random(f"story {seed}")
    order = chance.choice((OFFLINE, ONLINE, SPLIT))
    hand_refunds = _hand_refunds(chance, order)
    messages = _messages(chance, order)
    if hand_refunds and len(messages) == _FEWEST:
        # A question ends the first return early; another order's return goes on meanwhile.
        messages = (*messages, _elsewhere(chance, messages[0], _FEWEST + 1))
    return Story(
        name=f"seed {seed}",
        seed=f"schedule {seed}",
        magento_version=chance.choice(_VERSIONS),
        messages=messages,
        hand_refunds=hand_refunds,
        # No schedule is shorter than forty points, so one fault at least strikes.
        strikes_from=(chance.randrange(38), *(chance.randrange(80) for _ in range(chance.choice((0, 0, 1, 2))))),
        gateway_declines=int(chance.random() < 0.1),
        deadlocks_percent=chance.choice((0, 0, 50)),
        # A third of a schedule's points would be looks at what nobody has touched.
        looks_later=bool(hand_refunds) or chance.random() < 0.1,
    )


def _messages(chance: random.Random, order: str) -> tuple[Message, ...]:
    first = _message(chance, 1, order, return_id="RMA-1")
    others = [
        _PLOTS[chance.randrange(len(_PLOTS))](chance, first, number) for number in range(2, chance.choice((3, 3, 4)))
    ]
    return (first, *others)


def _message(chance: random.Random, number: int, order: str, *, return_id: str) -> Message:
    lines = [(BAG, chance.randrange(1, 3), chance.choice(_DISPOSITIONS))]
    if chance.random() < 0.3:
        lines.append((BOTTLE, 1, chance.choice(_DISPOSITIONS)))
    return Message(
        at_seconds=chance.choice((0.0, 0.0, chance.uniform(0, 2), chance.uniform(0, 600))),
        key=f"msg_{number}",
        event_id=f"evt_{number}",
        return_id=return_id,
        order=order,
        lines=tuple(lines),
    )


def _said_again(chance: random.Random, first: Message, number: int) -> Message:
    """The same event in another delivery, as a portal replays it."""
    return _later(chance, first, number, event_id=first.event_id)


def _repeated(chance: random.Random, first: Message, number: int) -> Message:
    """The same return under a new event."""
    return _later(chance, first, number, occurred_seconds=number - 10.0)


def _added_to(chance: random.Random, first: Message, number: int) -> Message:
    """One unit more has been approved."""
    (sku, units, how), *others = first.lines
    return _later(chance, first, number, occurred_seconds=number - 10.0, lines=((sku, units + 1, how), *others))


def _another_return(chance: random.Random, first: Message, number: int) -> Message:
    """Of the same order, at the same time."""
    return _message(chance, number, first.order, return_id=f"RMA-{number}")


def _elsewhere(chance: random.Random, first: Message, number: int) -> Message:
    """A return of an order that has nothing to do with the first."""
    order = next(each for each in (OFFLINE, ONLINE) if each != first.order)
    return _message(chance, number, order, return_id=f"RMA-{number}")


_PLOTS = (_said_again, _repeated, _added_to, _another_return, _elsewhere)


def _later(
    chance: random.Random,
    first: Message,
    number: int,
    *,
    event_id: str | None = None,
    occurred_seconds: float = -10.0,
    lines: tuple[tuple[str, int, str], ...] | None = None,
) -> Message:
    return Message(
        at_seconds=first.at_seconds + chance.choice((0.0, chance.uniform(0, 2), chance.uniform(0, 900))),
        key=f"msg_{number}",
        event_id=event_id or f"evt_{number}",
        return_id=first.return_id,
        order=first.order,
        lines=lines or first.lines,
        occurred_seconds=occurred_seconds,
    )


def _hand_refunds(chance: random.Random, order: str) -> tuple[HandRefund, ...]:
    if chance.random() >= 0.15:
        return ()
    return (HandRefund(at_seconds=chance.uniform(1, 4), order=order, sku=BAG, units=Decimal(1)),)
