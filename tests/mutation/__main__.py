"""`python -m tests.mutation [MODULE …]`: try every small fault in a copy of the project and report what was noticed.

Fails below 95 %. `--write FILE` writes the report as a document; MODULE is a path such as service/core/planning.py.
`--keep FILE` writes each verdict there as it comes, and a run that was interrupted goes on from there; verdicts about
another state of the project are dropped. `--trust FILE` does not try again what such a file says was noticed, whatever
has changed since: while tests are written, only survivors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.targets import TARGETS
from tests.teeth.runner import ROOT, copy_project

AT_LEAST_PERCENT = 95

#: Memory in place of a disk, where there is: SQLite waits for the disk at each commit.
_FAST = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    name: str
    #: Counts the faults of a module: one name may be several places of a function.
    number: int
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


Known = dict[tuple[str, int], Result]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TARGETS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--write", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--trust", type=Path)
    asked = parser.parse_args(arguments)
    known = run(asked.modules, asked.processes, keep=asked.keep, trust=asked.trust)
    results = [each for module in asked.modules for each in _of_today(module, known)]
    report = render(results)
    sys.stdout.write(report)
    if asked.write:
        asked.write.write_text(report)
    return 0 if percent(results) >= AT_LEAST_PERCENT else 1


def run(
    modules: Sequence[str],
    processes: int,
    *,
    keep: Path | None = None,
    trust: Path | None = None,
    targets: Mapping[str, Sequence[str]] = TARGETS,
) -> Known:
    """Try every fault of the modules that is not known yet; in a copy, so that edits meanwhile do not disturb."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(
        prefix="refundry-mutation-", dir=_FAST if _FAST.is_dir() else None, ignore_cleanup_errors=True
    ) as folder:
        copy, scratch = Path(folder) / "project", Path(folder) / "tmp"
        copy.mkdir()
        scratch.mkdir()
        copy_project(copy)
        state = digest(copy)
        known = {**_noticed(trust, modules), **_kept(keep, state)}
        results = keep or Path(folder) / "results.jsonl"
        results.write_text("".join(_line(each, state) for each in known.values()))
        asked = {
            "targets": {module: targets[module] for module in modules},
            "processes": processes,
            "results": str(results.resolve()),
            "state": state,
        }
        recordings = (ROOT / os.environ.get("REFUNDRY_RECORDINGS", "../shared/recordings")).resolve()
        subprocess.run(
            [sys.executable, "-m", "tests.mutation.inside"],
            input=json.dumps({**asked, "known": list(known)}),
            text=True,
            cwd=copy,
            check=True,
            env={**os.environ, "REFUNDRY_RECORDINGS": str(recordings), "TMPDIR": str(scratch)},
        )
        sys.stderr.write(f"{(time.monotonic() - started) / 60:.1f} minutes\n")
        return _kept(results, state)


def digest(project: Path) -> str:
    """Tells one state of the project from another: a verdict holds for the code and the tests it was found with."""
    said = hashlib.sha256()
    for file in sorted(file for file in project.rglob("*") if file.suffix in {".py", ".toml", ".json"}):
        said.update(str(file.relative_to(project)).encode() + file.read_bytes())
    return said.hexdigest()[:16]


def _kept(file: Path | None, state: str) -> Known:
    said = [each for each in _read(file) if each.pop("state") == state]
    return {(each["name"], each["number"]): Result(**each) for each in said}


def _noticed(file: Path | None, modules: Sequence[str]) -> Known:
    """What was noticed in any state, for the faults of today; of places with the same name, where all of them were."""
    said = list(_read(file))
    survived = {each["name"] for each in said if not each["killed_by"]}
    noticed = {each["name"]: each for each in said if each["name"] not in survived}
    return {
        (mutant.name, mutant.number): Result(
            name=mutant.name, number=mutant.number, killed_by=noticed[mutant.name]["killed_by"], tests=0
        )
        for module in modules
        for mutant in _mutants(module)
        if mutant.name in noticed
    }


def _read(file: Path | None) -> Iterable[dict[str, Any]]:
    if file and file.exists():
        yield from map(json.loads, file.read_text().splitlines())


def _line(result: Result, state: str) -> str:
    said = {"name": result.name, "number": result.number, "killed_by": result.killed_by, "tests": result.tests}
    return json.dumps({**said, "state": state}) + "\n"


def _mutants(module: str) -> Iterable[Mutant]:
    return (mutant for mutant, _ in mutants_of(module, (ROOT / module).read_text()))


def _of_today(module: str, known: Known) -> Iterable[Result]:
    for mutant in _mutants(module):
        if found := known.get((mutant.name, mutant.number)):
            yield replace(found, line=mutant.line)


def percent(results: Sequence[Result]) -> float:
    counted = [result for result in results if not result.is_equivalent]
    return 100 * sum(1 for result in counted if result.killed_by) / max(len(counted), 1)


def render(results: Sequence[Result]) -> str:
    lines = [
        "# Small faults, one at a time",
        "",
        "Printed by `make mutation`: the faults put into the code that decides about money, and what the tests said.",
        "",
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
    lines.append("")
    for title, chosen in (
        ("Survived", [result for result in results if not result.killed_by and not result.is_equivalent]),
        ("Equivalent", [result for result in results if result.is_equivalent]),
    ):
        lines += [f"{title}: {len(chosen)}", ""]
        for result in chosen:
            why = f" ({EQUIVALENT[result.name]})" if result.is_equivalent else f" ({result.tests} tests reach it)"
            lines.append(f"- line {result.line}, `{result.name}`{why}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
