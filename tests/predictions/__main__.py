"""`python -m tests.predictions DIR …`: one line per refund call, a summary, and exit code 1 on any difference."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from tests.predictions.compare import Compared, compare_directory


def main(directories: list[str]) -> int:
    if not directories:
        sys.stderr.write("usage: python -m tests.predictions DIR …, each a directory of recordings\n")
        return 2
    compared = [one for directory in directories for one in compare_directory(Path(directory))]
    if not compared:
        sys.stderr.write(f"not run: no recordings below {', '.join(directories)} (REFUNDRY_RECORDINGS)\n")
        return 2
    for one in compared:
        sys.stdout.write(f"{_line(one)}\n")
    excepted = Counter(one.call.excepted for one in compared if one.call.excepted)
    differing = [one for one in compared if one.differences]
    equal = len(compared) - excepted.total() - len(differing)
    sys.stdout.write(f"\n{equal + len(differing)} compared: {equal} equal, {len(differing)} differ\n")
    for reason, count in excepted.items():
        sys.stdout.write(f"{count} excepted: {reason}\n")
    # Nothing compared proves nothing: an empty or wrong directory must not look like success.
    return 1 if differing or not equal else 0


def _line(one: Compared) -> str:
    call = one.call
    where = f"{call.scenario:42} {call.version:9}"
    if call.excepted is not None:
        return f"{where} excepted: {call.excepted}"
    said, ours = call.memo, one.predicted
    if ours is None:
        return f"{where} memo {said.entity_id:5}  DIFFERS {'; '.join(one.differences)}"
    verdict = "equal" if not one.differences else "DIFFERS " + "; ".join(one.differences)
    return (
        f"{where} memo {said.entity_id:5}  expected {said.base.grand_total} / {said.shown.grand_total}"
        f"  predicted {ours.base.grand_total} / {ours.shown.grand_total}  {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
