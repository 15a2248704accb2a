"""`python -m tests.mutation [MODULE …]`: try every small fault in a copy of the project and report what was noticed.

Fails below 95 %. `--write FILE` writes the report as a document; MODULE is a path such as service/core/planning.py.
`--resume FILE` keeps the verdicts there and does not try again what was noticed before: after new tests, only survivors
and what has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import mutants_of
from tests.mutation.targets import TARGETS
from tests.teeth.runner import ROOT, copy_project

AT_LEAST_PERCENT = 95


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    name: str
    #: See inside.Verdict; empty: survived.
    killed_by: str
    tests: int
    line: int = 0

    @property
    def module(self) -> str:
        return self.name.partition(":")[0]

    @property
    def is_equivalent(self) -> bool:
        return not self.killed_by and self.name in EQUIVALENT


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TARGETS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--resume", type=Path)
    asked = parser.parse_args(arguments)
    known = read_noticed(asked.resume) if asked.resume and asked.resume.exists() else {}
    started = time.monotonic()
    run(asked.modules, asked.processes, known)
    minutes = (time.monotonic() - started) / 60
    if asked.resume:
        asked.resume.write_text("".join(json.dumps(asdict(each)) + "\n" for each in known.values()))
    results = [each for module in asked.modules for each in _of_today(module, known)]
    report = render(results, minutes=minutes)
    sys.stdout.write(report)
    if asked.write:
        asked.write.write_text(report)
    return 0 if percent(results) >= AT_LEAST_PERCENT else 1


def run(modules: Sequence[str], processes: int, known: dict[str, Result]) -> None:
    """Try every fault of the modules that is not known yet; in a copy, so that edits meanwhile do not disturb."""
    with tempfile.TemporaryDirectory(prefix="refundry-mutation-") as folder:
        copy = Path(folder) / "project"
        copy.mkdir()
        copy_project(copy)
        results, names = Path(folder) / "results.jsonl", Path(folder) / "names"
        names.write_text("\n".join(known))
        command = [sys.executable, "-m", "tests.mutation.inside", str(processes), str(results), str(names), *modules]
        recordings = (ROOT / os.environ.get("REFUNDRY_RECORDINGS", "../shared/recordings")).resolve()
        subprocess.run(command, cwd=copy, check=True, env={**os.environ, "REFUNDRY_RECORDINGS": str(recordings)})
        for text in results.read_text().splitlines():
            said = json.loads(text)
            # One name may be several places of a function: all have to be noticed.
            if said["name"] not in known or not said["killed_by"]:
                known[said["name"]] = Result(name=said["name"], killed_by=said["killed_by"], tests=said["tests"])


def read_noticed(file: Path) -> dict[str, Result]:
    """Faults that were noticed in earlier runs, by name."""
    results = [Result(**json.loads(text)) for text in file.read_text().splitlines()]
    return {result.name: result for result in results if result.killed_by}


def _of_today(module: str, known: dict[str, Result]) -> Iterable[Result]:
    for mutant, _ in mutants_of(module, (ROOT / module).read_text()):
        if mutant.name in known:
            yield replace(known[mutant.name], line=mutant.line)


def percent(results: Sequence[Result]) -> float:
    counted = [result for result in results if not result.is_equivalent]
    return 100 * sum(1 for result in counted if result.killed_by) / max(len(counted), 1)


def render(results: Sequence[Result], *, minutes: float) -> str:
    lines = [
        "| module | faults | noticed | equivalent | survived | noticed of those that matter |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for module in [*dict.fromkeys(result.module for result in results), None]:
        mine = [result for result in results if module in {None, result.module}]
        noticed = sum(1 for result in mine if result.killed_by)
        equivalent = sum(1 for result in mine if result.is_equivalent)
        shown = "all" if module is None else f"`{module.removeprefix('service/')}`"
        survived = len(mine) - noticed - equivalent
        lines.append(f"| {shown} | {len(mine)} | {noticed} | {equivalent} | {survived} | {percent(mine):.1f} % |")
    lines += ["", f"{minutes:.1f} minutes.", ""]
    for title, chosen in (
        ("Survived", [result for result in results if not result.killed_by and not result.is_equivalent]),
        ("Equivalent", [result for result in results if result.is_equivalent]),
    ):
        lines += [f"{title}: {len(chosen)}", ""]
        for result in chosen:
            why = f" ({EQUIVALENT[result.name]})" if result.is_equivalent else f" ({result.tests} tests enter it)"
            lines.append(f"- line {result.line}, `{result.name}`{why}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
