"""A request as it came over the wire: its bytes, never more than the limit, and its headers, doubles included.

Signatures cover the bytes as sent, so nothing is decompressed or parsed here; a body that claims an encoding is
refused, and with it every compression bomb.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from wsgiref.types import WSGIEnvironment

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]  # gunicorn has no types
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_content_length, get_input_stream, get_path_info

from service.errors import BadRequest, TooLarge
from service.web.errors import EncodedBody

# WSGI has one place for each header's name, and servers join the values of a repeated one by commas. A comma may well
# stand within a value, as in Standard Webhooks' signatures; a line feed cannot, as it would have ended the header.
_REPEATED = "\n"

_CHUNK_BYTES = 65_536

#: A sender that says nothing for this long has gone, and would keep one of few threads for ever.
_STALLED_AFTER_SECONDS = 10.0


def read_body(environ: WSGIEnvironment, limit_bytes: int) -> bytes:
    """The body. TooLarge without reading any of it when it says so itself, else after one byte too many."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise EncodedBody(f"the body is sent as {encoding[:40]!r}; send it without Content-Encoding")
    announced = get_content_length(environ)
    if announced is not None and announced > limit_bytes:
        raise _too_large(announced, limit_bytes)
    raw = _read(environ, limit_bytes + 1)
    if len(raw) > limit_bytes:
        raise _too_large(len(raw), limit_bytes)
    if announced is not None and len(raw) < announced:
        raise BadRequest(f"the body ended after {len(raw)} of {announced} bytes; send it again")
    return raw


def read_headers(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """Names in lower case and values, one pair for each time a header was sent.

    Behind a server without `mark_repeated_headers`, a repeated header is one value with commas in it: no signature, and
    no time or id that is signed, survives that, so it is refused all the same.
    """
    return list(_headers(environ))


def read_target(environ: WSGIEnvironment) -> str:
    """Path and query as they were sent, percent-encoding and all: what signatures that cover the address cover."""
    sent: str = environ.get("RAW_URI", "")
    if sent.startswith("/"):
        return sent
    query = environ.get("QUERY_STRING", "")
    return quote(get_path_info(environ)) + (f"?{query}" if query else "")


def mark_repeated_headers(_worker: Any, request: Any) -> None:
    """A hook for gunicorn, before it makes the WSGI environment of `request`: keep repeated values apart."""
    times = Counter(name for name, _ in request.headers)
    request.headers = [(name, value + _REPEATED if times[name] > 1 else value) for name, value in request.headers]


def _headers(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    if environ.get("CONTENT_TYPE"):
        yield "content-type", environ["CONTENT_TYPE"]
    for key, joined in environ.items():
        if key.startswith("HTTP_"):
            name = key.removeprefix("HTTP_").replace("_", "-").lower()
            values = joined.removesuffix(_REPEATED).split(_REPEATED + ",")
            yield from ((name, value) for value in values)


def _read(environ: WSGIEnvironment, limit_bytes: int) -> bytes:
    """At most `limit_bytes`; nothing where neither a length nor the server says where the body ends."""
    stream, parts, missing = get_input_stream(environ), [], limit_bytes
    try:
        with _giving_up_on_silence(environ):
            while missing and (part := stream.read(min(missing, _CHUNK_BYTES))):
                parts.append(part)
                missing -= len(part)
    except (OSError, ClientDisconnected, ParseException) as error:
        raise BadRequest("the body could not be read to its end; send it again") from error
    return b"".join(parts)


@contextmanager
def _giving_up_on_silence(environ: WSGIEnvironment) -> Iterator[None]:
    connection = environ.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(_STALLED_AFTER_SECONDS)
    try:
        yield
    finally:
        connection.settimeout(before)


def _too_large(size_bytes: int, limit_bytes: int) -> TooLarge:
    return TooLarge(
        f"the body has {size_bytes} bytes or more, the limit is {limit_bytes} (max_body_bytes)", size_bytes=size_bytes
    )
