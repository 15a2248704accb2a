"""What a view works with: this process's runtime, and the request's id."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app, g

from service.runtime import Runtime

_EXTENSION = "refundry"


def bind_runtime(app: Flask, runtime: Runtime) -> None:
    app.extensions[_EXTENSION] = runtime


def current_runtime() -> Runtime:
    return cast("Runtime", current_app.extensions[_EXTENSION])


def current_request_id() -> str:
    return cast("str", g.request_id)
