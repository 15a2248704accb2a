"""What several schemes do alike: the age of a signature, strict base64, MACs, words, and a delivery's key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.errors import BadRequest, Unauthentic
from service.settings import Fingerprint, HashAlgorithm, PrivateKey, PublicKey, Secret
from service.sources.base import Incoming, read_header, require_id

_HASHES = {HashAlgorithm.SHA256: hashlib.sha256, HashAlgorithm.SHA512: hashlib.sha512, HashAlgorithm.SHA1: hashlib.sha1}

#: Twelve digits reach the year 33658; without a limit, int() of a long text is slow or refused by Python.
_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}")

#: As many keys as any source has; each takes some hundred bytes.
_KEYS_KEPT = 256


def read_seconds(text: str, name: str) -> int:
    """A time as whole seconds since 1970, in its one spelling: what was signed is what is read."""
    if not _SECONDS.fullmatch(text):
        raise Unauthentic(f"{name} is not a whole number of seconds")
    return int(text)


def require_current(signed_at: int, now: datetime, tolerance_seconds: int) -> None:
    age_seconds = now.timestamp() - signed_at
    if abs(age_seconds) > tolerance_seconds:
        raise Unauthentic(
            f"signed {abs(age_seconds):.0f} s {'ago' if age_seconds > 0 else 'in the future'}, "
            f"tolerated are {tolerance_seconds}",
            age_seconds=age_seconds,
        )


def mac(secret: Secret, algorithm: HashAlgorithm, signed: bytes) -> bytes:
    return hmac.new(secret.reveal_bytes(), signed, _HASHES[algorithm]).digest()


def decode_base64(text: str) -> bytes | None:
    """The bytes, or None: what has another alphabet, spaces or a spelling that no encoder writes is no base64."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(decoded) == text.encode() else None


def delivery_key(incoming: Incoming, delivery_id_header: str | None, signed: bytes | None = None) -> str:
    """The body's hash, joined to the id where a header for it is named and was sent.

    Never the id alone: nobody signed it, and one delivery could pass for another. `signed`: what was signed of the
    body, where that is not the body itself.
    """
    body_hash = hashlib.sha256(incoming.raw if signed is None else signed).hexdigest()
    delivery_id = None if delivery_id_header is None else read_header(incoming.headers, delivery_id_header)
    if delivery_id_header is None or delivery_id is None:
        return body_hash
    return f"{require_id(delivery_id, delivery_id_header)}:{body_hash}"


def id_headers(delivery_id_header: str | None, delivery_id: str) -> list[tuple[str, str]]:
    return [] if delivery_id_header is None else [(delivery_id_header, delivery_id)]


def match_word(sent: bytes, secrets: Iterable[Secret]) -> int | None:
    """Which secret `sent` is. Hashes are compared: they are equally long, and of some secrets nothing else is known."""
    shown = hashlib.sha256(sent).digest()
    matches = [hmac.compare_digest(shown, _hash_of(secret)) for secret in secrets]
    return matches.index(True) if True in matches else None


def sendable(secret: Secret) -> str:
    """The secret as a sender would write it; BadRequest where only its hash is known."""
    if isinstance(secret, Fingerprint):
        raise BadRequest("only the SHA-256 of this source's secret is known here; what is sent cannot be made from it")
    return secret.reveal()


def private_key(secret: Secret) -> bytes:
    """What to sign with; BadRequest where only the public half is known."""
    if not isinstance(secret, PrivateKey):
        raise BadRequest(
            "this source's key is public: it proves signatures and cannot make them; sign with the sender's"
        )
    return secret.reveal_bytes()


def ed25519_sign(secret: Secret, signed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private_key(secret)).sign(signed)


def ed25519_matches(secret: Secret, signature: bytes, signed: bytes) -> bool:
    try:
        _ed25519_public_key(secret.reveal_bytes(), is_private=isinstance(secret, PrivateKey)).verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def is_key_pair(secret: Secret) -> bool:
    return isinstance(secret, PublicKey | PrivateKey)


@lru_cache(_KEYS_KEPT)
def _ed25519_public_key(key: bytes, *, is_private: bool) -> Ed25519PublicKey:
    return (
        Ed25519PrivateKey.from_private_bytes(key).public_key()
        if is_private
        else Ed25519PublicKey.from_public_bytes(key)
    )


def _hash_of(secret: Secret) -> bytes:
    if isinstance(secret, Fingerprint):
        return secret.reveal_bytes()
    return hashlib.sha256(secret.reveal_bytes()).digest()
