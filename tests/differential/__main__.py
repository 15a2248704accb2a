"""`python -m tests.differential`: compare both verifiers on many requests, and list every difference."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.differential.compare import ACCEPTS, REFUSES, Comparison, compare


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to look at one again")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", type=Path, help="write the report to this file, too")
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    seen = _compare(asked.seed, asked.first, asked.cases, asked.processes)
    report = "\n".join(render(seen, asked.seed))
    sys.stdout.write(f"{report}\n{time.monotonic() - started:.0f} s\n")
    if asked.write:
        asked.write.write_text(f"{report}\n", encoding="utf-8")
    return 1 if seen.unsafe else 0


def render(seen: Comparison, seed: int) -> Iterator[str]:
    yield "# Our Standard Webhooks verifier and the reference library's"
    yield ""
    yield f"Printed by `make webhooks-differential CASES={seen.cases}` (seed {seed}); do not edit."
    yield ""
    yield (
        "Each case is a request signed with the source's secret, or that with one to three things wrong. A verifier"
        " accepts it, refuses it, or raises something that is no verdict and that its caller has to know of."
    )
    yield from ("", "| ours | `standardwebhooks` | cases |", "|---|---|---|")
    for (ours, theirs), count in sorted(seen.verdicts.items(), key=lambda item: -item[1]):
        yield f"| {ours} | {theirs} | {count:,} |"
    stricter = seen.verdicts[REFUSES, ACCEPTS]
    escaped = sum(count for (_, theirs), count in seen.verdicts.items() if theirs.startswith("raises"))
    yield ""
    yield (
        f"Accepted by us and refused by the library: **{len(seen.unsafe)}**. Refused by us and accepted by the library:"
        f" {stricter:,}. The library raised something else {escaped:,} times, we never."
    )
    yield from (
        "",
        "## Where they differ",
        "",
        "| because | ours | `standardwebhooks` | cases |",
        "|---|---|---|---|",
    )
    for (why, ours, theirs), count in sorted(seen.differences.items(), key=lambda item: (item[0][1:], -item[1])):
        yield f"| {why} | {ours} | {theirs} | {count:,} |"
    for number, request in seen.unsafe[:20]:
        yield f"- unsafe, case {number}: {request}"


def _compare(seed: int, first: int, count: int, processes: int) -> Comparison:
    whole = Comparison()
    each = -(-count // processes)
    parts = [(start, min(each, first + count - start)) for start in range(first, first + count, each)]
    with ProcessPoolExecutor(max_workers=processes) as pool:
        for part in pool.map(compare, [seed] * len(parts), *zip(*parts, strict=True)):
            whole.add(part)
    return whole


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
