"""Processes that are started for a measurement, each in a group of its own, and ended with all that they forked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """SIGKILL to it and to all that it forked, so that nobody is left to tidy up; it is gone on return."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, patience_seconds: float = 15.0) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience_seconds)
        self.kill()

    def cpu_seconds(self) -> float:
        """Spent so far by each process of its group that still lives."""
        return sum(cpu_seconds(pid) for pid in _group(self.process.pid))

    def resident_bytes(self) -> list[int]:
        """Of each process of its group, the largest first."""
        return sorted((resident_bytes(pid) for pid in _group(self.process.pid)), reverse=True)


def start(command: Sequence[str], *, folder: Path, name: str, environ: Mapping[str, str]) -> Running:
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environ), stdout=output, stderr=output, start_new_session=True
        )
    return Running(process=process, log=log)


@contextmanager
def running(command: Sequence[str], *, folder: Path, name: str, environ: Mapping[str, str]) -> Iterator[Running]:
    started = start(command, folder=folder, name=name, environ=environ)
    try:
        yield started
    finally:
        started.stop()


def wait_until(holds: Callable[[], bool], what: str, *, process: Running, seconds: float = 60.0) -> float:
    """Seconds until `holds`; RuntimeError with the process's last words when it never does."""
    began = time.perf_counter()
    while not holds():
        waited = time.perf_counter() - began
        if waited > seconds or process.process.poll() is not None:
            last = process.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{what} after {waited:.1f} s; the end of {process.log}:\n{last}")
        time.sleep(0.002)
    return time.perf_counter() - began


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def resident_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _group(leader: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    members = []
    for pid in pids:
        with suppress(OSError):
            if os.getpgid(pid) == leader:
                members.append(pid)
    return members
