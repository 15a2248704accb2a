"""Deliveries as files: kept on one machine, read again on another.

A file is one HTTP request as RFC 9112 §2 writes it: `POST /webhooks/NAME`, the headers, an empty line, and the body's
very bytes. Requests that were recorded elsewhere have that form already. A file that begins otherwise is a body alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import BadRequest
from service.sources.envelopes import QUERY
from service.store import Delivery, format_id

_REQUEST_LINE = re.compile(rb"(?:POST|PUT) (\S+)(?: HTTP/[0-9.]+)?\r?\n")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_WEBHOOK = re.compile(r".*/webhooks/([^/?#]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    #: By the address that it was posted to; None: the file does not say.
    source: str | None
    #: Doubles included; none for a body alone. The address's query stands among them, as with a stored delivery.
    headers: tuple[tuple[str, str], ...]
    body: bytes


def as_file(delivery: Delivery) -> bytes:
    """A stored delivery as a file: its bytes, and the headers that were kept of it (never a signature)."""
    headers = dict(with_its_body(delivery).headers)
    query = headers.pop(QUERY, "")
    address = f"/webhooks/{delivery.source}{'?' if query else ''}{query}"
    head = [
        f"POST {address} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*head, "", ""]).encode() + delivery.body


def with_its_body(delivery: Delivery) -> Delivery:
    """The same; BadRequest when its body was forgotten."""
    if delivery.purged_at is not None:
        raise BadRequest(
            f"the body of {format_id('delivery', delivery.id)} was forgotten ({delivery.purged_at:%Y-%m-%d})"
        )
    return delivery


def read_captured(content: bytes, file: str) -> Captured:
    """What a file holds; BadRequest when it begins as a request and does not go on as one."""
    first = _REQUEST_LINE.match(content)
    if first is None:
        return Captured(source=None, headers=(), body=content)
    head, gap, body = _split(content[first.end() :])
    if not gap:
        raise BadRequest(f"{file} begins as an HTTP request and has no empty line between headers and body")
    address, _, query = first[1].decode("ascii", "replace").partition("?")
    posted_to = _WEBHOOK.fullmatch(address)
    headers = tuple(_header(line, file) for line in head.decode("utf-8", "replace").splitlines())
    return Captured(
        source=None if posted_to is None else posted_to[1],
        headers=(*headers, (QUERY, query)) if query else headers,
        body=body,
    )


def _split(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Headers, the empty line after them, body; without any header the empty line comes first."""
    gap = re.search(rb"(?:\A|\r?\n)\r?\n", content)
    return (content, b"", b"") if gap is None else (content[: gap.start()], gap[0], content[gap.end() :])


def read_headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What --header was given; BadRequest for one that is none."""
    return tuple(_header(text, "--header") for text in texts)


def _header(line: str, where: str) -> tuple[str, str]:
    header = _HEADER.fullmatch(line)
    if header is None:
        raise BadRequest(f"{where}: {line[:60]!r} is no header; write it as NAME: VALUE")
    return header[1], header[2]
