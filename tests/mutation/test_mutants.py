"""The faults that `make mutation` tries: which they are, and that one of them is really noticed."""

import ast
import json
from pathlib import Path

import pytest

from tests.mutation.__main__ import AT_LEAST_PERCENT, Result, digest, percent, render, run
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

    trees = [ast.unparse(tree()) for mutant, tree in mutants_of("m.py", source) if mutant.before == "min"]

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
        Result(name="service/core/a.py:f: 1 → 2", number=0, killed_by="tests/core/test_a.py::test", tests=3, line=4),
        Result(name="service/core/a.py:f: a < b → a <= b", number=1, killed_by="", tests=3, line=5),
    ]

    assert percent(results) == 50 < AT_LEAST_PERCENT
    assert "- line 5, `service/core/a.py:f: a < b → a <= b` (3 tests reach it)" in render(results)


def test_a_fault_is_reached_by_the_statement_around_it_and_by_the_import_outside_of_functions():
    source = (
        "X = 1\n\ndef f(a, b=2):\n    if a < 3:\n        return (\n            4\n        )\n    return [\n        5]\n"
    )

    statements = {mutant.before: mutant.statement for mutant, _ in mutants_of("m.py", source)}

    assert {said: statements[said] for said in "1245"} == {"1": 0, "2": 0, "4": 5, "5": 8}
    assert statements["a < 3"] == 4


@pytest.fixture
def faults():
    """Two faults of the verifiers, one in a function and one in what an import makes; and all the others."""
    path = "service/sources/base.py"
    mutants = [mutant for mutant, _ in mutants_of(path, Path(ROOT, path).read_text())]
    tried = [next(each for each in mutants if each.statement), next(each for each in mutants if each.after == "256")]
    return path, tried, [each for each in mutants if each not in tried]


def write_verdicts(file, mutants, killed_by):
    said = [{"name": each.name, "number": each.number, "killed_by": killed_by, "tests": 1} for each in mutants]
    file.write_text("".join(json.dumps({**each, "state": "another"}) + "\n" for each in said))


def test_a_fault_of_the_verifiers_is_noticed_and_what_was_noticed_before_is_trusted(tmp_path, faults):
    path, tried, others = faults
    write_verdicts(tmp_path / "trusted", others, "a test of old")

    # Those of all verifiers would be run once to learn what they reach, which takes a minute.
    targets = {path: ("tests/sources/test_plain_hmac.py",)}

    known = run([path], 1, trust=tmp_path / "trusted", keep=tmp_path / "kept", targets=targets)

    assert not tried[1].statement
    assert [known[each.name, each.number].killed_by[:14] for each in tried] == ["tests/sources/"] * 2
    assert {known[each.name, each.number].killed_by for each in others} == {"a test of old"}
    assert len((tmp_path / "kept").read_text().splitlines()) == len(others) + 2


def test_a_run_goes_on_from_the_verdicts_about_the_same_code_and_no_other(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    before = digest(tmp_path)
    (tmp_path / "notes").write_text("anything")
    same = digest(tmp_path)
    (tmp_path / "a.py").write_text("x = 2")

    assert before == same != digest(tmp_path)
