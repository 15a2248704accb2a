"""The door for deliveries: bytes in, a durable row, and only then an answer that lets the sender forget them.

Answers: 202 stored · 200 known already · 401 not authentic · 404 no such source · 413 too large · 415 encoded ·
503 with Retry-After when it could not be stored. A body's sense is the worker's affair: what is authentic is kept.
A source may answer every stored delivery, known or new, in the one way its sender understands (success_status, _body).
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, request

from service.errors import TooLarge, UnknownSource
from service.flow.receive import receive, refuse
from service.settings import SourceSettings
from service.sources import Incoming
from service.store import Received, format_id
from service.web.context import current_runtime
from service.web.errors import EncodedBody
from service.web.wire import read_body, read_headers, read_target

blueprint = Blueprint("webhooks", __name__)

#: Refusals are counted by source for good; names that anybody can make up are counted as one.
UNKNOWN = "(unknown)"

_DEFAULT_STATUS = 202
_WITHOUT_BODY = (204, 205)


@blueprint.post("/webhooks/<source_name>")
def receive_delivery(source_name: str) -> Response:
    runtime = current_runtime()
    source = runtime.settings.sources.get(source_name)
    counted_as = UNKNOWN if source is None else source.name
    limit_bytes = (source or runtime.settings.service).max_body_bytes
    try:
        raw = read_body(request.environ, limit_bytes)
    except (TooLarge, EncodedBody) as refused:
        refuse(runtime, counted_as, refused, size_bytes=request.content_length or 0)
        raise
    if source is None:
        unknown = UnknownSource(f"there is no source called {source_name[:100]!r}", source=source_name[:100])
        refuse(runtime, counted_as, unknown, size_bytes=len(raw))
        raise unknown
    incoming = Incoming(
        raw=raw,
        headers=read_headers(request.environ),
        method=request.method,
        url=runtime.settings.service.public_url + read_target(request.environ),
        peer=request.environ.get("REMOTE_ADDR", ""),
    )
    return _answer(source, receive(runtime, source.name, incoming))


def _answer(source: SourceSettings, received: Received) -> Response:
    # Where the sender's idea of success was configured, it holds for redeliveries too: 200 would make it try again.
    is_known = received.duplicate and source.success_status == _DEFAULT_STATUS
    status = 200 if is_known else source.success_status
    ours = json.dumps(
        {"delivery_id": format_id("delivery", received.delivery_id), "duplicate": received.duplicate},
    )
    body = "" if status in _WITHOUT_BODY else source.success_body or ours
    return Response(body, status=status, content_type="application/json")
