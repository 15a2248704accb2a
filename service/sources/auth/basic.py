"""Authorization: Basic, a user's name and password, as Narvar sends it. Source: RFC 7617.

The secret is `user:password` as a whole, so that a colon in the password needs no rule. It proves who knows it and
nothing about the body; TLS has to do that.
"""

from __future__ import annotations

import base64
from datetime import datetime

from service.errors import Unauthentic
from service.settings import BasicAuth, Secret
from service.sources.auth.proofs import decode_base64, delivery_key, id_headers, match_word, sendable
from service.sources.base import Incoming, Verified, require_header

_HEADER = "Authorization"
_SCHEME = "basic"


def verify(auth: BasicAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del now
    scheme, _, encoded = require_header(incoming.headers, _HEADER).partition(" ")
    credentials = decode_base64(encoded)
    if scheme.lower() != _SCHEME or credentials is None:
        raise Unauthentic("Authorization is not Basic credentials", header=_HEADER)
    index = match_word(credentials, secrets)
    if index is None:
        raise Unauthentic("user and password are none of the source's secrets")
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=index)


def sign(auth: BasicAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    del unsigned, now
    credentials = base64.b64encode(sendable(secret).encode()).decode()
    return [(_HEADER, f"Basic {credentials}"), *id_headers(auth.delivery_id_header, delivery_id)]
