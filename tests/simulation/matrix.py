"""The fault matrix: every boundary × every fault × online and offline × Magento with and without its order lock.

One return, said once more after it was acknowledged, and two workers. The order has a credit memo from before the
return, so that memos are read, and more units than are returned, so that Magento would not refuse a second refund.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from tests.simulation.boundaries import BOUNDARIES, Fault, Strike, applicable, boundary_named
from tests.simulation.history import Finding, asks_a_person, check
from tests.simulation.shop import BAG, OFFLINE, ONLINE
from tests.simulation.story import HandRefund, Message, Story
from tests.simulation.world import Lab, World

#: Version → whether it locks the order while it refunds on the order route.
VERSIONS = {"2.4.6-p4": True, "2.4.1": False}
ROUTES = {"offline": OFFLINE, "online": ONLINE}

#: A process that dies here has sent nothing, and whoever finds it cannot know that: `sending` was committed.
_AS_IF_SENT = Strike(boundary="sending", fault=Fault.CRASH_AFTER)

#: Two faults together that nobody can promise anything for: (first fault, second fault) → why.
OUTSIDE_THE_PROMISE = {
    (call, Fault.CLOCK_FORWARD): f"settle_seconds are over by a clock that was put on while {why}"
    for call, why in (
        (Fault.TIMEOUT_AMID, "Magento still worked on a call that we gave up"),
        (Fault.CRASH_AMID, "Magento still worked on the call of a process that died"),
        (Fault.PAUSED, "our own call was still to be sent"),
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    route: str
    version: str
    strikes: tuple[Strike, ...]

    def __str__(self) -> str:
        return f"{self.route} {self.version} " + " + ".join(map(str, self.strikes))

    @property
    def is_online(self) -> bool:
        return self.route == "online"

    @property
    def must_not_ask(self) -> bool:
        """Offline nothing can have been paid, and before the call nothing can have been sent."""
        precedes = all(boundary_named(s.boundary).precedes_call and s != _AS_IF_SENT for s in self.strikes)
        return precedes or not self.is_online

    def story(self) -> Story:
        return Story(
            name=str(self),
            seed=str(self),
            magento_version=self.version,
            messages=_return_of(ROUTES[self.route]),
            strikes=self.strikes,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    case: Case
    findings: tuple[Finding, ...]
    asks_a_person: bool
    #: False: the boundary was not passed, or not after the first fault.
    struck: bool


def singles() -> Iterator[Case]:
    for (route, _), version in product(ROUTES.items(), VERSIONS):
        for strike in applicable(online=route == "online"):
            yield Case(route=route, version=version, strikes=(strike,))


def pairs(seed: int) -> Iterator[Case]:
    """All ordered pairs, in an order of chance, so that a run that is cut short is a sample."""
    all_pairs = [
        Case(route=route, version=version, strikes=(first, second))
        for (route, _), version in product(ROUTES.items(), VERSIONS)
        for first in applicable(online=route == "online")
        for second in applicable(online=route == "online", detours=True)
        if (first.fault, second.fault) not in OUTSIDE_THE_PROMISE
    ]
    random.Random(seed).shuffle(all_pairs)
    yield from all_pairs


def case_named(name: str) -> Case:
    """The case that prints as `name`."""
    route, version, strikes = name.split(" ", 2)
    found = [strike.partition(": ") for strike in strikes.split(" + ")]
    return Case(
        route=route,
        version=version,
        strikes=tuple(Strike(boundary=boundary, fault=Fault(fault)) for boundary, _, fault in found),
    )


def play(lab: Lab, case: Case) -> Result:
    world = World(lab, case.story())
    world.run()
    return Result(
        case=case,
        findings=check(world),
        asks_a_person=asks_a_person(world),
        struck=len(world.log.struck) == len(case.strikes),
    )


def in_between() -> Iterator[tuple[Case, Story]]:
    """Somebody refunds by hand as we come to a boundary, from our reading of the order to our call."""
    names = [boundary.name for boundary in BOUNDARIES]
    for (route, order), version in product(ROUTES.items(), VERSIONS):
        for name in names[names.index("read order") : names.index("refund") + 1]:
            if route == "online" or not boundary_named(name).online_only:
                case = Case(route=route, version=version, strikes=())
                by_hand = HandRefund(order=order, sku=BAG, at_boundary=name)
                yield case, replace(case.story(), name=f"{case}by hand at {name}", hand_refunds=(by_hand,))


def _return_of(order: str) -> tuple[Message, ...]:
    def said(at_seconds: float) -> Message:
        return Message(
            at_seconds=at_seconds,
            key="msg_1",
            event_id="evt_1",
            return_id="RMA-1",
            order=order,
            lines=((BAG, 1, "sellable"),),
        )

    return (said(0), said(30))
