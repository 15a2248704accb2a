"""What every request gets: an id, headers that keep browsers and caches from doing harm, and one line in the log.

The line says method, path without its query, status and time; never a body, a header or an address.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from secrets import token_hex

from flask import Flask, Response, g, request

from service.web.context import current_request_id

_log = logging.getLogger("refundry.web")

#: What a proxy's id may be; anything else could forge lines or fields in somebody's log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: A page that needs more (the console) sets its own. TLS is the proxy's, and so is Strict-Transport-Security.
_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

#: Asked every few seconds by machines.
_QUIET = ("/healthz", "/readyz")


def attend_every_request(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    sent = request.headers.get("X-Request-Id", "")
    g.request_id = sent if _REQUEST_ID.fullmatch(sent) else token_hex(16)
    g.began = time.monotonic()


def _end(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = current_request_id()
    _log.log(
        logging.DEBUG if request.path.startswith(_QUIET) else logging.INFO,
        "request answered",
        extra={
            "request_id": current_request_id(),
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "milliseconds": round((time.monotonic() - g.began) * 1000, 1),
        },
    )
    return response
