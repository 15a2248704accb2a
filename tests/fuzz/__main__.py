"""`python -m tests.fuzz`: each target for some seconds in a process of its own; a broken promise ends with 1."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.bodies import BODIES, body_seeds
from tests.fuzz.targets import TARGETS, seeds

#: libFuzzer's last line, and what it says of edges on the way.
_DONE = re.compile(r"Done (\d+) runs in \d+ second")
_COVERED = re.compile(r"cov: (\d+) ft:")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument(
        "--target", action="append", choices=[*TARGETS, *BODIES], help="only this one; may be said again"
    )
    asked = parser.parse_args(arguments)
    names = asked.target or [*TARGETS, *BODIES]
    total, failed = 0, 0
    sys.stdout.write(f"{'target':<38} {'inputs':>12} {'edges':>7}   {asked.seconds} s each\n")
    for name in names:
        runs, edges, output = _run(name, asked.seconds)
        total += runs
        failed += not runs
        sys.stdout.write(f"{name:<38} {runs:>12,} {edges:>7,}   {'ok' if runs else 'FAILED'}\n")
        sys.stdout.write("" if runs else f"{output[-4000:]}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{total:,} inputs; {failed} of {len(names)} targets failed\n")
    return 1 if failed else 0


def _run(name: str, seconds: int) -> tuple[int, int, str]:
    """Inputs tried (0: it failed), edges covered, and what was said."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, content in enumerate(body_seeds(name) if name in BODIES else seeds(name)):
            (Path(corpus) / str(number)).write_bytes(content)
        command = [sys.executable, "-m", "tests.fuzz.alone", name, corpus, str(seconds)]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    output = ended.stdout + ended.stderr
    done, covered = _DONE.search(output), _COVERED.findall(output)
    return int(done[1]) if done and ended.returncode == 0 else 0, int(covered[-1]) if covered else 0, output


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
