"""The defects still fit the code, and three of them are tried; `make teeth` tries all and prints them."""

from pathlib import Path

import pytest

from tests.teeth.__main__ import MARKER, render
from tests.teeth.defects import DEFECTS
from tests.teeth.runner import ROOT, copy_project, failing, places, try_defect

TRIED = ("no marker", "a duplicate is added up", "a signature compared loosely")
CHANGES = [(defect, change) for defect in DEFECTS for change in defect.changes]


@pytest.mark.parametrize(("defect", "change"), CHANGES, ids=[f"{each.name} in {where.file}" for each, where in CHANGES])
def test_every_defect_fits_the_code_of_today(defect, change):
    assert places(change) == 1, f"{change.file} has changed: bring the defect '{defect.name}' up to date"
    assert change.new != change.old


@pytest.mark.parametrize("test", sorted({test for defect in DEFECTS for test in defect.caught_by}))
def test_every_test_that_catches_a_defect_is_there(test):
    file, _, function = test.partition("::")

    assert f"def {function}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("name", TRIED)
def test_a_defect_is_caught(name, tmp_path):
    (defect,) = [each for each in DEFECTS if each.name == name]

    assert try_defect(copy_project(tmp_path), defect).is_caught


def test_a_defect_that_no_test_notices_is_told(tmp_path):
    (marker,) = [each for each in DEFECTS if each.name == "no marker"]
    unnoticed = type(marker)(
        name="none", breaks="nothing", changes=marker.changes, caught_by=("tests/core/test_lifecycle.py::test_nothing",)
    )

    assert not try_defect(copy_project(tmp_path), unnoticed).is_caught


def test_a_test_that_fails_without_a_defect_is_told(tmp_path):
    project = copy_project(tmp_path)
    (project / "tests/core/test_broken.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef broken():\n    raise OSError\n\n\n"
        "def test_fails():\n    assert False\n\n\ndef test_cannot_begin(broken):\n    pass\n"
    )
    broken = ("tests/core/test_broken.py::test_cannot_begin", "tests/core/test_broken.py::test_fails")

    assert (
        failing(project, (*broken, "tests/core/test_marker.py::test_a_marker_says_part_and_whether_it_restocks"))
        == broken
    )


def test_the_printed_table_is_current():
    printed = Path(ROOT, "docs", "reliability.md").read_text().partition(MARKER)[2]

    assert printed == render(DEFECTS), "print it again: make teeth"
