"""Who asks, and may they? A bearer key with scopes; the store keeps its digest alone.

Source: RFC 6750 §2.1. A key in the query would end up in somebody's access log, so it is not looked for there.
"""

from __future__ import annotations

from flask import g, request

from service.store import Key
from service.web.context import current_runtime
from service.web.errors import MissingScope, NoValidKey

#: Lists and single things, as stored and planned.
READ = "read"
#: Deliveries' raw bodies too, which may name customers.
RAW = "raw"


def require_key(scope: str) -> Key:
    """The key of this request; NoValidKey without one, MissingScope with one that may not."""
    key = _read_key()
    if scope not in key.scopes:
        raise MissingScope(scope)
    return key


def _read_key() -> Key:
    if "key" not in g:
        runtime = current_runtime()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = runtime.store.keys.check(token.strip(), runtime.clock()) if scheme.lower() == "bearer" else None
        if key is None:
            raise NoValidKey("no key, an unknown one or a revoked one")
        g.key = key
    known: Key = g.key
    return known
