"""Runs inside a copy of the project: one forked process per fault, which runs the tests that reach it until one fails.

What is slow happens once, before the first fork: the libraries, the project and the tests are imported, and the tests
are collected. A fault in a function is put in by exchanging the function's code; one outside of any function, in a
table or a default, by importing its module anew. No file is changed. Only those tests run that reach the statement with
the fault, the ones that caught its neighbours first.
"""

from __future__ import annotations

import ast
import gc
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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import _lru_cache_wrapper, partial
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TextIO

import pytest
from hypothesis import Phase, settings

from tests.mutation.mutants import Mutant, mutants_of, statements_of
from tests.mutation.targets import NOT_RUN, module_name

#: A fault that makes a loop endless counts as noticed: a test may take this of the processor, and so many times what it
#: takes without the fault; a busy machine changes nothing. What hangs and takes nothing is ended by pytest-timeout.
_TIMEOUT_SECONDS, _TIMEOUT_FACTOR = 5, 10
_LIBRARIES = ("alembic.command", "click", "flask", "marshmallow", "requests_oauthlib", "sqlalchemy.dialects.sqlite")
#: What is not noticed by tests that take so long together counts as survived; the slowest come last, and are left out.
_ENOUGH_SECONDS = 30
#: How often a line says how far it is.
_PROGRESS_SECONDS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    mutant: Mutant
    #: The test that failed, "(import)" where the module could not even be imported, "(time)"; "" survived.
    killed_by: str
    #: How many tests reach the changed statement at all.
    tests: int


#: Module → folders or files of the tests that must notice its faults.
_Targets = Mapping[str, tuple[str, ...]]


def main(targets: _Targets, processes: int, known: frozenset[tuple[str, int]], told: _Told) -> None:
    """Tries every fault of the modules but those of these names and numbers."""
    for library in _LIBRARIES:
        importlib.import_module(library)
    # The same examples every time, and no time spent on making a failure small.
    settings.register_profile("mutation", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")
    groups: dict[tuple[str, ...], list[_Fault]] = {}
    for path, tests in targets.items():
        faults = [_Fault(*each) for each in mutants_of(path, Path(path).read_text())]
        groups.setdefault(tests, []).extend(
            each for each in faults if (each.mutant.name, each.mutant.number) not in known
        )
    told.of = sum(map(len, groups.values()))
    for tests, faults in groups.items():
        if faults:
            modules = [path for path in targets if targets[path] == tests]
            _judge(tests, modules, faults, processes, told)


@dataclass(frozen=True, slots=True)
class _Fault:
    mutant: Mutant
    tree: Callable[[], ast.Module]


@dataclass(slots=True)
class _Told:
    """Where verdicts go, one a line as they come; now and then a line for whoever waits."""

    out: TextIO
    to_people: TextIO
    #: See __main__.digest.
    state: str
    of: int = 0
    count: int = 0
    survived: int = 0
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, verdict: Verdict) -> None:
        said = {"name": verdict.mutant.name, "number": verdict.mutant.number, "killed_by": verdict.killed_by}
        print(json.dumps({**said, "tests": verdict.tests, "state": self.state}), file=self.out, flush=True)
        self.count += 1
        self.survived += not verdict.killed_by
        if time.monotonic() - self._last > _PROGRESS_SECONDS or self.count == self.of:
            self._last = time.monotonic()
            module = verdict.mutant.module
            print(
                f"{self.count}/{self.of} tried, {self.survived} not noticed; {module}", file=self.to_people, flush=True
            )


def _judge(
    folders: tuple[str, ...], modules: Sequence[str], faults: Sequence[_Fault], processes: int, told: _Told
) -> None:
    """Faults in functions by a process that has collected the tests; the rest here, each with an import of its own."""
    pipe, process = _fork(lambda: _collected(folders, modules, faults, processes, told))
    said = json.loads(_read_all(pipe) or "{}")
    os.waitpid(process, 0)
    if said.get("code") != 0:
        failed = ", ".join(said.get("failed", ["pytest crashed"]))
        raise SystemExit(f"tests in {', '.join(folders)} fail without any fault; mend them first: {failed}")
    told.count, told.survived, seconds = said["count"], said["survived"], said["seconds"]

    def run(fault: _Fault, tests: Sequence[str]) -> str:
        signal.setitimer(signal.ITIMER_PROF, _allowed(sum(seconds.values())))
        sys.meta_path.insert(0, _Replaced(fault.mutant.module, fault.tree()))
        chosen = _Chosen(tests)
        code = pytest.main([*_quietly(), "-x", *dict.fromkeys(test.partition("::")[0] for test in tests)], [chosen])
        return chosen.failed or ("" if code == 0 else "(import)")

    _try_all([(faults[index], seconds) for index in said["left"]], processes, seconds, run, told)


