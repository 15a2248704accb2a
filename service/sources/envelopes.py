"""Takes a body out of what it came in: JSON, a form, a CloudEvent. What a map looks at is {body, headers, params}.

The source's setting decides, never the sender's Content-Type; that chooses between the two forms of a CloudEvent alone.
A CloudEvent in either form is the same object: its context attributes, and its `data`. Several in one body are refused:
one of them could not be read without holding up the others. Source: cloudevents/spec, HTTP Protocol Binding §3.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urlsplit

from service.settings import EnvelopeFormat, SourceSettings
from service.sources.base import Document, Headers, Incoming, Limits
from service.sources.json_body import read_json_object
from service.sources.unreadable import unreadable

#: Where the query parameters that a map reads are kept with a delivery's headers. No sender can send such a name.
QUERY = ":query"

#: Kept of every delivery; of doubles the first.
_ALWAYS_KEPT = frozenset({"content-type", "webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp", "user-agent"})

_FORM = "application/x-www-form-urlencoded"
_CLOUDEVENTS = "application/cloudevents"
_CLOUDEVENTS_BATCH = "application/cloudevents-batch"
_CE = "ce-"
#: What every CloudEvent has.
_CONTEXT = ("specversion", "id", "source", "type")
_MAX_FIELDS = 1000
_ESCAPED = re.compile(r"\\(.)")


def open_envelope(source: SourceSettings, raw: bytes, headers: Headers, limits: Limits) -> Document:
    """What a delivery of `source` holds; Unreadable for everything else, never another exception."""
    sent: dict[str, str] = {}
    for name, value in headers:
        sent.setdefault(name.lower(), value)
    query = sent.pop(QUERY, "")
    params = dict(_pairs(query, "the query")) if query else {}
    return Document(body=_body(source, raw, sent, limits), headers=sent, params=params)


def _body(source: SourceSettings, raw: bytes, headers: Mapping[str, str], limits: Limits) -> dict[str, Any]:
    match source.envelope:
        case EnvelopeFormat.FORM:
            return _form(raw, headers, source.payload_field, limits)
        case EnvelopeFormat.CLOUDEVENTS:
            return _cloud_event(raw, headers, limits)
        case EnvelopeFormat.JSON:
            return read_json_object(raw, limits)


def keep(source: SourceSettings, incoming: Incoming) -> dict[str, str]:
    """What a later look at a delivery needs besides its body: never a signature, a token or an address."""
    wanted = _ALWAYS_KEPT | (source.map.headers if source.map is not None else frozenset())
    is_event = source.envelope is EnvelopeFormat.CLOUDEVENTS
    kept = {
        name.lower(): value
        for name, value in reversed(incoming.headers)
        if name.lower() in wanted or (is_event and name.lower().startswith(_CE))
    }
    params = source.map.params if source.map is not None else frozenset()
    if params and (asked := urlsplit(incoming.url).query):
        known = [(name, value) for name, value in parse_qsl(asked, keep_blank_values=True) if name in params]
        kept[QUERY] = urlencode(known)
    return kept


def unsigned_marks(source: SourceSettings, incoming: Incoming) -> str:
    """A digest of what a map reads beside the body; "" for nothing. Deliveries of one body differ in it."""
    read = {name: value for name, value in keep(source, incoming).items() if name not in _ALWAYS_KEPT}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16] if read else ""


def _form(raw: bytes, headers: Mapping[str, str], payload_field: str | None, limits: Limits) -> dict[str, Any]:
    if (content_type := _content_type(headers)) not in {_FORM, ""}:
        raise unreadable("content-type", content_type, "the source expects a form", f"Send {_FORM}, or set envelope")
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise unreadable("", None, "the form is not ASCII", "Percent-encode the fields' values") from error
    fields: dict[str, Any] = {}
    for name, value in _pairs(text, "the form"):
        if name in fields:
            raise unreadable(name, value, "stands twice in the form", "Send each field once")
        fields[name] = value
    if payload_field is None:
        return fields
    if payload_field not in fields:
        raise unreadable(payload_field, None, "missing in the form", "Send it, or set payload_field")
    return read_json_object(fields[payload_field].encode(), limits)


def _pairs(text: str, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise unreadable("", None, f"{where} is not name=value&… in UTF-8", "Send it as browsers send forms") from error


def _cloud_event(raw: bytes, headers: Mapping[str, str], limits: Limits) -> dict[str, Any]:
    content_type = _content_type(headers)
    if content_type.startswith(_CLOUDEVENTS_BATCH) or raw.lstrip()[:1] == b"[":
        raise unreadable("content-type", content_type, "several events in one body", "Have them sent one by one")
    body = read_json_object(raw, limits)
    attributes = {name.removeprefix(_CE): value for name, value in headers.items() if name.startswith(_CE)}
    if content_type.startswith(_CLOUDEVENTS) or not attributes:
        event = body
    else:
        event = {name: _attribute(name, value) for name, value in attributes.items()} | {"data": body}
    for name in _CONTEXT:
        if not isinstance(event.get(name), str) or not event[name]:
            raise unreadable(name, event.get(name), "missing in the CloudEvent", "Send CloudEvents 1.0 or set envelope")
    if "data_base64" in event:
        raise unreadable("data_base64", None, "the data is not JSON", "Send the data as JSON")
    return event


def _attribute(name: str, value: str) -> str:
    """A header's value as an attribute: quotes taken away, then one percent-decoding."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise unreadable(name, value, "not UTF-8 when percent-decoded", "Send CloudEvents 1.0") from error


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
