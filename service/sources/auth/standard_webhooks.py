"""Standard Webhooks, version 1: HMAC-SHA256 over id, time and body.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md; Svix sends the same as `svix-*`.
Signatures are compared as text: what is not base64 then simply does not match. Versions we do not know are passed over,
as the specification asks, so that a sender can add one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime

from service.errors import Unauthentic
from service.settings import Secret, StandardWebhooksAuth
from service.sources.base import Headers, Incoming, Verified, match_secret, require_header, require_id

_NAME_PREFIXES = ("webhook", "svix")
_PARTS = ("id", "timestamp", "signature")
_VERSION = "v1"
#: Twelve digits reach the year 33658; without a limit, int() of a long text is slow or refused by Python.
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
#: A rotation has two; each further one costs a comparison per secret.
_MAX_SIGNATURES = 32


def verify(auth: StandardWebhooksAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    headers = incoming.headers
    prefix = _name_prefix(headers)
    delivery_id = require_id(require_header(headers, f"{prefix}-id"), f"{prefix}-id")
    timestamp = require_header(headers, f"{prefix}-timestamp")
    signatures = _signatures(require_header(headers, f"{prefix}-signature"))
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Unauthentic(f"{prefix}-timestamp is not a whole number of seconds")
    expected = [_signature(secret, delivery_id, timestamp, incoming.raw) for secret in secrets]
    index = match_secret(signatures, expected)
    if index is None:
        raise Unauthentic("no signature matches one of the source's secrets")
    age_seconds = now.timestamp() - int(timestamp)
    if abs(age_seconds) > auth.tolerance_seconds:
        raise Unauthentic(
            f"signed {abs(age_seconds):.0f} s {'ago' if age_seconds > 0 else 'in the future'}, "
            f"tolerated are {auth.tolerance_seconds}",
            age_seconds=age_seconds,
        )
    return Verified(delivery_key=delivery_id, secret_index=index)


def sign(
    auth: StandardWebhooksAuth, secret: Secret, raw: bytes, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    del auth
    timestamp = str(int(now.timestamp()))
    signature = _signature(secret, delivery_id, timestamp, raw).decode()
    return [
        ("webhook-id", delivery_id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", f"{_VERSION},{signature}"),
    ]


def _name_prefix(headers: Headers) -> str:
    sent = {name.lower() for name, _ in headers}
    used = [prefix for prefix in _NAME_PREFIXES if any(f"{prefix}-{part}" in sent for part in _PARTS)]
    if len(used) > 1:
        raise Unauthentic("webhook-* and svix-* headers are mixed")
    return used[0] if used else _NAME_PREFIXES[0]


def _signatures(text: str) -> list[bytes]:
    entries = text.split(" ")
    if len(entries) > _MAX_SIGNATURES:
        raise Unauthentic(f"{len(entries)} signatures, at most {_MAX_SIGNATURES} are looked at")
    return [value.encode() for version, _, value in (entry.partition(",") for entry in entries) if version == _VERSION]


def _signature(secret: Secret, delivery_id: str, timestamp: str, raw: bytes) -> bytes:
    signed = f"{delivery_id}.{timestamp}.".encode() + raw
    return base64.b64encode(hmac.new(secret.reveal_bytes(), signed, hashlib.sha256).digest())
