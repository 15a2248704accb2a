"""HMAC of time and body in one header, `t=1770000000,v1=<hex>`, several v1 while rotating, as Stripe sends it.

Source: docs.stripe.com/webhooks/signature. What is signed is the time, a full stop and the raw body. Other versions
(v0) are passed over, and so are keys that we do not know.
"""

from __future__ import annotations

from datetime import datetime

from service.errors import Unauthentic
from service.settings import Secret, TimestampedHmacAuth
from service.sources.auth.proofs import delivery_key, id_headers, mac, read_seconds, require_current
from service.sources.base import Incoming, Verified, match_secret, require_header

_TIME, _VERSION = "t", "v1"
#: A rotation has two signatures; each further one costs a comparison per secret.
_MAX_ENTRIES = 32


def verify(auth: TimestampedHmacAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    entries = require_header(incoming.headers, auth.header).split(",")
    if len(entries) > _MAX_ENTRIES:
        raise Unauthentic(f"{len(entries)} entries in {auth.header}, at most {_MAX_ENTRIES} are looked at")
    parted = [entry.partition("=") for entry in entries]
    times = [value for key, _, value in parted if key == _TIME]
    if len(times) != 1:
        raise Unauthentic(f"header {auth.header} has {len(times)} times (t=), not one", header=auth.header)
    signed_at = read_seconds(times[0], f"t in {auth.header}")
    signatures = [value.lower().encode() for key, _, value in parted if key == _VERSION]
    index = match_secret(signatures, [_signature(auth, secret, times[0], incoming.raw) for secret in secrets])
    if index is None:
        raise Unauthentic("no signature matches one of the source's secrets")
    require_current(signed_at, now, auth.tolerance_seconds)
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=index)


def sign(
    auth: TimestampedHmacAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    timestamp = str(int(now.timestamp()))
    signature = _signature(auth, secret, timestamp, unsigned.raw).decode()
    return [
        (auth.header, f"{_TIME}={timestamp},{_VERSION}={signature}"),
        *id_headers(auth.delivery_id_header, delivery_id),
    ]


def _signature(auth: TimestampedHmacAuth, secret: Secret, timestamp: str, raw: bytes) -> bytes:
    return mac(secret, auth.algorithm, f"{timestamp}.".encode() + raw).hex().encode()