def _collected(
    folders: tuple[str, ...], modules: Sequence[str], faults: Sequence[_Fault], processes: int, told: _Told
) -> object:
    for path in modules:
        sys.meta_path.insert(0, _telling(path))
    session = _Session(faults, processes, told)
    code = pytest.main([*_quietly(), *folders], plugins=[session])
    said = {"code": int(code), "failed": session.failed or [f"pytest ended with {int(code)}"]}
    return {**said, "seconds": session.seconds, "left": session.left, "count": told.count, "survived": told.survived}


# --- which test reaches which statement -----------------------------------------------------------------------------

_Statement = tuple[str, int]
_reached: set[_Statement] = set()


def _telling(path: str) -> _Replaced:
    """The module, each statement of its functions preceded by a word of which it is."""
    tree = ast.parse(Path(path).read_text())
    for body in statements_of(tree):
        body[:] = [each for statement in body for each in (*_word(path, statement), statement)]
    return _Replaced(path, ast.fix_missing_locations(tree), {"__reach__": _reached.add})


def _word(path: str, statement: ast.stmt) -> list[ast.stmt]:
    words = ast.parse(f"__reach__(({path!r}, {statement.lineno}))").body
    return [ast.copy_location(word, statement) for word in words]


class _Session:
    """A pytest plugin that runs the tests once, looks which statements each of them reaches, and tries the faults."""

    def __init__(self, faults: Sequence[_Fault], processes: int, told: _Told) -> None:
        self._faults, self._processes, self._told = faults, processes, told
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        #: Indexes of the faults that an import carries out, once and for all tests: not to be tried here.
        self.left: list[int] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.failed:
            return True
        by_import = frozenset(_reached)
        pipe, process = _fork(lambda: _learn(session.items))
        said = json.loads(_read_all(pipe) or '{"failed": ["(crash)"]}')
        os.waitpid(process, 0)
        self.failed = said["failed"]
        if self.failed:
            raise session.Failed("tests fail without any fault")
        self.seconds = said["seconds"]
        reaching: dict[_Statement, list[str]] = {}
        for test, statements in said["reached"].items():
            for path, line in statements:
                reaching.setdefault((path, line), []).append(test)
        items = {item.nodeid: item for item in session.items}

        caches = [each for each in gc.get_objects() if isinstance(each, _lru_cache_wrapper)]
        functions = _functions({fault.mutant.module for fault in self._faults})

        def run(fault: _Fault, tests: Sequence[str]) -> str:
            if not _put_in(fault, functions):
                return "(import)"
            for cache in caches:
                cache.cache_clear()  # what was worked out before, without the fault
            return next((test for test in tests if _fails(items[test], _allowed(self.seconds[test]))), "")

        def is_left(mutant: Mutant) -> bool:
            return not mutant.statement or (mutant.module, mutant.statement) in by_import

        self.left = [index for index, fault in enumerate(self._faults) if is_left(fault.mutant)]
        gc.collect()
        gc.freeze()
        here = [
            (fault, reaching.get((fault.mutant.module, fault.mutant.statement), ()))
            for fault in self._faults
            if not is_left(fault.mutant)
        ]
        _try_all(here, self._processes, self.seconds, run, self._told)
        return True


def _learn(items: Sequence[pytest.Item]) -> object:
    seconds: dict[str, float] = {}
    reached: dict[str, list[_Statement]] = {}
    failed: list[str] = []
    for item in items:
        _reached.clear()
        started = time.process_time()
        if _fails(item):
            failed.append(item.nodeid)
        seconds[item.nodeid] = time.process_time() - started
        reached[item.nodeid] = list(_reached)
    return {"seconds": seconds, "reached": reached, "failed": failed}


