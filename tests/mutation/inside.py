"""Runs inside a copy of the project: one forked process per fault, which imports the faulty module and runs its tests.

What is slow, importing pytest and the libraries, happens once, before the first fork. A fault is put in while its
module is imported; no file is changed. Only those tests run that enter the changed function, the ones that caught its
neighbours first, until one fails.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings

from tests.mutation.mutants import Mutant, functions_of, mutants_of
from tests.mutation.targets import TARGETS, module_name

#: A fault that makes a loop endless counts as noticed; the slowest test takes a tenth of this on a busy machine.
_TIMEOUT_SECONDS = 120
_LIBRARIES = ("alembic.command", "click", "flask", "marshmallow", "requests_oauthlib", "sqlalchemy.dialects.sqlite")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    mutant: Mutant
    #: The test that failed, "(import)" where the module could not even be imported, "(time)"; "" survived.
    killed_by: str
    #: How many tests enter the changed function at all.
    tests: int


def main(paths: Sequence[str], processes: int, results: Path, known_names: frozenset[str]) -> None:
    """Tries every fault of the modules but those of these names, and writes a verdict a line."""
    for library in _LIBRARIES:
        importlib.import_module(library)
    # The same examples every time, and no time spent on making a failure small.
    settings.register_profile("mutation", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")
    known: dict[tuple[str, ...], _Known] = {}
    with results.open("w") as out:
        for path in paths:
            folders = TARGETS[path]
            known.setdefault(folders, _learn(folders, [each for each in TARGETS if TARGETS[each] == folders]))
            for verdict in _judge_all(path, known[folders], processes, known_names):
                out.write(json.dumps({**asdict(verdict), "name": verdict.mutant.name}) + "\n")
                out.flush()


def _judge_all(path: str, known: _Known, processes: int, known_names: frozenset[str]) -> Iterator[Verdict]:
    caught: Counter[str] = Counter()
    running: dict[int, _Running] = {}
    for mutant, tree in mutants_of(path, Path(path).read_text()):
        if mutant.name in known_names:
            continue
        tests = sorted(known.entering(mutant), key=lambda test: (-caught[test], known.seconds[test]))
        if not tests:
            yield Verdict(mutant=mutant, killed_by="", tests=0)
            continue
        running_one = _start(mutant, tree, tests)
        running[running_one.pipe] = running_one
        while len(running) >= processes:
            yield from _finished(running, caught)
    while running:
        yield from _finished(running, caught)


# --- which test enters which function -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    functions: dict[str, dict[str, list[str]]]
    seconds: dict[str, float]

    def entering(self, mutant: Mutant) -> set[str]:
        """Tests that call the function; for what stands outside any, all tests: a table is read without a call."""
        functions = self.functions.get(mutant.module, {})
        if mutant.where in functions:
            return set(functions[mutant.where])
        return set() if _is_function(mutant) else set(self.seconds)


def _is_function(mutant: Mutant) -> bool:
    return mutant.where.rpartition(".")[2].lstrip("_")[:1].islower()


def _learn(folders: tuple[str, ...], paths: Sequence[str]) -> _Known:
    def run() -> object:
        observer = _Observer()
        for path in paths:
            sys.meta_path.insert(0, _telling(path, observer))
        code = pytest.main([*_quietly(), *folders], plugins=[observer])
        said = {"functions": observer.functions, "seconds": observer.seconds, "failed": observer.failed}
        return {"code": int(code), **said}

    pipe, process = _fork(run)
    said = _read_all(pipe)
    os.waitpid(process, 0)
    found = json.loads(said)
    if found["code"] != 0:
        failed = ", ".join(found["failed"])
        raise SystemExit(f"tests in {', '.join(folders)} fail without any fault; mend them first: {failed}")
    return _Known(functions=found["functions"], seconds=found["seconds"])


class _Observer:
    """A pytest plugin that writes down which functions of the targets each test enters, and how long it takes."""

    def __init__(self) -> None:
        self.functions: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self._entered: set[tuple[str, str]] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._entered.clear()
        started = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - started
        for path, function in self._entered:
            self.functions[path][function].append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def enter(self, path: str, where: str) -> None:
        self._entered.add((path, where))


def _telling(path: str, observer: _Observer) -> _Replaced:
    """The module, its functions beginning with a word to the observer: tracing every call would take minutes."""
    tree = ast.parse(Path(path).read_text())
    for where, function in functions_of(tree):
        begins = ast.parse(f"__enter__({path!r}, {where!r})").body
        function.body[:0] = [ast.copy_location(begin, function.body[0]) for begin in begins]
    return _Replaced(path, ast.fix_missing_locations(tree), {"__enter__": observer.enter})


# --- one fault, one process -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    mutant: Mutant
    tests: int
    process: int
    pipe: int
    ends: float


def _start(mutant: Mutant, tree: ast.Module, tests: Sequence[str]) -> _Running:
    def run() -> object:
        sys.meta_path.insert(0, _Replaced(mutant.module, tree))
        chosen = _Chosen(tests)
        code = pytest.main([*_quietly(), "-x", *dict.fromkeys(test.partition("::")[0] for test in tests)], [chosen])
        return chosen.failed or ("" if code == 0 else "(import)")

    pipe, process = _fork(run)
    return _Running(
        mutant=mutant, tests=len(tests), process=process, pipe=pipe, ends=time.monotonic() + _TIMEOUT_SECONDS
    )


def _finished(running: dict[int, _Running], caught: Counter[str]) -> Iterator[Verdict]:
    wait = max(min(each.ends for each in running.values()) - time.monotonic(), 0)
    ready, _, _ = select.select(list(running), [], [], wait)
    late = [] if ready else [each.pipe for each in running.values() if each.ends <= time.monotonic()]
    for pipe in [*ready, *late]:
        one = running.pop(pipe)
        if pipe in late:
            os.kill(one.process, signal.SIGKILL)
        said = _read_all(pipe)
        os.waitpid(one.process, 0)
        killed_by = "(time)" if pipe in late else (json.loads(said) if said else "(crash)")
        caught[killed_by] += 1
        yield Verdict(mutant=one.mutant, killed_by=killed_by, tests=one.tests)


class _Chosen:
    """A pytest plugin that runs these tests, in this order, and remembers the first that failed."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests)}
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self._rank), key=lambda i: self._rank[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a syntax tree in place of its file; `names` are given to it."""

    def __init__(self, path: str, tree: ast.Module, names: Mapping[str, object] | None = None) -> None:
        self._path, self._tree, self._names = path, tree, dict(names or {})

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != module_name(self._path):
            return None
        return importlib.util.spec_from_file_location(name, Path(self._path).resolve(), loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(self._names)
        exec(compile(self._tree, self._path, "exec"), module.__dict__)


def _quietly() -> list[str]:
    # The same test with the older Magento tells nothing more about a fault of ours.
    return [
        "-k",
        "not 2.4.1",
        "-q",
        "--tb=no",
        "--assert=plain",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]


def _fork(run: Callable[[], object]) -> tuple[int, int]:
    """(pipe that says what `run` returned, as JSON; process)."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return reading, process
    os.close(reading)
    errors, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        _write_all(writing, json.dumps(run()).encode())
    except BaseException:  # noqa: BLE001  nothing may escape into the parent's stack, and the reason must be seen
        os.dup2(errors, 2)
        traceback.print_exc()
    finally:
        os._exit(0)


def _write_all(pipe: int, said: bytes) -> None:
    with os.fdopen(pipe, "wb") as out:
        out.write(said)


def _read_all(pipe: int) -> str:
    with os.fdopen(pipe, "rb") as said:
        return said.read().decode()


if __name__ == "__main__":
    main(sys.argv[4:], int(sys.argv[1]), Path(sys.argv[2]), frozenset(Path(sys.argv[3]).read_text().splitlines()))
