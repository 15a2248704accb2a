"""Refundry as it is measured: its real processes with a configuration of their own, and the same without storage."""

from __future__ import annotations

import os
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.messages import SECRET_TEXT
from bench.processes import Running, free_port, is_listening, start, wait_until
from service.settings.shipped import shipped_file
from service.store import migrate

SOURCE = "bench"
PATH = f"/webhooks/{SOURCE}"

#: The access token that the store is asked with.
TOKEN = "token"  # noqa: S105 -- good on a loopback and nowhere else
#: The newest whose integration token is taken as bearer.
VERSION = "2.4.1"

_STORE = """
base_url = "{magento}"
token_env = "BENCH_TOKEN"
magento_version = "2.4.1"
"""

_SOURCE = """
kind = "canonical"
store = "main"
secrets_env = ["BENCH_SECRET"]

[auth]
scheme = "standard-webhooks"
"""


def gunicorn_words(port: int) -> tuple[str, ...]:
    """Our own web's settings as a command line, for another application."""
    defaults = tomllib.loads(shipped_file("defaults.toml").read_text(encoding="utf-8"))["service"]
    workers, threads = str(defaults["web_workers"]), str(defaults["web_threads"])
    return (
        *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", workers, "--threads", threads),
        *("--keep-alive", "30"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Refundry:
    folder: Path
    port: int
    database_url: str
    environ: Mapping[str, str]
    #: Of the service's clock.
    speed: float = 1
    began_at: float = field(default_factory=time.time)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_web(self, *, stores: bool = True, waits: bool = True) -> Running:
        """Gunicorn as `refundry web` runs it; without `stores` everything is the same, and nothing is written."""
        web = self._start("web", "web", *(() if stores else ("bench.without_storage",)))
        if waits:
            wait_until(lambda: is_listening(self.port), "the web does not listen", process=web)
        return web

    def start_worker(self) -> Running:
        return self._start("worker", "work")

    def _start(self, name: str, command: str, module: str = "service") -> Running:
        words = (module,) if self.speed == 1 else ("bench.hurried", str(self.speed), str(self.began_at))
        return start((sys.executable, "-m", *words, command), folder=self.folder, name=name, environ=self.environ)


def set_up(
    folder: Path, *, database_url: str | None = None, magento: str = "http://127.0.0.1:9", speed: float = 1
) -> Refundry:
    """A configuration and a migrated database in `folder`; SQLite on its disk unless `database_url` says otherwise."""
    config = folder / "config"
    for name in ("stores", "sources"):
        (config / name).mkdir(parents=True, exist_ok=True)
    (config / "stores" / "main.toml").write_text(_STORE.format(magento=magento))
    (config / "sources" / f"{SOURCE}.toml").write_text(_SOURCE)
    url = database_url or f"sqlite:///{folder / 'refundry.db'}"
    migrate(url)
    port = free_port()
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "REFUNDRY_CONFIG_DIR": str(config),
        "REFUNDRY__SERVICE__DATABASE_URL": url,
        "REFUNDRY__SERVICE__PORT": str(port),
        "BENCH_TOKEN": TOKEN,
        "BENCH_SECRET": SECRET_TEXT,
    }
    return Refundry(folder=folder, port=port, database_url=url, environ=environ, speed=speed)
