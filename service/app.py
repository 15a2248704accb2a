"""The web application, and how this service writes its log.

gunicorn calls `create_app` in each web process after it has been forked, so what is opened here is opened once a
process. A configuration or a database that cannot be used ends the process at its start, not at its first webhook.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from service.runtime import Runtime, build_runtime
from service.settings import NoAuth, Settings, load_settings
from service.web import api, health, index, webhooks
from service.web.context import bind_runtime
from service.web.every_request import attend_every_request
from service.web.problems import answer_errors_as_problems

_log = logging.getLogger("refundry.web")

#: What every log record has anyway; the rest is what was given as `extra`.
_OF_EVERY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def create_app(runtime: Runtime | None = None) -> Flask:
    """The application for `runtime`; without one, for the configuration that the environment names."""
    if runtime is None:
        settings = load_settings(Path(os.environ.get("REFUNDRY_CONFIG_DIR", "config")), os.environ)
        configure_logging(settings.service.log_level)
        runtime = build_runtime(settings)
    app = Flask("service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = runtime.settings.service.max_body_bytes
    # A sender follows no redirect, or repeats a POST as a GET; an address is either right or not there.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    bind_runtime(app, runtime)
    _warn_of_open_doors(runtime.settings)
    attend_every_request(app)
    answer_errors_as_problems(app)
    for blueprint in (index.blueprint, webhooks.blueprint, health.blueprint):
        app.register_blueprint(blueprint)
    if runtime.settings.service.api:
        app.register_blueprint(api.blueprint)
    return app


def _warn_of_open_doors(settings: Settings) -> None:
    for source in settings.sources.values():
        if isinstance(source.auth, NoAuth):
            _log.warning(
                "INSECURE: anybody who finds this source's address may send returns, and a return is money",
                extra={"source": source.name, "remedy": "choose auth.scheme and delete insecure = true"},
            )


def configure_logging(level: str) -> None:
    """One JSON object a line on standard error, for web and worker alike."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message, then the fields given as `extra`, then a traceback.

    ASCII only: a line feed or an escape sequence in somebody's data is shown as what it is and never acted on.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD | line.keys()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
