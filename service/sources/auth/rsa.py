"""RSA signatures as Adobe makes them: PKCS #1 v1.5 with SHA-256, in base64."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from service.settings import PrivateKey, Secret
from service.sources.auth.proofs import decode_base64, private_key

#: As many keys as any source has.
_KEYS_KEPT = 64


def matching_key(secrets: Sequence[Secret], signatures: Sequence[str], signed: bytes) -> int | None:
    """Which key made one of the `signatures` of `signed`; None: none of them."""
    decoded = [decode_base64(signature) for signature in signatures]
    return next(
        (
            index
            for index, secret in enumerate(secrets)
            for signature in decoded
            if signature is not None and _matches(secret, signature, signed)
        ),
        None,
    )


def rsa_sign(secret: Secret, signed: bytes) -> str:
    return base64.b64encode(_private_key(private_key(secret)).sign(signed, PKCS1v15(), SHA256())).decode()


def _matches(secret: Secret, signature: bytes, signed: bytes) -> bool:
    try:
        _public_key(secret.reveal_bytes(), is_private=isinstance(secret, PrivateKey)).verify(
            signature, signed, PKCS1v15(), SHA256()
        )
    except InvalidSignature:
        return False
    return True


@lru_cache(_KEYS_KEPT)
def _public_key(der: bytes, *, is_private: bool) -> RSAPublicKey:
    key = _private_key(der).public_key() if is_private else load_der_public_key(der)
    assert isinstance(key, RSAPublicKey)
    return key


@lru_cache(_KEYS_KEPT)
def _private_key(der: bytes) -> RSAPrivateKey:
    # Loading it takes fifty times what a signature does, as its numbers are checked.
    key = load_der_private_key(der, password=None)
    assert isinstance(key, RSAPrivateKey)
    return key
