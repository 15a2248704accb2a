"""gunicorn, set up for this service without a command line of its own.

Threads, because receiving a webhook is one short wait for the disk. A header whose name has an underscore is dropped
(gunicorn's default): WSGI could not tell it from one with a hyphen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn has no types
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # as above

from service.settings import Settings
from service.web.wire import mark_repeated_headers


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    service = settings.service
    host = f"[{service.host}]" if ":" in service.host else service.host
    return {
        "bind": f"{host}:{service.port}",
        "proc_name": "refundry-web",
        "worker_class": "gthread",
        "workers": service.web_workers,
        "threads": service.web_threads,
        # Longer than the idle time of the usual proxies' connections would need new ones for every webhook.
        "keepalive": 30,
        # A worker that does not answer its master for this long is stuck and replaced; requests may take their time.
        "timeout": 60,
        # Longer than a commit may wait for its turn, so that what is being received is received.
        "graceful_timeout": 30,
        "limit_request_line": 4094,
        "limit_request_fields": 64,
        "limit_request_field_size": 8190,
        # Each process connects for itself, after the fork.
        "preload_app": False,
        "pre_request": mark_repeated_headers,
        # No request says what its own path is: gunicorn's default lets those from this machine.
        "forwarder_headers": "",
        "logger_class": _LoggerOfOurs,
        # The service writes its own line for each request.
        "accesslog": None,
        # It would be a file in somebody's home directory.
        "control_socket_disable": True,
    }


def run_gunicorn(make_app: Callable[[], Flask], options: Mapping[str, Any]) -> None:
    """Serve until SIGTERM; `make_app` is called in each web process. Does not return: gunicorn ends the process."""
    _Server(make_app, options).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, make_app: Callable[[], Flask], options: Mapping[str, Any]) -> None:
        self._make_app = make_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            # A gunicorn older than the lock file's has fewer settings, and nothing to switch off.
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._make_app()


class _LoggerOfOurs(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own messages, written like all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