def _allowed(seconds: float) -> float:
    return _TIMEOUT_SECONDS + _TIMEOUT_FACTOR * seconds


def _fails(item: pytest.Item, allowed_seconds: float = 0) -> bool:
    """Runs one test, taking all fixtures down again; beyond what is allowed SIGPROF ends the process."""
    signal.setitimer(signal.ITIMER_PROF, allowed_seconds)
    verdict = _Failures()
    item.config.pluginmanager.register(verdict)
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    item.config.pluginmanager.unregister(verdict)
    return verdict.any


class _Failures:
    any = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.any = self.any or report.failed


_Functions = Mapping[tuple[str, str], Sequence[FunctionType]]


def _functions(paths: Iterable[str]) -> _Functions:
    found: dict[tuple[str, str], list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename in paths:
            found.setdefault((each.__code__.co_filename, each.__code__.co_qualname), []).append(each)
    return found


def _put_in(fault: _Fault, functions: _Functions) -> bool:
    """Exchanges the code of the functions that the fault stands in; False where it cannot even be compiled."""
    path, tree = fault.mutant.module, fault.tree()
    try:
        new = {code.co_qualname: code for code in _codes(compile(tree, path, "exec"))}
    except (SyntaxError, ValueError):
        return False
    outermost = _outermost(fault.mutant.where, tree)
    for function in functions[path, outermost]:
        function.__code__ = new[outermost]
    return True


def _outermost(where: str, tree: ast.Module) -> str:
    """Functions within functions are made anew at each call, from the code of the one around them."""
    names, scope = [], tree.body
    for name in where.split("."):
        found = next(each for each in scope if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name)
        names.append(name)
        if isinstance(found, ast.FunctionDef):
            break
        scope = found.body
    return ".".join(names)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


# --- one fault, one process -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    mutant: Mutant
    tests: int
    process: int
    pipe: int


def _try_all(
    faults: Iterable[tuple[_Fault, Iterable[str]]],
    processes: int,
    seconds: Mapping[str, float],
    run: Callable[[_Fault, Sequence[str]], str],
    told: Callable[[Verdict], None],
) -> None:
    caught: Counter[str | tuple[str, str]] = Counter()
    running: dict[int, _Running] = {}
    for fault, reaching in faults:
        near = fault.mutant.where
        tests = sorted(reaching, key=lambda test: seconds[test] / (0.1 + caught[test] + 10 * caught[near, test]))
        if not tests:
            told(Verdict(mutant=fault.mutant, killed_by="", tests=0))
            continue
        while len(running) >= processes:
            _finish(running, caught, told)
        elapsed = accumulate(seconds[test] for test in tests)
        enough = [test for test, total in zip(tests, elapsed, strict=True) if total <= _ENOUGH_SECONDS]
        pipe, process = _fork(partial(run, fault, enough or tests[:1]))
        running[pipe] = _Running(mutant=fault.mutant, tests=len(tests), process=process, pipe=pipe)
    while running:
        _finish(running, caught, told)


def _finish(
    running: dict[int, _Running], caught: Counter[str | tuple[str, str]], told: Callable[[Verdict], None]
) -> None:
    ready, _, _ = select.select(list(running), [], [])
    for pipe in ready:
        one = running.pop(pipe)
        said = _read_all(pipe)
        _, status = os.waitpid(one.process, 0)
        is_late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        killed_by = "(time)" if is_late else (json.loads(said) if said else "(crash)")
        caught.update([killed_by, (one.mutant.where, killed_by)])
        told(Verdict(mutant=one.mutant, killed_by=killed_by, tests=one.tests))


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
    return [
        "-k",
        " and ".join(f"not {name}" for name in NOT_RUN),
        "-q",
        "--tb=no",
        "--assert=plain",
        "--no-header",
        "--capture=no",
        "--override-ini=tmp_path_retention_policy=failed",
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
    asked = json.loads(sys.stdin.read())
    known = frozenset((name, number) for name, number in asked["known"])
    with Path(asked["results"]).open("a") as out, os.fdopen(os.dup(2), "w") as to_people:
        targets = {module: tuple(tests) for module, tests in asked["targets"].items()}
        main(targets, asked["processes"], known, _Told(out, to_people, asked["state"]))
