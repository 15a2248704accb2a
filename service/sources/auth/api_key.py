"""The same word each time, in a header of the sender's choice: X-Api-Key.

It proves who knows the word and nothing about the body; TLS has to do that.
"""

from __future__ import annotations

from datetime import datetime

from service.errors import Unauthentic
from service.settings import ApiKeyAuth, Secret
from service.sources.auth.proofs import delivery_key, id_headers, match_word, sendable
from service.sources.base import Incoming, Verified, require_header


def verify(auth: ApiKeyAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del now
    index = match_word(require_header(incoming.headers, auth.header).encode(), secrets)
    if index is None:
        raise Unauthentic("the key is none of the source's secrets")
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=index)


def sign(
    auth: ApiKeyAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    del unsigned, now
    return [(auth.header, sendable(secret)), *id_headers(auth.delivery_id_header, delivery_id)]
