"""The text of a secret → the key as its scheme uses it, and of which sort it is.

The sort decides what a key may prove: a public key is never taken for the secret of an HMAC, whatever a request says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from service.settings.secret_values import SecretUnusable
from service.settings.shapes import Fingerprint, PrivateKey, PublicKey, Secret
from service.settings.source_auth import (
    AdobeCommerceAuth,
    AdobeEventsAuth,
    ApiKeyAuth,
    BasicAuth,
    ClientCertificateAuth,
    HmacAuth,
    KeyEncoding,
    MessageSignatureAuth,
    NoAuth,
    Pin,
    SignatureAlgorithm,
    SourceAuth,
    StandardWebhooksAuth,
    TimestampedHmacAuth,
    TokenAuth,
)

#: What Standard Webhooks asks of a symmetric key: standard-webhooks/spec/standard-webhooks.md, "Signature scheme".
_STANDARD_WEBHOOKS_KEY_BYTES = range(24, 65)
_SECRET_PREFIX, _PUBLIC_PREFIX, _PRIVATE_PREFIX = "whsec_", "whpk_", "whsk_"

_ED25519_BYTES = 32

#: Points of small order, the sign bit aside: under such a "key" (all zeros is one) anybody's signature may hold.
#: Source: libsodium, ge25519_has_small_order.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)

#: NIST SP 800-131A: a shorter RSA key proves nothing any more.
_LEAST_RSA_BITS = 2048

#: How a token is written of which only the SHA-256 is known here.
_DIGEST_PREFIX = "sha256="
_DIGEST = re.compile(r"[0-9a-f]{64}")

#: What can be sent in a header: anything else would be a token that no request can hold.
_PRINTABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def decode_key(text: str, auth: SourceAuth, *, key_id: str = "") -> Secret:
    """The key as the scheme uses it; SecretUnusable when `text` is not such a key."""
    match auth:
        case StandardWebhooksAuth():
            return _standard_webhooks_key(text)
        case HmacAuth() | TimestampedHmacAuth():
            return Secret(_key_bytes(text, auth.key_encoding))
        case TokenAuth() | ApiKeyAuth():
            return _digest(text) or Secret(_header_text(text))
        case BasicAuth():
            return _digest(text) or Secret(_credentials(text))
        case AdobeEventsAuth() | AdobeCommerceAuth():
            return _rsa_key(text)
        case MessageSignatureAuth(signature_algorithm=SignatureAlgorithm.ED25519):
            return _ed25519_key(text, key_id)
        case MessageSignatureAuth():
            return Secret(_key_bytes(text, auth.key_encoding), key_id=key_id)
        case ClientCertificateAuth():
            return _fingerprint(text, auth.pin)
        case NoAuth():
            raise SecretUnusable('not used by scheme = "none"', "Delete it, or name the scheme that it belongs to")


def public_key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-256 of a certificate's SubjectPublicKeyInfo, as RFC 7469 pins it."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()


# --- shared secrets ---------------------------------------------------------------------------------------------------


def _standard_webhooks_key(text: str) -> Secret:
    if text.startswith((_PUBLIC_PREFIX, _PRIVATE_PREFIX)):
        return _ed25519_key(text, "")
    remedy = 'Copy it whole, as "whsec_…"; for a sender with plain-text secrets use auth.scheme = "hmac"'
    key = _base64(text.removeprefix(_SECRET_PREFIX), remedy)
    if len(key) not in _STANDARD_WEBHOOKS_KEY_BYTES:
        raise SecretUnusable(
            f"the secret has {len(key)} bytes, Standard Webhooks wants 24 to 64",
            "Make one with: echo whsec_$(openssl rand -base64 32)",
        )
    return Secret(key)


def _key_bytes(text: str, encoding: KeyEncoding) -> bytes:
    remedy = "Check auth.key_encoding"
    if encoding is KeyEncoding.UTF8:
        return text.encode()
    if encoding is KeyEncoding.BASE64:
        return _base64(text, remedy)
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise SecretUnusable("the secret is not hexadecimal", remedy) from error


def _base64(text: str, remedy: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretUnusable("the secret is not base64", remedy) from error


# --- words that are sent as they are ----------------------------------------------------------------------------------


def _digest(text: str) -> Fingerprint | None:
    if not text.startswith(_DIGEST_PREFIX):
        return None
    written = text.removeprefix(_DIGEST_PREFIX).lower()
    if not _DIGEST.fullmatch(written):
        raise SecretUnusable(
            "sha256= is not followed by 64 hexadecimal digits", "Print it: printf %s TOKEN | sha256sum"
        )
    return Fingerprint(bytes.fromhex(written))


def _header_text(text: str) -> str:
    if not _PRINTABLE.fullmatch(text):
        raise SecretUnusable("the token is not printable ASCII, so no header can hold it", "Ask the sender for another")
    return text


def _credentials(text: str) -> str:
    user, colon, _ = text.partition(":")
    if not user or not colon or any(ord(character) < 0x20 for character in text):
        raise SecretUnusable("the secret is not user:password", "Write both into it, with a colon between")
    return text


# --- key pairs --------------------------------------------------------------------------------------------------------


def _ed25519_key(text: str, key_id: str) -> Secret:
    """From whpk_… or whsk_… (the 32 bytes of the key, or seed and public key as libsodium writes them), or PEM."""
    if text.startswith("-----"):
        return _ed25519_from_pem(text, key_id)
    is_private = text.startswith(_PRIVATE_PREFIX)
    key = _base64(text.removeprefix(_PRIVATE_PREFIX).removeprefix(_PUBLIC_PREFIX), "Copy it whole, as whpk_…")
    if is_private and len(key) == 2 * _ED25519_BYTES:
        seed, public = key[:_ED25519_BYTES], key[_ED25519_BYTES:]
        if Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() != public:
            raise SecretUnusable("the two halves of the private key do not belong together", "Copy it whole")
        key = seed
    if len(key) != _ED25519_BYTES:
        raise SecretUnusable(f"the key has {len(key)} bytes, Ed25519's have {_ED25519_BYTES}", "Copy it whole")
    return PrivateKey(key, key_id=key_id) if is_private else _public_key(key, key_id)


def _ed25519_from_pem(text: str, key_id: str) -> Secret:
    key = _pem(text)
    if isinstance(key, Ed25519PrivateKey):
        return PrivateKey(key.private_bytes_raw(), key_id=key_id)
    if isinstance(key, Ed25519PublicKey):
        return _public_key(key.public_bytes_raw(), key_id)
    raise SecretUnusable("the key is not of Ed25519", "Ask the sender for its Ed25519 key")


def _public_key(key: bytes, key_id: str) -> PublicKey:
    if key[:-1] + bytes([key[-1] & 0x7F]) in _SMALL_ORDER:
        raise SecretUnusable("with this public key anybody's signature may hold", "Copy the sender's own")
    return PublicKey(key, key_id=key_id)


def _rsa_key(text: str) -> Secret:
    """From PEM, or the base64 that stands in a PEM file."""
    if text.startswith("-----"):
        key = _pem(text)
    else:
        remedy = 'Copy the whole file, with "-----BEGIN PUBLIC KEY-----"'
        key = _load(load_der_public_key, _base64("".join(text.split()), remedy), remedy)
    if not isinstance(key, RSAPrivateKey | RSAPublicKey):
        raise SecretUnusable("the key is not of RSA", "Download Adobe's key again")
    if key.key_size < _LEAST_RSA_BITS:
        raise SecretUnusable(f"the key has {key.key_size} bits, {_LEAST_RSA_BITS} are the least", "Use a longer one")
    if isinstance(key, RSAPrivateKey):
        return PrivateKey(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _pem(text: str) -> object:
    remedy = 'Copy the whole file, from "-----BEGIN" to the last "-----"'
    if "PRIVATE KEY" in text:
        return _load(lambda pem: load_pem_private_key(pem, password=None), text.encode(), remedy)
    if "CERTIFICATE" in text:
        return _load(x509.load_pem_x509_certificate, text.encode(), remedy)
    return _load(load_pem_public_key, text.encode(), remedy)


def _load(load: Callable[[bytes], object], content: bytes, remedy: str) -> object:
    try:
        return load(content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SecretUnusable("this is not a key that can be read", remedy) from error


# --- certificates -----------------------------------------------------------------------------------------------------


def _fingerprint(text: str, pin: Pin) -> Fingerprint:
    """From 64 hexadecimal digits, with or without colons, or from the certificate itself as PEM."""
    if text.startswith("-----"):
        certificate = _pem(text)
        if not isinstance(certificate, x509.Certificate):
            raise SecretUnusable("this is no certificate", "Write the sender's certificate, or its fingerprint")
        return Fingerprint(_certificate_pin(certificate, pin))
    digits = text.replace(":", "").lower()
    if not _DIGEST.fullmatch(digits):
        raise SecretUnusable(
            "a fingerprint is 64 hexadecimal digits", "Print it: openssl x509 -noout -fingerprint -sha256 -in FILE"
        )
    return Fingerprint(bytes.fromhex(digits))


def _certificate_pin(certificate: x509.Certificate, pin: Pin) -> bytes:
    if pin is Pin.PUBLIC_KEY:
        return public_key_hash(certificate)
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
