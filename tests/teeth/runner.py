"""Applies a defect to a copy of the project and runs the tests that must catch it; the tree itself is not touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.teeth.defects import Change, Defect

ROOT = Path(__file__).parents[2]
_COPIED = ("service", "tests", "config", "docs", "pyproject.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bite:
    """What the tests said to one defect."""

    defect: Defect
    #: Of the defect's tests, those that did not fail.
    missed: tuple[str, ...]

    @property
    def is_caught(self) -> bool:
        return not self.missed


def copy_project(into: Path) -> Path:
    """A copy to spoil, with its tests."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, into / name)
    return into


def try_defect(project: Path, defect: Defect) -> Bite:
    """Apply, test, and take back; the copy can then be used for the next one."""
    files = {change.file: (project / change.file).read_text() for change in defect.changes}
    try:
        for change in defect.changes:
            _apply(project, change)
        missed = _passing(project, defect.caught_by)
    finally:
        for file, text in files.items():
            (project / file).write_text(text)
    return Bite(defect=defect, missed=missed)


def places(change: Change) -> int:
    """How often the text to be replaced stands in its file, today."""
    return (ROOT / change.file).read_text().count(change.old)


def _apply(project: Path, change: Change) -> None:
    file = project / change.file
    text = file.read_text()
    if text.count(change.old) != 1:
        raise ValueError(f"{change.file} holds {change.old!r} {text.count(change.old)} times; the defect needs it once")
    file.write_text(text.replace(change.old, change.new))


def _passing(project: Path, tests: Sequence[str]) -> tuple[str, ...]:
    """Tests of which not a single case fails. Where nothing can be imported, or a test is gone, nothing was caught."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "--tb=no", "-rf", "-p", "no:cacheprovider", *tests]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if run.returncode not in {0, 1}:
        return (f"pytest ended with {run.returncode}: {run.stdout[-300:]}", *tests)
    failed = {line.split(" ")[1].partition("[")[0] for line in run.stdout.splitlines() if line.startswith("FAILED ")}
    return tuple(test for test in tests if test not in failed)
