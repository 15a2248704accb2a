"""What a run of many came to, in figures, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.simulation.matrix import Result

_KINDS = ("doubled", "lost", "stuck", "books")


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
    if tally.played and sum(tally.asked.values()) == tally.played:
        reasons.append("everything ended with a person: a machine that does nothing would be as safe")
    if not tally.played:
        reasons.append("nothing was played")
    return reasons


def tally_of(results: Iterable[Result]) -> Tally:
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally
