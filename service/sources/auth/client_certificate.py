"""A client certificate that a proxy saw and passes on in a header.

Sources: RFC 9440 (Client-Cert); envoyproxy.io, "x-forwarded-client-cert"; nginx.org, $ssl_client_escaped_cert. Anybody
can write such a header, so it counts only from a proxy that is configured, and that proxy must take it away from
everybody else's requests. Known is the certificate by its SHA-256, or its key's: no name and no authority decides.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, unquote_to_bytes

import http_sf
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.errors import BadRequest, Unauthentic
from service.settings import CertificateForm, ClientCertificateAuth, IPNetwork, Pin, Secret
from service.sources.auth.proofs import delivery_key
from service.sources.base import Headers, Incoming, Verified, read_header

_HEADERS = {CertificateForm.CLIENT_CERT: "Client-Cert", CertificateForm.ENVOY: "x-forwarded-client-cert"}

#: As much as the web server takes; a certificate has one or two thousand bytes, and percent-encoding adds to that.
_MAX_HEADER_LENGTH = 8192

#: One `Key=value` of Envoy's element; a quoted value may hold ; and , and escaped quotes.
_ENVOY_PAIR = re.compile(r'(?P<key>[A-Za-z]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^;,"]*)(?:;|\Z)')
_HASH = re.compile(r"[0-9a-fA-F]{64}")


def verify(auth: ClientCertificateAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    if not _is_within(incoming.peer, auth.proxies):
        raise Unauthentic(f"{incoming.peer[:60] or 'nobody'} is not one of service.trusted_proxies")
    index = _pinned(secrets, _shown_hash(auth, incoming.headers, now))
    if index is None:
        raise Unauthentic("the certificate is none of the source's")
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=index)


def sign(
    auth: ClientCertificateAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    del auth, secret, unsigned, now, delivery_id
    raise BadRequest("a client certificate is shown to the proxy, not written into a request")


def forwarded(auth: ClientCertificateAuth, pem: bytes) -> list[tuple[str, str]]:
    """What the proxy would pass on for a sender with this certificate; BadRequest when `pem` holds none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise BadRequest("this is no certificate; give the sender's as PEM, -----BEGIN CERTIFICATE-----") from error
    der = certificate.public_bytes(Encoding.DER)
    shown = {
        CertificateForm.CLIENT_CERT: f":{base64.b64encode(der).decode()}:",
        CertificateForm.ENVOY: f"Hash={hashlib.sha256(der).hexdigest()}",
        CertificateForm.NGINX: quote(certificate.public_bytes(Encoding.PEM).decode(), safe=""),
    }
    return [(auth.header or _HEADERS.get(auth.certificate_form, ""), shown[auth.certificate_form])]


def _is_within(peer: str, proxies: Sequence[IPNetwork]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in proxy for proxy in proxies)


def _pinned(secrets: Sequence[Secret], shown: bytes) -> int | None:
    matches = [hmac.compare_digest(secret.reveal_bytes(), shown) for secret in secrets]
    return matches.index(True) if True in matches else None


def _shown_hash(auth: ClientCertificateAuth, headers: Headers, now: datetime) -> bytes:
    """What is compared with the pins. Envoy sends a hash alone, and has looked at the dates itself."""
    name = auth.header or _HEADERS.get(auth.certificate_form)
    text = None if name is None else read_header(headers, name, max_length=_MAX_HEADER_LENGTH)
    if text is None:
        raise Unauthentic(f"header {name} is missing: the proxy saw no certificate, or does not pass it on")
    if auth.certificate_form is CertificateForm.ENVOY:
        return _envoy_hash(text)
    certificate = _read_certificate(auth.certificate_form, text)
    return _hash_of_valid(certificate, auth.pin, now)


def _read_certificate(form: CertificateForm, text: str) -> x509.Certificate:
    try:
        if form is CertificateForm.CLIENT_CERT:
            parsed = http_sf.parse(text.encode(), tltype="item")
            return x509.load_der_x509_certificate(parsed[0] if isinstance(parsed, tuple) else b"")  # type: ignore[arg-type]
        (certificate,) = x509.load_pem_x509_certificates(unquote_to_bytes(text))
        return certificate
    except (ValueError, TypeError, http_sf.StructuredFieldError, x509.InvalidVersion) as error:
        raise Unauthentic("the header holds no certificate that can be read") from error


def _hash_of_valid(certificate: x509.Certificate, pin: Pin, now: datetime) -> bytes:
    try:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Unauthentic(f"the certificate is valid until {certificate.not_valid_after_utc:%Y-%m-%d}, not now")
        if pin is Pin.CERTIFICATE:
            shown = certificate.public_bytes(Encoding.DER)
        else:
            shown = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unauthentic("the certificate has dates or a key that cannot be read") from error
    return hashlib.sha256(shown).digest()


def _envoy_hash(text: str) -> bytes:
    """The Hash of the one element. Two elements are two proxies, and the first may be anybody's."""
    hashes = [value for key, value in _envoy_pairs(text) if key.lower() == "hash"]
    if len(hashes) != 1 or not _HASH.fullmatch(hashes[0]):
        raise Unauthentic("x-forwarded-client-cert has not one Hash of 64 hexadecimal digits")
    return bytes.fromhex(hashes[0])


def _envoy_pairs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        pair = _ENVOY_PAIR.match(text, at)
        if pair is None:
            raise Unauthentic("x-forwarded-client-cert is not one element of Key=value;…")
        yield pair["key"], pair["value"]
        at = pair.end()
