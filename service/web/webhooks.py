"""The door for deliveries: bytes in, a durable row, and only then an answer that lets the sender forget them.

GET and OPTIONS are how some senders ask beforehand whether they are welcome.

Answers: 202 stored · 200 known already · 401 not authentic · 404 no such source · 413 too large · 415 encoded ·
503 with Retry-After when it could not be stored. A body's sense is the worker's affair: what is authentic is kept.
A source may answer every stored delivery, known or new, in the one way its sender understands (success_status, _body).
"""

from __future__ import annotations

import json
import re

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from service.errors import BadRequest, TooLarge, UnknownSource
from service.flow.receive import receive, refuse
from service.settings import AdobeEventsAuth, SourceSettings
from service.sources import Incoming
from service.store import Received, format_id
from service.web.context import current_runtime
from service.web.errors import EncodedBody
from service.web.wire import read_body, read_headers, read_target

blueprint = Blueprint("webhooks", __name__)

#: Refusals are counted by source for good; names that anybody can make up are counted as one.
UNKNOWN = "(unknown)"

#: Adobe's are UUIDs. Nothing else is sent back, so that nothing can be made of it.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ORIGIN = re.compile(r"[a-z0-9.:-]{1,255}")

_DEFAULT_STATUS = 202
_WITHOUT_BODY = (204, 205)


@blueprint.get("/webhooks/<source_name>")
def echo_challenge(source_name: str) -> Response:
    """Adobe asks whether the address is ours before it sends: the word comes back as it was.

    Source: developer.adobe.com/events/docs/guides/#the-challenge-request. Its other way, a posted `validationUrl` to be
    opened, is never taken: nothing that a request names is fetched.
    """
    source = current_runtime().settings.sources.get(source_name)
    challenge = request.args.get("challenge", "")
    if request.method == "HEAD" or not isinstance(source and source.auth, AdobeEventsAuth):
        raise MethodNotAllowed(["POST"])
    if not _CHALLENGE.fullmatch(challenge):
        raise BadRequest("a challenge is a word of letters, digits, - and _; nothing was sent that is one")
    return Response(challenge, content_type="text/plain")


@blueprint.route("/webhooks/<source_name>", methods=["OPTIONS"])
def shake_hands(source_name: str) -> Response:
    """Whether deliveries are wanted, for an origin that the operator named. Proves nothing: each one is still verified.

    Source: github.com/cloudevents/spec, http-webhook.md §4.
    """
    source = current_runtime().settings.sources.get(source_name)
    origin = request.headers.get("WebHook-Request-Origin", "").strip().lower()
    wanted = () if source is None else source.handshake_origins
    if not _ORIGIN.fullmatch(origin) or not {"*", origin} & {each.lower() for each in wanted}:
        raise MethodNotAllowed(["POST"])
    answer = {"Allow": "POST", "WebHook-Allowed-Origin": origin}
    if "WebHook-Request-Rate" in request.headers:
        answer["WebHook-Allowed-Rate"] = "*"
    return Response("", status=200, headers=answer)


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
