"""How an answer is written: JSON, XML, or the HTML page of a PHP that failed.

Source: recordings/malformed-requests.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from service.sandbox.documents import serialize
from service.sandbox.http import Answer

HTML = "text/html; charset=UTF-8"
_XML = "application/xml; charset=utf-8"
_ERROR_PAGE = (
    b"<!doctype html>\n<html><head><title>There has been an error processing your request</title></head>\n"
    b"<body><h1>There has been an error processing your request</h1></body></html>\n"
)

Render = Callable[[int, Any], Answer]


def choose_format(accept: str | None) -> Render | None:
    """By the Accept header, first match; None: Magento has nothing that would do, and fails over it."""
    if not accept:
        return _render_json
    for part in accept.split(","):
        wanted = part.partition(";")[0].strip().lower()
        if wanted in {"application/json", "*/*", "application/*"}:
            return _render_json
        if wanted in {"application/xml", "text/xml"}:
            return _render_xml
    return None


def render_error_page(status: int) -> Answer:
    return Answer(status=status, body=_ERROR_PAGE, content_type=HTML)


def _render_json(status: int, document: Any) -> Answer:
    return Answer(status=status, body=serialize(document))


def _render_xml(status: int, document: Any) -> Answer:
    text = f'<?xml version="1.0"?>\n<response>{_to_xml(document)}</response>\n'
    return Answer(status=status, body=text.encode(), content_type=_XML)


def _to_xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_to_xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_to_xml(part)}</item>" for part in value)
    return escape(json.loads(serialize(value)) if isinstance(value, str) else serialize(value).decode())
