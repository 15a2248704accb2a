"""The faults that `make mutation` tries: which they are, and that one of them is really noticed."""

import ast
from pathlib import Path

import pytest

from tests.mutation.__main__ import AT_LEAST_PERCENT, Result, percent, render, run
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import mutants_of
from tests.mutation.targets import TARGETS
from tests.teeth.runner import ROOT


def faults_of(source):
    return [(mutant.before, mutant.after) for mutant, _ in mutants_of("m.py", source)]


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("a < b", [("a < b", "a <= b"), ("a < b", "a >= b")]),
        ("x = a == 1", [("a == 1", "a != 1"), ("1", "2")]),
        ("x = a and not b", [("a and (not b)", "a or not b"), ("not b", "b")]),
        ("x = min(a, b.base)", [("min", "max"), ("b.base", "b.shown")]),
        ("x += 1", [("x += 1", "x -= 1"), ("1", "2")]),
        ("x = 'word'", [("'word'", "'word?'")]),
        ("send(x)", [("send(x)", "pass")]),
        ("if ready: stop()", [("if ready", "if not ready"), ("stop()", "pass")]),
        ("def f() -> int:\n    return x", [("return x", "return None")]),
    ],
)
def test_what_decides_is_changed_in_every_way_of_the_table(source, faults):
    found = faults_of(source)

    assert [fault for fault in faults if fault not in found] == []


@pytest.mark.parametrize(
    "source",
    [
        '"""What it decides."""',
        "x: Literal['word']",
        "@dataclass(frozen=True)\nclass A:\n    x: int",
        "assert a == b",
        "_log.info('word')",
        "x = 'a text for people'",
        "from m import n",
        "class State(StrEnum):\n    DONE = 'done'",
    ],
)
def test_what_no_test_should_pin_is_left_alone(source):
    assert faults_of(source) == []


def test_a_fault_is_put_in_one_place_and_the_others_stay():
    source = "def f(a, b):\n    return min(a, b) + min(a, b)\n"

    trees = [ast.unparse(tree) for mutant, tree in mutants_of("m.py", source) if mutant.before == "min"]

    assert trees == [
        "def f(a, b):\n    return max(a, b) + min(a, b)",
        "def f(a, b):\n    return min(a, b) + max(a, b)",
    ]


def test_every_equivalent_fault_is_still_one_of_the_faults():
    modules = {name.partition(":")[0] for name in EQUIVALENT}
    names = {mutant.name for path in modules for mutant, _ in mutants_of(path, Path(ROOT, path).read_text())}

    assert sorted(set(EQUIVALENT) - names) == []
    assert modules <= set(TARGETS)


def test_the_report_counts_what_survived_and_names_it():
    results = [
        Result(name="service/core/a.py:f: 1 → 2", killed_by="tests/core/test_a.py::test", tests=3, line=4),
        Result(name="service/core/a.py:f: a < b → a <= b", killed_by="", tests=3, line=5),
    ]

    assert percent(results) == 50 < AT_LEAST_PERCENT
    assert "- line 5, `service/core/a.py:f: a < b → a <= b` (3 tests enter it)" in render(results, minutes=1)


def test_a_fault_of_the_verifier_is_noticed():
    path = "service/sources/auth/hmac_sha256.py"
    first, *others = [mutant.name for mutant, _ in mutants_of(path, Path(ROOT, path).read_text())]
    known = {name: Result(name=name, killed_by="not tried", tests=1) for name in others}

    run([path], 1, known)

    assert known[first].killed_by.startswith("tests/sources/")
