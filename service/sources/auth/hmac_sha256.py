"""HMAC-SHA256 of the raw body in one header, as Loop, AfterShip, ShipHero and GitHub send it.

Neither time nor id is signed. A replay is harmless all the same: the body says what has been approved so far. The
delivery's key is made of the body's hash, because an id that anybody can change must not let one delivery pass for
another; it is joined to the hash where a header for it is named, so that deliveries of one body can be told apart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from service.errors import Unauthentic
from service.settings import HmacAuth, Secret, SignatureEncoding
from service.sources.base import Headers, Incoming, Verified, match_secret, read_header, require_header, require_id


def verify(auth: HmacAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del now
    sent = require_header(incoming.headers, auth.header)
    if not sent.startswith(auth.prefix):
        raise Unauthentic(f"header {auth.header} does not start with {auth.prefix!r}", header=auth.header)
    signature = sent.removeprefix(auth.prefix)
    if auth.encoding is SignatureEncoding.HEX:
        signature = signature.lower()
    index = match_secret([signature.encode()], [_signature(auth, secret, incoming.raw) for secret in secrets])
    if index is None:
        raise Unauthentic("the signature matches none of the source's secrets")
    return Verified(delivery_key=_delivery_key(auth, incoming.raw, incoming.headers), secret_index=index)


def sign(auth: HmacAuth, secret: Secret, raw: bytes, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    del now
    headers = [(auth.header, auth.prefix + _signature(auth, secret, raw).decode())]
    if auth.delivery_id_header is not None:
        headers.append((auth.delivery_id_header, delivery_id))
    return headers


def _delivery_key(auth: HmacAuth, raw: bytes, headers: Headers) -> str:
    body_hash = hashlib.sha256(raw).hexdigest()
    delivery_id = None if auth.delivery_id_header is None else read_header(headers, auth.delivery_id_header)
    if auth.delivery_id_header is None or delivery_id is None:
        return body_hash
    return f"{require_id(delivery_id, auth.delivery_id_header)}:{body_hash}"


def _signature(auth: HmacAuth, secret: Secret, raw: bytes) -> bytes:
    mac = hmac.new(secret.reveal_bytes(), raw, hashlib.sha256)
    if auth.encoding is SignatureEncoding.HEX:
        return mac.hexdigest().encode()
    return base64.b64encode(mac.digest())
