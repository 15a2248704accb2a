"""Errors as answers: RFC 9457 problem details, with a stable `type`, a plain `detail` and what to do.

What a caller is told is a table. An error that is not the caller's says nothing of our insides, and one about a
signature nothing of its reason: the operator finds both in the log, by the request's id.
Source: https://www.rfc-editor.org/rfc/rfc9457.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RefundryError,
    StoreUnavailable,
    TooLarge,
    Unauthentic,
    UnknownSource,
    Unreadable,
)
from service.web.context import current_request_id
from service.web.errors import EncodedBody, NoValidKey

_log = logging.getLogger("refundry.web")

#: Senders back off by themselves from here; long enough for a restart of the database, short enough to lose no time.
_RETRY_AFTER_SECONDS = "30"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """What an error says to the caller. `detail` None: the error's own message, which is written for them."""

    title: str
    detail: str | None = None
    remedy: str | None = None


_TOLD: Mapping[type[Exception], _Told] = {
    Unauthentic: _Told(
        title="Not authentic",
        detail="The signature could not be verified.",
        remedy="Check the secret, the clock, and that the body is signed and sent byte for byte the same.",
    ),
    UnknownSource: _Told(
        title="Unknown source",
        detail="There is no source of this name.",
        remedy="Check the address: it ends with the name of a configured source.",
    ),
    NotFound: _Told(title="Not found"),
    BadRequest: _Told(title="Bad request"),
    NoValidKey: _Told(
        title="No valid key",
        detail="The API needs a key that is in use, as in: Authorization: Bearer rfd_…",
        remedy="Create one with: refundry keys create",
    ),
    EncodedBody: _Told(title="Encoded body"),
    TooLarge: _Told(title="Too large", remedy="Send less, or have the limit raised (max_body_bytes)."),
    Forbidden: _Told(title="Forbidden"),
    Conflict: _Told(title="Conflict", remedy="Look at it again, then decide."),
    Unreadable: _Told(title="Unreadable"),
    StoreUnavailable: _Told(
        title="Not available",
        detail="Nothing can be stored at the moment, and nothing was.",
        remedy="Send the same request again, after the time in Retry-After.",
    ),
    RefundryError: _Told(
        title="Internal error",
        detail="This service could not do it.",
        remedy="Try again; the operator finds the reason in the log, by the id in `instance`.",
    ),
}

#: Flask's own errors, by status; others say the status' usual phrase.
_TOLD_OF_STATUS: Mapping[int, tuple[str, _Told]] = {
    404: (
        "not-found",
        _Told(title="Not found", detail="There is nothing at this address.", remedy="See / for what is."),
    ),
    405: (
        "method-not-allowed",
        _Told(
            title="Method not allowed",
            detail="This address does not take this method.",
            remedy="Use one of those in the Allow header.",
        ),
    ),
    413: ("too-large", _Told(title="Too large", detail="The request is too large.", remedy="Send less.")),
}


def answer_errors_as_problems(app: Flask) -> None:
    """Every error that leaves a view of `app`, expected or not, becomes a problem document."""
    app.register_error_handler(RefundryError, _answer_ours)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_fault)


def _answer_ours(error: RefundryError) -> Response:
    level = logging.ERROR if error.status >= 500 else logging.INFO
    _log.log(
        level,
        "request refused",
        extra={"request_id": current_request_id(), "kind": error.kind, "status": error.status, "reason": error.message},
    )
    told = next(_TOLD[each] for each in type(error).__mro__ if each in _TOLD)
    response = _problem(error.status, error.kind, told, detail=told.detail or error.message)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = _RETRY_AFTER_SECONDS
    for name, value in getattr(error, "headers", {}).items():
        response.headers[name] = value
    return response


def _answer_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or 500)
    usual = (status.phrase.lower().replace(" ", "-"), _Told(title=status.phrase, detail=status.description or None))
    kind, told = _TOLD_OF_STATUS.get(status, usual)
    response = _problem(status, kind, told, detail=told.detail or told.title)
    # Of werkzeug's own headers only Allow says more than the document.
    allow = dict(error.get_headers()).get("Allow")
    if allow is not None:
        response.headers["Allow"] = allow
    return response


def _answer_fault(error: Exception) -> Response:
    _log.error("fault in a request", extra={"request_id": current_request_id()}, exc_info=error)
    told = _TOLD[RefundryError]
    return _problem(500, RefundryError.kind, told, detail=told.detail or told.title)


def _problem(status: int, kind: str, told: _Told, *, detail: str) -> Response:
    document = {
        "type": f"urn:refundry:problem:{kind}",
        "title": told.title,
        "status": int(status),
        "detail": detail,
        "remedy": told.remedy,
        "instance": f"urn:refundry:request:{current_request_id()}",
    }
    shown = {name: value for name, value in document.items() if value is not None}
    return Response(json.dumps(shown), status=int(status), content_type="application/problem+json")
