"""Lists in pages, newest first. The cursor is the id of the last thing shown, so that new arrivals move nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from flask import Response, jsonify, request
from marshmallow import Schema

from service.store import Kind, format_id
from service.web.api.queries import read_query
from service.web.api.shapes import dump_all


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


_Item = TypeVar("_Item", bound=_Numbered)


def answer_page(kind: Kind, read: Callable[..., Sequence[_Item]], query: Schema, shape: Schema) -> Response:
    """One page of what `read` gives for this request's query, and where the next one is; null on the last."""
    wanted = read_query(query)
    limit: int = wanted.pop("limit")
    # One more than is shown tells whether there is a next page.
    found = read(**wanted, limit=limit + 1)
    shown = found[:limit]
    next_page = _link(format_id(kind, shown[-1].id)) if len(found) > limit else None
    return jsonify({"items": dump_all(shape, shown), "next": next_page})


def _link(cursor: str) -> str:
    arguments: dict[str, Any] = {**request.args.to_dict(), "cursor": cursor}
    return f"{request.path}?{urlencode(arguments)}"
