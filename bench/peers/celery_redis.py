"""Flask under gunicorn with our settings, Celery with four processes, and Debian's redis-server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench.messages import SECRET
from bench.ours import gunicorn_words
from bench.processes import Running, free_port, is_listening, start, wait_until

_REDIS = "redis-server"


def missing() -> str | None:
    """Why it cannot be measured here; None when it can."""
    if shutil.which(_REDIS) is None:
        return "redis-server is not installed: apt-get install redis-server"
    if importlib.util.find_spec("celery") is None:
        return "celery is not installed: pip install --require-hashes -r requirements-bench.lock"
    return None


@dataclass(kw_only=True, slots=True)
class CeleryAndRedis:
    folder: Path
    store: str
    durable: bool
    port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    parts: dict[str, Running] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "BENCH_SECRET": SECRET.decode(),
            "BENCH_STORE": self.store,
            "BENCH_BROKER": f"redis://127.0.0.1:{self.redis_port}/0",
            "BENCH_DURABLE": "1" if self.durable else "0",
        }

    def start(self, *, works: bool = True) -> None:
        self.start_broker()
        self.start_receiver(works=works)

    def start_broker(self) -> None:
        # Debian's own settings, but for the port and the folder; the last line is what its manual calls safest.
        safest = ("--appendonly", "yes", "--appendfsync", "always") if self.durable else ()
        debian = ("/etc/redis/redis.conf",) if os.access("/etc/redis/redis.conf", os.R_OK) else ()
        ours = ("--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--daemonize", "no")
        quiet = ("--pidfile", str(self.folder / "redis.pid"), "--logfile", "", "--supervised", "no")
        redis = self._start("redis", (_REDIS, *debian, *ours, *quiet, *safest))
        wait_until(lambda: is_listening(self.redis_port), "redis does not listen", process=redis)

    def start_receiver(self, *, works: bool = True) -> None:
        python = (sys.executable, "-m")
        web = self._start("web", (*python, "gunicorn", *gunicorn_words(self.port), "bench.peers.celery_app:app"))
        if works:
            worker = self._start(
                "worker",
                (*python, "celery", "-A", "bench.peers.celery_app:tasks", "worker", "-c", "4", "--loglevel", "INFO"),
            )
            wait_until(lambda: b" ready." in worker.log.read_bytes(), "Celery does not start", process=worker)
        wait_until(lambda: is_listening(self.port), "gunicorn does not listen", process=web)

    def kill_receiver(self) -> None:
        self._kill("web", "worker")

    def kill_broker(self) -> None:
        self._kill("redis")

    def stop(self) -> None:
        for part in self.parts.values():
            part.stop()
        self.parts.clear()

    def resident_bytes(self) -> int:
        return sum(sum(part.resident_bytes()) for part in self.parts.values())

    def _start(self, name: str, command: tuple[str, ...]) -> Running:
        self.parts[name] = start(command, folder=self.folder, name=name, environ=self.environ)
        return self.parts[name]

    def _kill(self, *names: str) -> None:
        for name in names:
            if name in self.parts:
                self.parts.pop(name).kill()
