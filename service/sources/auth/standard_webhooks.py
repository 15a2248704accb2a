"""Standard Webhooks: HMAC-SHA256 (v1) or Ed25519 (v1a) over id, time and body.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md; Svix sends the same as `svix-*`.
The sort of our key decides which of the two a signature has to be: a public key is no secret of an HMAC. Versions we do
not know are passed over, as the specification asks, so that a sender can add one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime

from service.errors import Unauthentic
from service.settings import HashAlgorithm, Secret, StandardWebhooksAuth
from service.sources.auth.proofs import (
    decode_base64,
    ed25519_matches,
    ed25519_sign,
    is_key_pair,
    mac,
    read_seconds,
    require_current,
)
from service.sources.base import Headers, Incoming, Verified, match_secret, require_header, require_id

_NAME_PREFIXES = ("webhook", "svix")
_PARTS = ("id", "timestamp", "signature")
_SYMMETRIC, _ASYMMETRIC = "v1", "v1a"
#: A rotation has two; each further one costs a comparison per secret.
_MAX_SIGNATURES = 32
#: Checking one costs a thousand comparisons.
_MAX_ASYMMETRIC_SIGNATURES = 4


def verify(auth: StandardWebhooksAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    headers = incoming.headers
    prefix = _name_prefix(headers)
    delivery_id = require_id(require_header(headers, f"{prefix}-id"), f"{prefix}-id")
    timestamp = require_header(headers, f"{prefix}-timestamp")
    signatures = _signatures(require_header(headers, f"{prefix}-signature"))
    signed_at = read_seconds(timestamp, f"{prefix}-timestamp")
    index = _matching_secret(secrets, signatures, _signed(delivery_id, timestamp, incoming.raw))
    if index is None:
        raise Unauthentic("no signature matches one of the source's secrets")
    require_current(signed_at, now, auth.tolerance_seconds)
    return Verified(delivery_key=delivery_id, secret_index=index)


def sign(
    auth: StandardWebhooksAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    del auth
    timestamp = str(int(now.timestamp()))
    signed = _signed(delivery_id, timestamp, unsigned.raw)
    if is_key_pair(secret):
        signature = f"{_ASYMMETRIC},{base64.b64encode(ed25519_sign(secret, signed)).decode()}"
    else:
        signature = f"{_SYMMETRIC},{_signature(secret, signed).decode()}"
    return [("webhook-id", delivery_id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]


def _name_prefix(headers: Headers) -> str:
    sent = {name.lower() for name, _ in headers}
    used = [prefix for prefix in _NAME_PREFIXES if any(f"{prefix}-{part}" in sent for part in _PARTS)]
    if len(used) > 1:
        raise Unauthentic("webhook-* and svix-* headers are mixed")
    return used[0] if used else _NAME_PREFIXES[0]


def _signatures(text: str) -> list[tuple[str, str]]:
    """(version, signature) of each entry."""
    entries = text.split(" ")
    if len(entries) > _MAX_SIGNATURES:
        raise Unauthentic(f"{len(entries)} signatures, at most {_MAX_SIGNATURES} are looked at")
    parted = [entry.partition(",") for entry in entries]
    return [(version, signature) for version, _, signature in parted]


def _matching_secret(secrets: Sequence[Secret], signatures: Sequence[tuple[str, str]], signed: bytes) -> int | None:
    # Compared as text: what is not base64 then simply does not match.
    symmetric = [signature.encode() for version, signature in signatures if version == _SYMMETRIC]
    asymmetric = [decode_base64(signature) for version, signature in signatures if version == _ASYMMETRIC]
    if len(asymmetric) > _MAX_ASYMMETRIC_SIGNATURES:
        raise Unauthentic(f"{len(asymmetric)} v1a signatures, at most {_MAX_ASYMMETRIC_SIGNATURES} are looked at")
    shared = [index for index, secret in enumerate(secrets) if not is_key_pair(secret)]
    match = match_secret(symmetric, [_signature(secrets[index], signed) for index in shared])
    if match is not None:
        return shared[match]
    return next(
        (
            index
            for index, secret in enumerate(secrets)
            for signature in asymmetric
            if is_key_pair(secret) and signature is not None and ed25519_matches(secret, signature, signed)
        ),
        None,
    )


def _signed(delivery_id: str, timestamp: str, raw: bytes) -> bytes:
    return f"{delivery_id}.{timestamp}.".encode() + raw


def _signature(secret: Secret, signed: bytes) -> bytes:
    return base64.b64encode(mac(secret, HashAlgorithm.SHA256, signed))
