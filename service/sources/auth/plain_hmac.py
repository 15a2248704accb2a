"""HMAC of the raw body in one header, as Loop, AfterShip, ShipHero and GitHub send it.

Neither time nor id is signed. A replay is harmless all the same: the body says what has been approved so far. The
delivery's key is made of the hash of what was signed, because an id that anybody can change must not let one delivery
pass for another; it is joined to the hash where a header for it is named, so that deliveries of one body can be told
apart.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime

from service.errors import Unauthentic
from service.settings import HmacAuth, Secret, SignatureEncoding, SignedForm
from service.sources.auth.proofs import delivery_key, id_headers, mac
from service.sources.base import Incoming, Verified, match_secret, require_header

_ESCAPE_OR_SLASH = re.compile(rb"\\.|/", re.DOTALL)


def verify(auth: HmacAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del now
    sent = require_header(incoming.headers, auth.header)
    if not sent.startswith(auth.prefix):
        raise Unauthentic(f"header {auth.header} does not start with {auth.prefix!r}", header=auth.header)
    signature = sent.removeprefix(auth.prefix)
    if auth.encoding is SignatureEncoding.HEX:
        signature = signature.lower()
    signed = _SIGNED_FORMS[auth.signed_form](incoming.raw)
    index = match_secret([signature.encode()], [_signature(auth, secret, signed) for secret in secrets])
    if index is None:
        raise Unauthentic("the signature matches none of the source's secrets")
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header, signed), secret_index=index)


def sign(auth: HmacAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    del now
    signature = _signature(auth, secret, _SIGNED_FORMS[auth.signed_form](unsigned.raw)).decode()
    return [(auth.header, auth.prefix + signature), *id_headers(auth.delivery_id_header, delivery_id)]


def _signature(auth: HmacAuth, secret: Secret, signed: bytes) -> bytes:
    digest = mac(secret, auth.algorithm, signed)
    return digest.hex().encode() if auth.encoding is SignatureEncoding.HEX else base64.b64encode(digest)


def _as_php_writes_json(raw: bytes) -> bytes:
    r"""Slashes as `\/`, no line breaks: outside a text they mean nothing, within one JSON has none."""
    one_line = raw.replace(b"\r", b"").replace(b"\n", b"")
    return _ESCAPE_OR_SLASH.sub(lambda found: rb"\/" if found[0] == b"/" else found[0], one_line)


_SIGNED_FORMS: Mapping[SignedForm, Callable[[bytes], bytes]] = {
    SignedForm.RAW: bytes,
    SignedForm.PHP_JSON: _as_php_writes_json,
}
