"""Authorization: Bearer, the same token each time. Source: RFC 6750.

It proves who knows the token and nothing about the body; TLS has to do that.
"""

from __future__ import annotations

from datetime import datetime

from service.errors import Unauthentic
from service.settings import Secret, TokenAuth
from service.sources.auth.proofs import delivery_key, id_headers, match_word, sendable
from service.sources.base import Incoming, Verified, require_header

_HEADER = "Authorization"
_SCHEME = "bearer"


def verify(auth: TokenAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del now
    scheme, _, token = require_header(incoming.headers, _HEADER).partition(" ")
    if scheme.lower() != _SCHEME:
        raise Unauthentic("Authorization is not a Bearer token", header=_HEADER)
    index = match_word(token.encode(), secrets)
    if index is None:
        raise Unauthentic("the token is none of the source's secrets")
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=index)


def sign(auth: TokenAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    del unsigned, now
    return [(_HEADER, f"Bearer {sendable(secret)}"), *id_headers(auth.delivery_id_header, delivery_id)]
