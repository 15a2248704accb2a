"""Where programs of npm's are installed: outside the repository, once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

NODE_RED = "node-red"
N8N = "n8n"
NODE_24 = "node"

#: Pinned, so that a figure belongs to a version. n8n needs a newer Node than Debian's; npm has that, too.
VERSIONS = {NODE_RED: "4.1.15", N8N: "2.40.7", NODE_24: "24.21.0"}

_PROGRAMS = {
    NODE_RED: "node_modules/node-red/red.js",
    N8N: "node_modules/n8n/bin/n8n",
    NODE_24: "node_modules/.bin/node",
}


def cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "refundry-bench"
    return Path(os.environ.get("BENCH_CACHE", default))


def installed(package: str) -> Path | None:
    """The program, where it was installed."""
    program = cache() / package / _PROGRAMS[package]
    return program if program.exists() else None


def install(package: str) -> None:
    """By npm, unless it is there; CalledProcessError with npm's own words when it cannot be."""
    if installed(package):
        return
    folder = cache() / package
    folder.mkdir(parents=True, exist_ok=True)
    wanted = f"{package}@{VERSIONS[package]}"
    subprocess.run(("npm", "install", "--prefix", str(folder), wanted), check=True, cwd=folder)
