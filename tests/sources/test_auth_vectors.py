"""Requests whose proof was made elsewhere: worked examples of published schemes, and RFC 9421's known answers."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.settings import (
    AdobeCommerceAuth,
    ApiKeyAuth,
    BasicAuth,
    CertificateForm,
    ClientCertificateAuth,
    HashAlgorithm,
    MessageSignatureAuth,
    Pin,
    PublicKey,
    Secret,
    SignatureAlgorithm,
    StandardWebhooksAuth,
    TimestampedHmacAuth,
    TokenAuth,
)
from service.settings.keys import decode_key
from service.sources import Incoming, verify
from service.sources.auth import rsa
from service.sources.auth.message_signature import _read_signatures, _signature_base
from service.sources.auth.proofs import ed25519_matches, mac
from tests.sources.given import BODY, CURRENT_KEY, MESSAGE_ID, NOW, SIGNED_AT, a_source
from tests.sources.schemes import CERTIFICATE, PROXIES, PROXY, URL

TOKEN = "rtn_live_3f9c2a7d51b84e06"
TOKEN_DIGEST = "sha256=8ce7dae06c55a6d3b213917c640aa79831f329396ef5bcb4c3fda73da7c59a64"
PUBLIC_KEY = "whpk_6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="
DIGEST = "sha-256=:FyXOw+o24AoN0+EOr/xqPG4FEWEjbehhsD51HO+gvD4=:"
COVERED = f'("@method" "@target-uri" "content-type" "content-digest");created={SIGNED_AT}'
CERTIFICATE_HASH = "df145abbfbc62458f35762a538e89a4f4576120fb71ba2aa4673fccacbe2e7fe"
KEY_HASH = "324be2dea8bc44461b0233e51fa48902ed6b1cc671e7739af2551e0bfe68f54e"
ADOBE_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyaT1MQDUCJ4GhnSAHibXB19PXGqLFBgFnjgeYS2v+PzNKIiEYCxURkrYhe2ICkIlLlkm8YC7"
    "7ggdVMeaG9QHMHns0n/qX8XvJSFhv6nALoUNl59+YRk3lgBp5Y02qTIu5zagbY6oR5qb5NeMBN119F2aTv8O3NjqTiQCTwnJRFUw4kSAc0wCJqIwrUmm"
    "hOI2KCQpFFjckKNYFvYcxLSNkqV9aHIDuZe/y3nDkBbxx4vsgfiO9inqvuyYi4QGLVNHLHa/T0qUbynPdFDHpYfcRHJWnw6YRcGgszULT8jivDvVvD+W"
    "zP1GxB7lXZFp4m2uGTuI2B0db9tZh9JI3SOPhwIDAQAB"
)
ADOBE_EVENTS_SIGNATURE = (
    "aZl7hrrNBf6ErRNLmoQMS3aePDow1YuaVU0/U/cNEq04PnPuurDfIXGsr7QrUuOskLRP4TV2fD/AK50qhhg1Q+jCLchnMkOWDup1GCSQ0CvQG0wmIo7N"
    "x1vnkiqm5Ol9c+ajm5OOn1mCFbxmr2gY6enrYzGjcEimmnfqP+4PSxKxlTH7jrc3dIbTtsy9JKynLg3aaUSX4+a410Z2oJbBkUNY2C6UnEOcSekqNx5c"
    "gcMeeYIsbpzZSHP0gzgNbtmb7gn/Zxh18BQ1TIEPDgmLxfcG/SmYFLPDpXb58n/nvrTtA9Cm5xLbdxcYoBBzRiFWTdVY0gQSgPZiT10aoRIj3w=="
)
ADOBE_COMMERCE_SIGNATURE = (
    "N2hEoJ7KCbaGDLPklZJD1QCvbCsndYDHwjdodg0bF8ZDbR5GOjDoYbKGEgfd14+1FVL54wqRMBoV2yE9kqyH40NSAeMlo1mMp649PXHrzTf4ueuaKkxp"
    "hyoZM+5U6xYF/+3bs6Ea6134r38IvMxKl+5f3X74CPqz9TQV82Y2j3sf+e5h6dX7zrLCxK7Xclr8RejFrvoYQ5hvo6XACIb+Dw9fuMt1rUSx1ceVHy1N"
    "J1dTCJinJmUII08uNiAJX6cKwcLOip4Nm6rHmJcoikuT4NUv+MxIDP7ZXh5uHYaG4H/wFtSYFxksCxwfToY+ByvgLEwFDC7BW8aadwULacDDxA=="
)


def signed_by(key_id, algorithm, signature):
    return [
        ("Content-Type", "application/json"),
        ("Content-Digest", DIGEST),
        ("Signature-Input", f'sig1={COVERED};keyid="{key_id}";alg="{algorithm}"'),
        ("Signature", f"sig1=:{signature}:"),
    ]


VECTORS = {
    "standard webhooks v1a": (
        StandardWebhooksAuth(),
        PUBLIC_KEY,
        [
            ("webhook-id", MESSAGE_ID),
            ("webhook-timestamp", str(SIGNED_AT)),
            (
                "webhook-signature",
                "v1a,fXnvZRGlvO6+AYCRhGST4VYg7+4IrpUSaU/5jaiwXUNipd44s/sYBwnAQ369pPZu4YvM9zY3ZH2M4m/4WvcuCQ==",
            ),
        ],
    ),
    "timestamped hmac": (
        TimestampedHmacAuth(header="X-Signature"),
        "returns-demo-secret",
        [("X-Signature", "t=1770000000,v1=d4252b23dd4d50212ff749b9c6a3fb589830d07dafb7be4a453a83ed1eb27ed5")],
    ),
    "bearer": (TokenAuth(), TOKEN, [("Authorization", f"Bearer {TOKEN}")]),
    "bearer of which the hash is known": (TokenAuth(), TOKEN_DIGEST, [("Authorization", f"Bearer {TOKEN}")]),
    "api key": (ApiKeyAuth(header="x-api-key"), TOKEN, [("x-api-key", TOKEN)]),
    "api key of which the hash is known": (ApiKeyAuth(header="x-api-key"), TOKEN_DIGEST, [("x-api-key", TOKEN)]),
    "basic, a colon in the password": (
        BasicAuth(),
        "narvar:s3cr:et",
        [("Authorization", "Basic bmFydmFyOnMzY3I6ZXQ=")],
    ),
    "rfc 9421 by hmac": (
        MessageSignatureAuth(key_ids=("wms-eu-1",), signature_algorithm=SignatureAlgorithm.HMAC_SHA256),
        CURRENT_KEY,
        signed_by("wms-eu-1", "hmac-sha256", "ycz94soW9SiuOTFXDdLugAAssVMg1IoIpn2KKO/pMB4="),
    ),
    "rfc 9421 by ed25519": (
        MessageSignatureAuth(key_ids=("wms-eu-ed",), signature_algorithm=SignatureAlgorithm.ED25519),
        PUBLIC_KEY,
        signed_by(
            "wms-eu-ed",
            "ed25519",
            "tJ2a5BgtGR10gQ8w4Rw4N2dWticE8Hxygv79M89KlALL+vPIqrgkI3Yr8TujT/fSS+ZWr0NHDiNB43KOfmq8BQ==",
        ),
    ),
    "client certificate": (
        ClientCertificateAuth(proxies=PROXIES),
        CERTIFICATE_HASH,
        [("Client-Cert", f":{base64.b64encode(CERTIFICATE).decode()}:")],
    ),
    "client certificate by its key": (
        ClientCertificateAuth(proxies=PROXIES, pin=Pin.PUBLIC_KEY),
        KEY_HASH,
        [("Client-Cert", f":{base64.b64encode(CERTIFICATE).decode()}:")],
    ),
    "client certificate by Envoy": (
        ClientCertificateAuth(proxies=PROXIES, certificate_form=CertificateForm.ENVOY),
        ":".join(CERTIFICATE_HASH[at : at + 2] for at in range(0, 64, 2)).upper(),
        [("x-forwarded-client-cert", f"Hash={CERTIFICATE_HASH}")],
    ),
    "adobe commerce": (
        AdobeCommerceAuth(),
        ADOBE_KEY,
        [("x-adobe-commerce-webhook-signature", ADOBE_COMMERCE_SIGNATURE)],
    ),
}


@pytest.mark.parametrize(("auth", "text", "headers"), VECTORS.values(), ids=VECTORS)
def test_a_published_example_is_accepted(auth, text, headers):
    key_id = auth.key_ids[0] if isinstance(auth, MessageSignatureAuth) else ""
    secret = Secret(text, key_id=key_id) if isinstance(text, bytes) else decode_key(text, auth, key_id=key_id)
    request = Incoming(raw=BODY, headers=headers, url=URL, peer=PROXY)

    assert verify(replace(a_source(auth), secrets=(secret,)), request, NOW).secret_index == 0


def test_the_example_of_adobe_events_is_signed_with_adobes_key():
    """Its body names no client, so the request as a whole is refused; the signature is what the example shows."""
    key = decode_key(ADOBE_KEY, AdobeCommerceAuth())

    assert rsa.matching_key((key,), [ADOBE_EVENTS_SIGNATURE], BODY) == 0
    assert rsa.matching_key((key,), [ADOBE_EVENTS_SIGNATURE], BODY + b" ") is None


#: RFC 9421, B.2: the request that all its examples sign.
RFC_REQUEST = [
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Length", "18"),
]
RFC_URL = "https://example.com/foo?param=Value&Pet=dog"
RFC_SECRET = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)


def rfc_signature(input_text, signature):
    headers = [*RFC_REQUEST, ("Signature-Input", input_text), ("Signature", signature)]
    request = Incoming(raw=b'{"hello": "world"}', headers=headers, url=RFC_URL)
    (read,) = _read_signatures(request.headers)
    return read, _signature_base(request, read)


def test_the_known_answer_of_rfc_9421_by_hmac_is_reproduced():
    """B.2.5. It signs less than we ask for, so its base and its value are compared, not the verdict."""
    read, base = rfc_signature(
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    )

    assert mac(Secret(RFC_SECRET), HashAlgorithm.SHA256, base) == read.value


def test_the_known_answer_of_rfc_9421_by_ed25519_is_reproduced():
    """B.2.6."""
    key = PublicKey(base64.b64decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="))

    read, base = rfc_signature(
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"',
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    )

    assert ed25519_matches(key, read.value, base)
    assert datetime.fromtimestamp(read.parameters["created"], UTC).year == 2021
