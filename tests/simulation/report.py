"""What a run of many came to, in figures, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from service.core.lifecycle import DeliveryState
from tests.simulation.history import asks_a_person, check
from tests.simulation.matrix import Case, Result
from tests.simulation.shop import OFFLINE
from tests.simulation.world import World

_KINDS = ("doubled", "lost", "stuck", "books")

#: Of runs in which a machine may not be able to know, people may be asked about so many; today it is every twelfth.
MOST_ASKED = 0.15
#: Of fewer runs a share says nothing.
_ENOUGH_RUNS = 100

#: What a schedule has at least.
FEWEST_POINTS, FEWEST_DELIVERIES = 40, 2


@dataclass
class Tally:
    """Of many results; `faults_of` says what is wrong with all of them together."""

    findings: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    played: int = 0
    not_met: int = 0
    asked: Counter[bool] = field(default_factory=Counter)
    could_ask: Counter[bool] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.played += 1
        self.not_met += not result.struck
        must_not = result.case.must_not_ask
        self.could_ask[must_not] += 1
        self.asked[must_not] += result.asks_a_person
        self.findings.update(finding.what for finding in result.findings)
        if result.findings or (must_not and result.asks_a_person):
            what = "; ".join(map(str, result.findings)) or "a person was asked, and nothing can have been paid"
            self.failed.append(f"{what}\n    python -m tests.simulation case '{result.case}'")

    def crashed(self, case: Case, error: Exception) -> None:
        """The simulator itself fell over, or met what no table names."""
        self.played += 1
        self.failed.append(f"crashed: {error!r}\n    python -m tests.simulation case '{case}'")

    def merge(self, other: Tally) -> None:
        self.findings += other.findings
        self.failed += other.failed
        self.played += other.played
        self.not_met += other.not_met
        self.asked += other.asked
        self.could_ask += other.could_ask

    @property
    def share_asked(self) -> float:
        """Of those in which a machine may not be able to know."""
        return self.asked[False] / self.could_ask[False] if self.could_ask[False] else 0.0

    def lines(self) -> Iterator[str]:
        yield f"{self.played} cases, {self.not_met} of them without meeting all their faults"
        yield ", ".join(f"{self.findings[kind]} {kind}" for kind in _KINDS)
        yield f"to a person: {self.asked[True]} of {self.could_ask[True]} offline or before the call"
        yield f"to a person: {self.asked[False]} of {self.could_ask[False]} others ({self.share_asked:.1%})"


def faults_of(tally: Tally) -> list[str]:
    """Every reason why a run is not good enough; one in which a person answers everything is not."""
    reasons = list(tally.failed)
    if tally.could_ask[False] >= _ENOUGH_RUNS and tally.share_asked > MOST_ASKED:
        reasons.append(
            f"{tally.share_asked:.1%} of what may be asked about was asked; {MOST_ASKED:.0%} at most will do"
        )
    if tally.played and sum(tally.asked.values()) == tally.played:
        reasons.append("everything ended with a person: a machine that does nothing would be as safe")
    if not tally.played:
        reasons.append("nothing was played")
    return reasons


@dataclass
class RunTally:
    """Of many schedules of chance; `seconds` are the processor's."""

    played: int = 0
    points: int = 0
    seconds: float = 0.0
    #: Schedules with a question, and all of them: by whether staff refund by hand in them, which is always asked about.
    asked: Counter[bool] = field(default_factory=Counter)
    of: Counter[bool] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, world: World, again: str) -> None:
        """A schedule that was played; `again` is the command that plays it again."""
        by_hand = bool(world.story.hand_refunds)
        self.played += 1
        self.points += world.scheduler.points
        self.of[by_hand] += 1
        self.asked[by_hand] += asks_a_person(world)
        wrong = [*map(str, check(world)), *_short_of_a_schedule(world), *_asked_without_need(world)]
        if wrong:
            self.failed.append(f"{'; '.join(wrong)}\n    {again}")

    def crashed(self, error: Exception, again: str) -> None:
        """The simulator itself fell over, or met what no table names."""
        self.played += 1
        self.failed.append(f"crashed: {error!r}\n    {again}")

    def merge(self, other: RunTally) -> None:
        self.played += other.played
        self.points += other.points
        self.seconds += other.seconds
        self.asked += other.asked
        self.of += other.of
        self.failed += other.failed

    def lines(self) -> Iterator[str]:
        yield f"{self.played} schedules, {self.points / max(self.played, 1):.0f} scheduling points each"
        yield f"to a person: {self.asked[True]} of {self.of[True]} in which staff refund by hand"
        yield f"to a person: {self.asked[False]} of {self.of[False]} others"
        yield f"{self.played / max(self.seconds, 0.001):.1f} schedules per second of one core"

    def faults(self) -> Iterator[str]:
        yield from self.failed
        if not self.played:
            yield "nothing was played"
        if self.of[False] >= _ENOUGH_RUNS and self.asked[False] > MOST_ASKED * self.of[False]:
            yield f"people were asked in more than {MOST_ASKED:.0%} of the schedules in which nobody refunds by hand"


def _short_of_a_schedule(world: World) -> Iterator[str]:
    if world.scheduler.points < FEWEST_POINTS or not world.log.struck or len(world.story.messages) < FEWEST_DELIVERIES:
        yield "no schedule: it has too few points, faults or deliveries"


def _asked_without_need(world: World) -> Iterator[str]:
    """Offline nothing can have been paid: what staff did, or a sender that takes back what was given, is all to ask."""
    if world.story.hand_refunds or any(message.order != OFFLINE for message in world.story.messages):
        return
    asked = {each.reason_code for each in world.deliveries if each.state is DeliveryState.NEEDS_PERSON}
    for code in sorted(asked - {"over-refunded"}):
        yield f"a person was asked about {code} where all is offline"


def tally_of(results: Iterable[Result]) -> Tally:
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally
