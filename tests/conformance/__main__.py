"""`python -m tests.conformance DIR`: a line per scenario, a summary per version, non-zero below the bar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import click

from tests.conformance.comparison import IGNORED
from tests.conformance.known import KNOWN_DIFFERENCES
from tests.conformance.recordings import read_recordings
from tests.conformance.replay import find_differences

#: The share of scenarios that has to be equal, per version: 60 of 66 and 15 of 17 of the public recordings.
BARS = {"2.4.1": Fraction(60, 66), "2.4.6-p4": Fraction(15, 17)}
DEFAULT_BAR = Fraction(60, 66)

_SHOWN = 4


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the recordings are; subfolders are searched")
    parser.add_argument("--only", metavar="WORD", default="", help="scenarios whose name contains WORD")
    parser.add_argument("--all", action="store_true", help="show every difference, not the first few")
    options = parser.parse_args(arguments)
    equal: dict[str, list[str]] = {}
    differing: dict[str, dict[str, tuple[str, ...]]] = {}
    for recording in read_recordings(options.folder):
        if options.only not in recording.scenario:
            continue
        version = recording.magento_version
        differences = find_differences(recording)
        click.echo(f"{version:9} {recording.scenario:45} {'differs' if differences else 'equal'}")
        for difference in differences if options.all else differences[:_SHOWN]:
            click.echo(f"            {difference}")
        if len(differences) > _SHOWN and not options.all:
            click.echo(f"            … and {len(differences) - _SHOWN} more")
        if differences:
            differing.setdefault(version, {})[recording.scenario] = differences
        else:
            equal.setdefault(version, []).append(recording.scenario)
    return _summarize(options.folder, equal, differing)


def _summarize(folder: Path, equal: dict[str, list[str]], differing: dict[str, dict[str, tuple[str, ...]]]) -> int:
    versions = sorted(equal.keys() | differing.keys())
    if not versions:
        click.echo(f"not run: no recordings below {folder} (REFUNDRY_RECORDINGS)", err=True)
        return 2
    click.echo("\nNot compared:")
    for what, why in IGNORED.items():
        click.echo(f"  {what}: {why}")
    click.echo("")
    missed = False
    for version in versions:
        good, bad = len(equal.get(version, [])), differing.get(version, {})
        bar = BARS.get(version, DEFAULT_BAR)
        is_met = Fraction(good, good + len(bad)) >= bar
        missed = missed or not is_met
        verdict = "meets" if is_met else "MISSES"
        click.echo(f"{version}: {good} of {good + len(bad)} equal; {verdict} the bar of {float(bar):.1%}")
        for scenario, differences in bad.items():
            click.echo(f"  {scenario}: {KNOWN_DIFFERENCES.get(scenario, differences[0])}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
