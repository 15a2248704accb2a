"""`python -m tests.oracle`: play many orders to their end and list every cent on which planner and oracle differ."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.oracle.play import Outcome, play_orders

_SHOWN = 50
#: Of the orders; a planner that asked about everything would differ in nothing. Today it is 4 in 100.
_MOST_ASKED = 0.1


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, help="how many (100,000)")
    parser.add_argument("--seed", type=int, default=1, help="what the orders are made from (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first order, to play one again")
    parser.add_argument("--processes", type=int, default=2, help="(2)")
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    outcome = _play(asked.seed, asked.first, asked.orders, asked.processes)
    seconds = time.monotonic() - started
    for difference in outcome.differences[:_SHOWN]:
        sys.stdout.write(f"{difference}\n")
    people = ", ".join(f"{code} {count}" for code, count in outcome.asked.most_common()) or "none"
    sys.stdout.write(
        f"{outcome.orders} orders, {outcome.memos} credit memos in {seconds:.0f} s"
        f" ({outcome.orders / seconds:.0f} orders/s); {outcome.complete} came back whole;"
        f" {len(outcome.differences)} differences\n"
        f"left to a person: {people}\n"
    )
    asks_too_much = outcome.asked.total() > _MOST_ASKED * outcome.orders
    if asks_too_much:
        sys.stdout.write(f"a person was asked about more than {_MOST_ASKED:.0%} of the orders\n")
    return 1 if outcome.differences or asks_too_much or not outcome.memos else 0


def _play(seed: int, first: int, count: int, processes: int) -> Outcome:
    whole = Outcome()
    each = -(-count // processes)
    parts = [(start, min(each, first + count - start)) for start in range(first, first + count, each)]
    with ProcessPoolExecutor(max_workers=processes) as pool:
        for part in pool.map(play_orders, [seed] * len(parts), *zip(*parts, strict=True)):
            whole.add(part)
    return whole


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
