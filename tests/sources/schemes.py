"""Every scheme as its sender uses it: two secrets, and the request it writes. What all of them keep to is in
test_auth_contract.py; a scheme that is not here fails there.

The RSA keys are new in each run: a key pair that stands in a file is a secret in a file.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_network
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from service.settings import (
    AdobeCommerceAuth,
    AdobeEventsAuth,
    ApiKeyAuth,
    BasicAuth,
    CertificateForm,
    ClientCertificateAuth,
    Fingerprint,
    HashAlgorithm,
    HmacAuth,
    MessageSignatureAuth,
    NoAuth,
    Pin,
    PrivateKey,
    Secret,
    SignatureAlgorithm,
    SignatureEncoding,
    SignedForm,
    SourceAuth,
    StandardWebhooksAuth,
    TimestampedHmacAuth,
    TokenAuth,
)
from service.settings.keys import public_key_hash
from service.sources import Incoming, sign
from tests.sources.given import BODY, CURRENT_KEY, MESSAGE_ID, NOW, OLD_KEY, a_source

URL = "https://hooks.example.com/v1/sources/wms-eu"
PROXY = "10.0.0.5"
PROXIES = (ip_network("10.0.0.0/24"),)
CLIENT_ID = "ca7b36f23be9000000000000000000aa"

CURRENT_SEED, OLD_SEED = b"\x07" * 32, b"\x08" * 32

#: wms-eu-1, of the Ed25519 key with the seed 07 × 32; valid 2026 to 2036.
CERTIFICATE = base64.b64decode(
    "MIHTMIGGoAMCAQICAhCSMAUGAytlcDATMREwDwYDVQQDDAh3bXMtZXUtMTAeFw0yNjAxMDEwMDAwMDBaFw0zNjAxMDEwMDAwMDBaMBMxETAPBgNVBAMM"
    "CHdtcy1ldS0xMCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iwwBQYDK2VwA0EACYZM4BM+Y7JzdqqFVqDCd5DUR+byvwpw"
    "DxvI5fN9s4UpBdlweGsSD1ixhE+/mHMBcHZajNepjt4Sir37QWz2Bw=="
)


@cache
def a_certificate(
    seed: bytes, since: datetime = datetime(2026, 1, 1, tzinfo=UTC), until: datetime = datetime(2036, 1, 1, tzinfo=UTC)
) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wms-eu-1")])
    builder = x509.CertificateBuilder(
        issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=4243
    )
    certificate = builder.not_valid_before(since).not_valid_after(until).sign(key, None)
    return certificate.public_bytes(Encoding.DER)


@cache
def an_rsa_key(number: int) -> PrivateKey:
    del number
    key = generate_private_key(65537, 2048)
    return PrivateKey(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def an_event_for(client_id: str = CLIENT_ID) -> bytes:
    return b'{"recipient_client_id":"%s","data":{"value":{"status":"approved"}}}' % client_id.encode()


@dataclass(frozen=True, kw_only=True)
class Sender:
    auth: SourceAuth
    #: The header that carries the proof.
    proof: str
    current: Callable[[], Secret] = lambda: Secret(CURRENT_KEY)
    old: Callable[[], Secret] = lambda: Secret(OLD_KEY)
    body: bytes = BODY
    #: For proofs that a secret of ours cannot make: (the scheme, the secret's number) → headers.
    shows: Callable[[int], list[tuple[str, str]]] | None = None
    #: What the value of the proof's header starts with, where that is no part of the proof.
    prefix: str = ""
    request: dict[str, str] = field(default_factory=lambda: {"url": URL, "peer": PROXY})

    def source(self, *numbers: int):
        """A source that takes the current secret (0), the old one (1), or both."""
        made = (self.current, self.old)
        return replace(a_source(self.auth), secrets=tuple(made[number]() for number in numbers or (0,)))

    def sends(self, body: bytes | None = None, *, secret: int = 0, at: datetime = NOW, delivery_id: str = MESSAGE_ID):
        body = self.body if body is None else body
        always = [("Content-Type", "application/json")]
        if self.shows is not None:
            headers = self.shows(secret)
        else:
            headers = sign(self.source(secret), body, at, delivery_id, url=URL, headers=always)
        return Incoming(raw=body, headers=[*always, *headers], **self.request)


def _envoy(number: int) -> list[tuple[str, str]]:
    shown = hashlib.sha256(_certificates(number)).hexdigest()
    return [("X-Forwarded-Client-Cert", f'By=spiffe://a/b;Hash={shown};Subject="CN=wms-eu-1,O=\\"A;B\\"";URI=')]


def _client_cert(number: int) -> list[tuple[str, str]]:
    return [("Client-Cert", f":{base64.b64encode(_certificates(number)).decode()}:")]


def _nginx(number: int) -> list[tuple[str, str]]:
    pem = x509.load_der_x509_certificate(_certificates(number)).public_bytes(Encoding.PEM)
    return [("X-Client-Cert", quote(pem.decode(), safe=""))]


def _certificates(number: int) -> bytes:
    return a_certificate(OLD_SEED) if number else CERTIFICATE


def _certificate_hash(number: int) -> Callable[[], Secret]:
    return lambda: Fingerprint(hashlib.sha256(_certificates(number)).digest())


def _key_hash(number: int) -> Callable[[], Secret]:
    return lambda: Fingerprint(public_key_hash(x509.load_der_x509_certificate(_certificates(number))))


def _words(current: str, old: str) -> dict[str, Callable[[], Secret]]:
    return {"current": lambda: Secret(current), "old": lambda: Secret(old)}


TOKENS = _words("rtn_live_3f9c2a7d51b84e06", "rtn_live_0000000000000000")
SEEDS = {
    "current": lambda: PrivateKey(CURRENT_SEED, key_id="wms-eu-ed"),
    "old": lambda: PrivateKey(OLD_SEED, key_id="wms-eu-old"),
}
RSA_KEYS = {"current": lambda: an_rsa_key(0), "old": lambda: an_rsa_key(1)}
NAMED_KEYS = {
    "current": lambda: Secret(CURRENT_KEY, key_id="wms-eu-1"),
    "old": lambda: Secret(OLD_KEY, key_id="wms-eu-0"),
}
BASE64 = SignatureEncoding.BASE64

SENDERS: dict[str, Sender] = {
    "standard-webhooks v1": Sender(auth=StandardWebhooksAuth(), proof="webhook-signature", prefix="v1,"),
    "standard-webhooks v1a": Sender(auth=StandardWebhooksAuth(), proof="webhook-signature", prefix="v1a,", **SEEDS),
    "hmac hex": Sender(
        auth=HmacAuth(header="X-Hub-Signature-256", prefix="sha256="), proof="X-Hub-Signature-256", prefix="sha256="
    ),
    "hmac base64": Sender(auth=HmacAuth(header="X-Loop-Signature", encoding=BASE64), proof="X-Loop-Signature"),
    "hmac sha512": Sender(
        auth=HmacAuth(header="X-Signature", algorithm=HashAlgorithm.SHA512, encoding=BASE64), proof="X-Signature"
    ),
    "hmac sha1": Sender(
        auth=HmacAuth(header="X-Hub-Signature", algorithm=HashAlgorithm.SHA1, prefix="sha1="),
        proof="X-Hub-Signature",
        prefix="sha1=",
    ),
    "hmac of php's json": Sender(
        auth=HmacAuth(header="X-Signature", signed_form=SignedForm.PHP_JSON), proof="X-Signature"
    ),
    "hmac with delivery id": Sender(
        auth=HmacAuth(header="X-Signature", delivery_id_header="X-Delivery-Id"), proof="X-Signature"
    ),
    "timestamped-hmac": Sender(auth=TimestampedHmacAuth(header="Stripe-Signature"), proof="Stripe-Signature"),
    "bearer": Sender(auth=TokenAuth(), proof="Authorization", prefix="Bearer ", **TOKENS),
    "api-key": Sender(auth=ApiKeyAuth(header="X-Api-Key"), proof="X-Api-Key", **TOKENS),
    "basic": Sender(
        auth=BasicAuth(), proof="Authorization", prefix="Basic ", **_words("narvar:s3cr:et", "narvar:before")
    ),
    "adobe-rsa": Sender(
        auth=AdobeEventsAuth(recipient_client_id=CLIENT_ID),
        proof="x-adobe-digital-signature-1",
        body=an_event_for(),
        **RSA_KEYS,
    ),
    "adobe-commerce-rsa": Sender(auth=AdobeCommerceAuth(), proof="x-adobe-commerce-webhook-signature", **RSA_KEYS),
    "rfc9421 hmac-sha256": Sender(
        auth=MessageSignatureAuth(
            key_ids=("wms-eu-1", "wms-eu-0"),
            signature_algorithm=SignatureAlgorithm.HMAC_SHA256,
            components=("content-type",),
        ),
        proof="Signature",
        **NAMED_KEYS,
    ),
    "rfc9421 ed25519": Sender(
        auth=MessageSignatureAuth(key_ids=("wms-eu-ed", "wms-eu-old"), signature_algorithm=SignatureAlgorithm.ED25519),
        proof="Signature",
        **SEEDS,
    ),
    "client-cert of RFC 9440": Sender(
        auth=ClientCertificateAuth(proxies=PROXIES),
        proof="Client-Cert",
        current=_certificate_hash(0),
        old=_certificate_hash(1),
        shows=_client_cert,
    ),
    "client-cert by its key": Sender(
        auth=ClientCertificateAuth(proxies=PROXIES, pin=Pin.PUBLIC_KEY),
        proof="Client-Cert",
        current=_key_hash(0),
        old=_key_hash(1),
        shows=_client_cert,
    ),
    "client-cert of Envoy": Sender(
        auth=ClientCertificateAuth(proxies=PROXIES, certificate_form=CertificateForm.ENVOY),
        proof="X-Forwarded-Client-Cert",
        current=_certificate_hash(0),
        old=_certificate_hash(1),
        shows=_envoy,
    ),
    "client-cert of nginx": Sender(
        auth=ClientCertificateAuth(proxies=PROXIES, certificate_form=CertificateForm.NGINX, header="X-Client-Cert"),
        proof="X-Client-Cert",
        current=_certificate_hash(0),
        old=_certificate_hash(1),
        shows=_nginx,
    ),
}

#: Anybody may send; what holds for proofs does not hold for it.
WITHOUT_PROOF = NoAuth()
