"""The demo's stage: sandbox store, configuration, database and service, all of it temporary.

The service is the real one: `refundry serve` with gunicorn and a worker as processes of their own, on a configuration
directory that any other command can be pointed at while the demo stays up.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask, request

from service.commands.demo.scenarios import SCENARIOS
from service.errors import RefundryError
from service.sandbox.access import Integration
from service.sandbox.command import Sandbox, SandboxServer, build_sandbox
from service.sandbox.faults import parse_fault
from service.settings import Settings, load_settings, shipped_file
from service.store import migrate

_HOST = "127.0.0.1"

#: A cold start on a slow machine; the usual is two seconds.
_START_SECONDS = 30.0

#: Ending takes as long as the slowest request in flight, and the demo has none.
_END_SECONDS = 20.0

#: So that a lost answer is looked for while somebody watches.
_QUICKLY = {"retry_first_seconds": 1, "poll_seconds": 0.1}


class DidNotStart(RefundryError):
    """The service did not come up; the message says where its log is."""

    kind = "did-not-start"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    folder: Path
    config_dir: Path
    log_file: Path
    url: str
    shop_url: str
    settings: Settings
    sandbox: Sandbox
    #: The path of every refund call that reached the store, whatever was answered.
    refund_calls: list[str]


@contextmanager
def set_up(environ: Mapping[str, str], now: datetime) -> Iterator[Stage]:
    """The stage, ready for the first event; everything of it is gone afterwards, whatever happens meanwhile."""
    with ExitStack() as cleaning_up:
        folder = Path(cleaning_up.enter_context(TemporaryDirectory(prefix="refundry-demo-")))
        sandbox = build_sandbox(now=now, faults=[parse_fault(s.fault) for s in SCENARIOS if s.fault])
        app, refund_calls = _counting(sandbox)
        shop = cleaning_up.enter_context(SandboxServer(app))
        port = _free_port()
        integration = sandbox.store.access.integration
        config_dir = write_config(folder, shop_url=shop.url, integration=integration, port=port)
        settings = load_settings(config_dir, {})
        migrate(settings.service.database_url)
        stage = Stage(
            folder=folder,
            config_dir=config_dir,
            log_file=folder / "service.log",
            url=f"http://{_HOST}:{port}",
            shop_url=shop.url,
            settings=settings,
            sandbox=sandbox,
            refund_calls=refund_calls,
        )
        cleaning_up.enter_context(_service(stage, environ))
        yield stage


def _counting(sandbox: Sandbox) -> tuple[Flask, list[str]]:
    """The store's app, and the refund calls that it gets: the service's own account of them would prove little."""
    app = sandbox.app()
    calls: list[str] = []

    @app.before_request
    def count() -> None:
        if request.method == "POST" and request.path.endswith("/refund"):
            calls.append(request.path)

    return app, calls


# --- configuration ----------------------------------------------------------------------------------------------------


def write_config(folder: Path, *, shop_url: str, integration: Integration, port: int) -> Path:
    """A configuration directory from config/sandbox.toml, with fresh secrets in files of their own."""
    config_dir = folder / "config"
    content = tomllib.loads(shipped_file("sandbox.toml").read_text(encoding="utf-8"))
    database_url = f"sqlite:///{folder / 'refundry.db'}"
    service = {**content["service"], **_QUICKLY, "database_url": database_url, "host": _HOST, "port": port}
    _write(config_dir / "service.toml", _toml({**service, "log_level": "INFO"}))
    credentials = {
        "consumer_key": integration.consumer_key,
        "consumer_secret": integration.consumer_secret,
        "access_token": integration.token,
        "access_token_secret": integration.token_secret,
    }
    for key, secret in credentials.items():
        _write(config_dir / "secrets" / key, secret)
    for name, store in content["stores"].items():
        told = {key: value for key, value in store.items() if not key.endswith("_env")}
        files = {f"{key}_file": f"secrets/{key}" for key in credentials}
        _write(config_dir / "stores" / f"{name}.toml", _toml({**told, "base_url": shop_url, **files}))
    for name, source in content["sources"].items():
        _write(config_dir / "secrets" / name, f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")
        told = {key: value for key, value in source.items() if not key.endswith("_env")}
        _write(config_dir / "sources" / f"{name}.toml", _toml({**told, "secrets_file": [f"secrets/{name}"]}))
    return config_dir


def _toml(table: Mapping[str, Any], name: str = "") -> str:
    """A table of strings, numbers, lists and tables as TOML, which writes all but the last like JSON."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    inner = [_toml(value, f"{name}{key}.") for key, value in table.items() if isinstance(value, dict)]
    head = [f"\n[{name.rstrip('.')}]"] if name else []
    return "\n".join([*head, *plain, *inner]) + "\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


# --- the service ------------------------------------------------------------------------------------------------------


@contextmanager
def _service(stage: Stage, environ: Mapping[str, str]) -> Iterator[None]:
    command = (sys.executable, "-m", "service", "--config-dir", str(stage.config_dir), "serve")
    ours = {name: value for name, value in environ.items() if not name.startswith("REFUNDRY_")}
    with stage.log_file.open("wb") as log:
        # A process group of its own: Ctrl-C reaches the demo alone, which ends the service in order.
        process = subprocess.Popen(command, env=ours, stdout=log, stderr=log, process_group=0)  # noqa: S603 -- our own words
        try:
            _wait_until_ready(process, stage)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], stage: Stage) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{stage.url}/readyz", timeout=2):  # noqa: S310 -- our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    last = "\n".join(stage.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
    raise DidNotStart(f"the service did not come up; the end of its log:\n{last}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
