"""What is sent while processes die: orders, returns of them, and what must have been given back in the end.

Everything comes from the seed. A return is reported by up to three events, each saying more than the one before; events
come twice, again under another delivery id, and out of order; up to three returns share one order. What must be there
in the end is what each return's newest event says, in units per SKU and stock decision.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from service.sandbox.order_specs import LineSpec, OrderSpec

#: SKU → its price in the sandbox's catalogue, without tax: the orders here have none, and no shipping is given back.
PRICES = {
    "24-MB01": Decimal(34),
    "24-UG06": Decimal(7),
    "24-WG085": Decimal(14),
    "24-WG086": Decimal(17),
    "24-WG088": Decimal(19),
    "WS12-M-Orange": Decimal(22),
}

_OFFLINE, _ONLINE, _ONLINE_TWO_INVOICES = "banktransfer", "sandboxpay", "sandboxauth"
_PAYMENTS = (_OFFLINE, _OFFLINE, _ONLINE, _ONLINE, _ONLINE_TWO_INVOICES)

#: Units of each line: enough for three returns of at most one good and one damaged unit each.
_UNITS = 6

_DISPOSITIONS = {True: "sellable", False: "damaged"}

#: (SKU, whether its units go back to stock) → units.
Units = Counter[tuple[str, bool]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Return:
    return_id: str
    order: str
    #: What the newest event says.
    units: Units

    @property
    def amount(self) -> Decimal:
        return sum((PRICES[sku] * quantity for (sku, _), quantity in self.units.items()), Decimal(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One body with the id of its delivery; sent again, it is the same delivery."""

    delivery_id: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    orders: tuple[OrderSpec, ...]
    returns: tuple[Return, ...]
    #: In the order in which they are sent.
    messages: tuple[Message, ...]

    @property
    def online_orders(self) -> frozenset[str]:
        return frozenset(order.increment_id for order in self.orders if order.payment != _OFFLINE)


def choose_load(random: Random, *, returns: int, now: datetime) -> Load:
    """At least so many returns, and what is said of them."""
    orders: list[OrderSpec] = []
    made: list[Return] = []
    messages: list[tuple[float, Message]] = []
    while len(made) < returns:
        order = _choose_order(random, len(orders))
        orders.append(order)
        for _ in range(random.choice((1, 1, 2, 3))):
            steps = _choose_steps(random, order)
            named = Return(return_id=f"RMA-{len(made) + 1:05d}", order=order.increment_id, units=steps[-1])
            made.append(named)
            messages += _spread(random, len(made) / returns, _say(random, named, steps, now))
    return Load(
        orders=tuple(orders),
        returns=tuple(made),
        messages=tuple(message for _, message in sorted(messages, key=lambda each: each[0])),
    )


def _choose_order(random: Random, number: int) -> OrderSpec:
    payment = random.choice(_PAYMENTS)
    lines = tuple(LineSpec(sku=sku, qty=_UNITS) for sku in random.sample(sorted(PRICES), random.randint(1, 3)))
    halves = tuple(_UNITS // 2 for _ in lines)
    return OrderSpec(
        increment_id=f"{900_000_000 + number:09d}",
        why="torture",
        lines=lines,
        payment=payment,
        invoices=(halves, halves) if payment == _ONLINE_TWO_INVOICES else None,
    )


def _choose_steps(random: Random, order: OrderSpec) -> list[Units]:
    """What each event of one return says: never less than the event before."""
    steps: list[Units] = []
    units: Units = Counter()
    while not steps or random.random() < 0.4:
        line = random.choice(order.lines)
        missing = [restocks for restocks in (True, False) if not units[line.sku, restocks]]
        if not missing:
            break
        for restocks in missing if random.random() < 0.3 else [random.choice(missing)]:
            units[line.sku, restocks] += 1
        steps.append(Counter({key: quantity for key, quantity in units.items() if quantity}))
    return steps


def _say(random: Random, named: Return, steps: Iterable[Units], now: datetime) -> list[Message]:
    messages: list[Message] = []
    for number, units in enumerate(steps, start=1):
        event_id = f"evt_{named.return_id}_{number}"
        body = _body(named, event_id, units, now + timedelta(seconds=number))
        first = Message(delivery_id=f"msg_{event_id}", body=body)
        messages += [first] * random.choice((1, 1, 2, 3))
        if random.random() < 0.2:
            messages.append(Message(delivery_id=f"{first.delivery_id}_again", body=body))
    if random.random() < 0.2:
        random.shuffle(messages)
    return messages


def _spread(random: Random, place: float, messages: list[Message]) -> list[tuple[float, Message]]:
    """Each message with its place between 0 and 1; a return's stay in turn, returns overlap."""
    places = sorted(place + random.uniform(0, 0.05) for _ in messages)
    return list(zip(places, messages, strict=True))


def _body(named: Return, event_id: str, units: Units, occurred_at: datetime) -> bytes:
    lines = []
    for sku in sorted({sku for sku, _ in units}):
        splits = [
            {"quantity": str(units[sku, restocks]), "disposition": disposition}
            for restocks, disposition in _DISPOSITIONS.items()
            if units[sku, restocks]
        ]
        quantity = sum(units[sku, restocks] for restocks in _DISPOSITIONS)
        lines.append({"sku": sku, "quantity": str(quantity), "splits": splits})
    event = {
        "type": "return.approved",
        "id": event_id,
        "occurred_at": occurred_at.isoformat(),
        "return": {"id": named.return_id},
        "order": {"increment_id": named.order},
        "lines": lines,
        "currency": "USD",
    }
    return json.dumps(event).encode()
