"""How senders prove themselves: one shape for each scheme, and what its settings are.

A field of a shape is a key of [auth] in config/sources/<name>.toml; one without a default must be written. Which scheme
a source has is said there alone: a request never chooses. `signs_body` and `signs_time` say what a proof is
a proof of: without the one TLS alone keeps a body whole, without the other an old request is as good as a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

IPNetwork = IPv4Network | IPv6Network


class SignatureEncoding(StrEnum):
    HEX = "hex"
    BASE64 = "base64"


class KeyEncoding(StrEnum):
    """How a secret's text becomes the key's bytes."""

    UTF8 = "utf8"
    BASE64 = "base64"
    HEX = "hex"


class HashAlgorithm(StrEnum):
    SHA256 = "sha256"
    SHA512 = "sha512"
    #: As an HMAC still sound, and for senders that know nothing else.
    SHA1 = "sha1"


class SignedForm(StrEnum):
    """Over which spelling of the body a signature was made."""

    #: The bytes as they came; right unless something between rewrites JSON.
    RAW = "raw"
    #: As PHP's json_encode writes JSON: slashes escaped, no line breaks.
    PHP_JSON = "php-json"


class SignatureAlgorithm(StrEnum):
    """Names of RFC 9421 §3.3."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"


class CertificateForm(StrEnum):
    """How a proxy passes on the certificate that the client showed."""

    #: RFC 9440: Client-Cert, the certificate in base64 between colons.
    CLIENT_CERT = "client-cert"
    #: Envoy's x-forwarded-client-cert, of which the Hash is read: that of the whole certificate.
    ENVOY = "envoy"
    #: nginx's $ssl_client_escaped_cert: PEM, percent-encoded.
    NGINX = "nginx"


class Pin(StrEnum):
    CERTIFICATE = "certificate"
    #: Survives a renewal that keeps the key.
    PUBLIC_KEY = "public-key"


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardWebhooksAuth:
    """Standard Webhooks v1 and v1a; `svix-*` header names are aliases."""

    scheme: ClassVar[str] = "standard-webhooks"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = True
    tolerance_seconds: int = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class HmacAuth:
    """HMAC of the raw body in one header, as Loop, AfterShip, ShipHero and GitHub send it."""

    scheme: ClassVar[str] = "hmac"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = False
    header: str
    algorithm: HashAlgorithm = HashAlgorithm.SHA256
    encoding: SignatureEncoding = SignatureEncoding.HEX
    #: What stands before the signature: "sha256=".
    prefix: str = ""
    key_encoding: KeyEncoding = KeyEncoding.UTF8
    signed_form: SignedForm = SignedForm.RAW
    #: A header that tells deliveries apart. It is not signed, so it never stands alone.
    delivery_id_header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TimestampedHmacAuth:
    """HMAC of time and body, `t=…,v1=…` in one header, as Stripe sends it."""

    scheme: ClassVar[str] = "timestamped-hmac"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = True
    header: str
    algorithm: HashAlgorithm = HashAlgorithm.SHA256
    key_encoding: KeyEncoding = KeyEncoding.UTF8
    tolerance_seconds: int = 300
    delivery_id_header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenAuth:
    """Authorization: Bearer, the same word each time."""

    scheme: ClassVar[str] = "bearer"
    signs_body: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    delivery_id_header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeyAuth:
    """The same word each time, in a header of its own."""

    scheme: ClassVar[str] = "api-key"
    signs_body: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    header: str
    delivery_id_header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BasicAuth:
    """Authorization: Basic; the secret is user:password, and the password may have colons."""

    scheme: ClassVar[str] = "basic"
    signs_body: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    delivery_id_header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AdobeEventsAuth:
    """Adobe I/O Events: one or two RSA signatures of the raw body, and for whom each event is."""

    scheme: ClassVar[str] = "adobe-rsa"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = False
    #: The project's client id. Adobe signs for all its customers with one key.
    recipient_client_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AdobeCommerceAuth:
    """Adobe Commerce webhooks: an RSA signature over base64 of the body."""

    scheme: ClassVar[str] = "adobe-commerce-rsa"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageSignatureAuth:
    """RFC 9421. Each secret has a name, `key_ids`, by which the sender says which one it used."""

    scheme: ClassVar[str] = "rfc9421"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = True
    #: One for each secret: first those of secrets_env, then those of secrets_file.
    key_ids: tuple[str, ...]
    signature_algorithm: SignatureAlgorithm
    key_encoding: KeyEncoding = KeyEncoding.UTF8
    #: What must be signed beyond method, address, Content-Digest and time.
    components: tuple[str, ...] = ()
    tolerance_seconds: int = 300
    delivery_id_header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientCertificateAuth:
    """The certificate that a proxy saw; the secrets are SHA-256 fingerprints."""

    scheme: ClassVar[str] = "client-cert"
    signs_body: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    certificate_form: CertificateForm = CertificateForm.CLIENT_CERT
    pin: Pin = Pin.CERTIFICATE
    header: str | None = None
    delivery_id_header: str | None = None
    #: service.trusted_proxies, the only ones whose word counts.
    proxies: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NoAuth:
    """Anybody may send. Only together with insecure = true."""

    scheme: ClassVar[str] = "none"
    signs_body: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    delivery_id_header: str | None = None


SourceAuth = (
    StandardWebhooksAuth
    | HmacAuth
    | TimestampedHmacAuth
    | TokenAuth
    | ApiKeyAuth
    | BasicAuth
    | AdobeEventsAuth
    | AdobeCommerceAuth
    | MessageSignatureAuth
    | ClientCertificateAuth
    | NoAuth
)

#: auth.scheme → its shape.
SOURCE_AUTHS: Mapping[str, type[SourceAuth]] = {
    shape.scheme: shape
    for shape in (
        StandardWebhooksAuth,
        HmacAuth,
        TimestampedHmacAuth,
        TokenAuth,
        ApiKeyAuth,
        BasicAuth,
        AdobeEventsAuth,
        AdobeCommerceAuth,
        MessageSignatureAuth,
        ClientCertificateAuth,
        NoAuth,
    )
}
