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
#: pytest's exit codes where it ran the tests: all passed, or some failed.
_RAN = (0, 1)
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


def failing(project: Path, tests: Sequence[str]) -> tuple[str, ...]:
    """Tests that fail in the copy as it is: what fails without a defect tells nothing of one."""
    run = _run(project, tests)
    if run.returncode not in _RAN:
        return (_said(run), *tests)
    failed = _told(run, "FAILED", "ERROR")
    return tuple(test for test in tests if test in failed)


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
    run = _run(project, tests)
    if run.returncode not in _RAN:
        return (_said(run), *tests)
    failed = _told(run, "FAILED")
    return tuple(test for test in tests if test not in failed)


def _run(project: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def _told(run: subprocess.CompletedProcess[str], *words: str) -> set[str]:
    """The test functions that the summary lists under these words, without their parameters."""
    lines = (line.split(" ") for line in run.stdout.splitlines())
    return {line[1].partition("[")[0] for line in lines if line[0] in words and len(line) > 1}


def _said(run: subprocess.CompletedProcess[str]) -> str:
    return f"pytest ended with {run.returncode}: {run.stdout[-300:]}"
