# ruff: noqa: T201 -- what it prints is what it is for
"""Schedules and faults from the command line: run many, or play one again with its trace.

python -m tests.simulation run --seconds 60        schedules from seed 0 on
python -m tests.simulation replay 4711             one schedule, step by step
python -m tests.simulation matrix                  every single fault
python -m tests.simulation pairs --seconds 600     ordered pairs of faults, in an order of chance
python -m tests.simulation pairs --part 1/8        an eighth of them: the eight together are all of them
python -m tests.simulation case 'offline 2.4.1 refund: time-out amid'
python -m tests.simulation gaps                    what is not tried, and why
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count

from tests.simulation.boundaries import BOUNDARIES, Fault, inapplicable
from tests.simulation.history import check
from tests.simulation.matrix import OUTSIDE_THE_PROMISE, Case, case_named, pairs, play, singles
from tests.simulation.report import RunTally, Tally, faults_of
from tests.simulation.schedules import story_of
from tests.simulation.story import Story
from tests.simulation.trace import hash_of, shown
from tests.simulation.world import Lab, World, open_lab

_MEANINGS = {
    "run": "schedules of chance, for 60 s or as --seconds says",
    "matrix": "every single fault at every boundary",
    "pairs": "ordered pairs of faults, in an order of chance; all of them take hours",
}

#: Cases that are played before it is said how far it is.
_A_SHARE = 2000


def main() -> int:
    logging.disable(logging.CRITICAL)  # the product's own log would tell of every fault that was made on purpose
    arguments = _arguments()
    return int(arguments.command(arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    for name, command in (("run", _run), ("matrix", _matrix), ("pairs", _pairs)):
        many = commands.add_parser(name, help=_MEANINGS[name])
        many.set_defaults(command=command)
        many.add_argument("--seconds", type=float, default=None, help="stop after so long")
        many.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
        many.add_argument("--seed", type=int, default=0, help="the first seed; of pairs, the seed of their order")
    commands.choices["run"].add_argument("--schedules", type=int, default=None, help="stop after so many")
    commands.choices["pairs"].add_argument("--part", type=_part, default=(1, 1), help="such as 1/8")
    replay = commands.add_parser("replay", help="one schedule of `run`, step by step")
    replay.add_argument("seed", type=int)
    replay.set_defaults(command=lambda said: _show(story_of(said.seed)))
    case = commands.add_parser("case", help="one case of `matrix` or `pairs`, step by step")
    case.add_argument("case", type=_case, help="as a failed run prints it")
    case.set_defaults(command=lambda said: _show(said.case.story()))
    commands.add_parser("gaps", help="what is not tried, and why").set_defaults(command=_gaps)
    return parser.parse_args()


def _case(text: str) -> Case:
    try:
        return case_named(text)
    except (ValueError, LookupError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; say 'offline 2.4.1 refund: 500 before'") from error


def _part(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; say 1/8 for the first of eight")
    return int(number), int(of)


# --- one --------------------------------------------------------------------------------------------------------------


def _show(story: Story) -> int:
    with open_lab() as lab:
        world = World(lab, story)
        world.run()
        findings = check(world)
        print(*shown(world), sep="\n")
        print(f"trace {hash_of(world)}")
        print(*(findings or ("nothing doubled, lost or stuck",)), sep="\n")
    return bool(findings)


# --- many -------------------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    ends = None if arguments.schedules is None else arguments.seed + arguments.schedules
    with ProcessPoolExecutor(arguments.jobs) as pool:
        parts = [
            pool.submit(_play_seeds, arguments.seed + part, ends, arguments.jobs, arguments.seconds or 60.0)
            for part in range(arguments.jobs)
        ]
        results = [part.result() for part in parts]
    tally = RunTally()
    for result in results:
        tally.merge(result)
    faults = list(tally.faults())
    print(*tally.lines(), *faults, sep="\n")
    return bool(faults)


def _play_seeds(first: int, ends: int | None, step: int, seconds: float) -> RunTally:
    logging.disable(logging.CRITICAL)
    tally = RunTally()
    stops_at = time.monotonic() + seconds
    with open_lab() as lab:
        # What is there now stays: the collector need not look at it after every schedule.
        gc.freeze()
        used = time.process_time()
        for seed in count(first, step):
            if time.monotonic() > stops_at or (ends is not None and seed >= ends):
                break
            _play_seed(lab, seed, tally)
        tally.seconds = time.process_time() - used
    return tally


def _play_seed(lab: Lab, seed: int, tally: RunTally) -> None:
    world = World(lab, story_of(seed))
    again = f"python -m tests.simulation replay {seed}"
    try:
        world.run()
        tally.add(world, again)
    except Exception as error:  # noqa: BLE001 -- the others go on, and this one can be played again
        tally.crashed(error, again)


def _matrix(arguments: argparse.Namespace) -> int:
    return _play_cases(tuple(singles()), arguments)


def _pairs(arguments: argparse.Namespace) -> int:
    every = tuple(pairs(arguments.seed))
    print(f"{len(every)} ordered pairs")
    for (first, second), reason in OUTSIDE_THE_PROMISE.items():
        print(f"  without '{first}' + '{second}': {reason}")
    number, of = arguments.part
    return _play_cases(every[number - 1 :: of], arguments)


def _play_cases(cases: tuple[Case, ...], arguments: argparse.Namespace) -> int:
    tally, begun = Tally(), time.monotonic()
    play_share = partial(_play_share, stops_at=begun + (arguments.seconds or float("inf")))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for part in pool.map(play_share, _shares(cases, arguments.jobs)):
            tally.merge(part)
            if part.played:
                _tell_how_far(tally, len(cases), time.monotonic() - begun)
    print(*tally.lines(), sep="\n")
    reasons = faults_of(tally)
    print(*reasons, sep="\n")
    return bool(reasons)


def _shares(cases: tuple[Case, ...], jobs: int) -> Iterator[tuple[Case, ...]]:
    """As even as can be, and of many cases each a minute's work."""
    shares = max(jobs, len(cases) // _A_SHARE)
    yield from (cases[first::shares] for first in range(shares))


def _play_share(cases: tuple[Case, ...], *, stops_at: float) -> Tally:
    logging.disable(logging.CRITICAL)
    tally = Tally()
    with open_lab() as lab:
        for case in cases:
            if time.monotonic() > stops_at:
                break
            try:
                tally.add(play(lab, case))
            except Exception as error:  # noqa: BLE001 -- the others go on, and this one can be played again
                tally.crashed(case, error)
    return tally


def _tell_how_far(tally: Tally, cases: int, seconds: float) -> None:
    if tally.played < cases:
        left = (cases - tally.played) * seconds / max(tally.played, 1) / 60
        print(f"{tally.played} of {cases}, {len(tally.failed)} failed, {left:.0f} min left", file=sys.stderr)


def _gaps(_arguments: argparse.Namespace) -> int:
    print(*_gap_lines(), sep="\n")
    return 0


def _gap_lines() -> Iterator[str]:
    yield f"{len(BOUNDARIES)} boundaries × {len(Fault)} faults; not tried:"
    for strike, reason in inapplicable():
        yield f"  {strike}: {reason}"


if __name__ == "__main__":
    sys.exit(main())
