"""The real processes: gunicorn, workers and the sandbox store, each of its own, to be killed and started again.

They run the commands `web`, `work` and `sandbox` as `refundry` does, with another clock. A fork server that has
imported the service starts them, because importing takes longer than a process lives here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from service.commands.invocation import Invocation
from service.commands.run import web_command, work_command
from service.sandbox.command import run_sandbox
from service.sandbox.order_specs import OrderSpec
from tests.torture.clock import FastClock

_COMMANDS = {"web": web_command, "work": work_command}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What every process is given."""

    folder: Path
    config_dir: Path
    environ: Mapping[str, str]
    clock: FastClock

    @property
    def invocation(self) -> Invocation:
        return Invocation(environ=self.environ, config_dir=self.config_dir, user="torture", clock=self.clock)


def _fork_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.torture.processes"])
    return context


@dataclass(kw_only=True, slots=True)
class Fleet:
    """Processes by name; a name begins with "web", or is a worker's."""

    setup: Setup
    context: ForkServerContext = field(default_factory=_fork_server)
    running: dict[str, ForkServerProcess] = field(default_factory=dict)
    kills: int = 0

    def start_sandbox(self, port: int, orders: Sequence[OrderSpec], magento_version: str) -> None:
        self._start("sandbox", _run_sandbox, (self.setup, port, tuple(orders), magento_version))

    def start(self, name: str) -> None:
        self._start(name, _run_command, (self.setup, "web" if name.startswith("web") else "work", name))

    def kill(self, name: str) -> None:
        """SIGKILL to a process and all that it forked, so that nobody is left to tidy up; it is gone on return."""
        process = self.running.pop(name)
        _kill_group(process)
        process.join()
        self.kills += 1

    def freeze(self, name: str) -> None:
        """SIGSTOP to a process and all that it forked, as a host that is paused or swaps itself to death."""
        os.killpg(self.pid(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        os.killpg(self.pid(name), signal.SIGCONT)

    def pid(self, name: str) -> int:
        pid = self.running[name].pid
        assert pid is not None
        return pid

    def kill_child(self, name: str) -> bool:
        """SIGKILL to one process that `name` forked (gunicorn's worker), which it will replace by itself."""
        children = _children_of(self.running[name])
        for pid in children[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
                return True
        return False

    def is_alive(self, name: str) -> bool:
        return self.running[name].is_alive()

    def stop(self) -> None:
        for process in self.running.values():
            _kill_group(process)
            process.join()
        self.running.clear()

    def _start(self, name, target, args) -> None:
        process = self.context.Process(target=target, args=args, name=name)
        process.start()
        self.running[name] = process


def _run_command(setup: Setup, command: str, name: str) -> None:
    _lead_a_group(setup.folder / f"{name}.log")
    _COMMANDS[command].main(args=[], obj=setup.invocation, standalone_mode=False)


def _run_sandbox(setup: Setup, port: int, orders: tuple[OrderSpec, ...], magento_version: str) -> None:
    _lead_a_group(setup.folder / "sandbox.log")
    run_sandbox(now=setup.clock(), echo=print, port=port, orders=orders, magento_version=magento_version)


def _lead_a_group(log_file: Path) -> None:
    """Killed together with all that it forks, and written about in a file of its own."""
    os.setpgid(0, 0)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.stdout.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _kill_group(process: ForkServerProcess) -> None:
    assert process.pid is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # killed before it led a group, or gone already
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _children_of(process: ForkServerProcess) -> list[int]:
    try:
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(pid) for pid in text.split()]
