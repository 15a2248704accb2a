"""Worked vectors of portals that sign the body alone, and what their deliveries are known by."""

import hashlib

import pytest

from service.errors import Unauthentic
from service.settings import HashAlgorithm, HmacAuth, SignatureEncoding, SignedForm
from service.sources import sign
from tests.sources.given import BODY, HMAC_HEX, NOW, a_source, verify

KEY = b"returns-demo-secret"
HEX = "6fe23214b3d4f7ea18ebd44c27dd4f743d6b0dea3a505f1adbaaa289c40813cf"
BASE64 = "b+IyFLPU9+oY69RMJ91PdD1rDeo6UF8a26qiicQIE88="
BODY_HASH = "1725cec3ea36e00a0dd3e10eaffc6a3c6e051161236de861b03e751cefa0bc3e"


@pytest.mark.parametrize(
    ("header", "encoding", "prefix", "value"),
    [
        ("X-Loop-Signature", SignatureEncoding.BASE64, "", BASE64),
        ("as-signature-hmac-sha256", SignatureEncoding.BASE64, "", BASE64),
        ("am-webhook-signature", SignatureEncoding.BASE64, "hmac-sha256=", f"hmac-sha256={BASE64}"),
        ("X-Hr-Signature", SignatureEncoding.HEX, "", HEX),
        ("X-Hr-Signature", SignatureEncoding.HEX, "", HEX.upper()),
        ("X-Hub-Signature-256", SignatureEncoding.HEX, "sha256=", f"sha256={HEX}"),
    ],
)
def test_portals_are_verified(header, encoding, prefix, value):
    source = a_source(HmacAuth(header=header, encoding=encoding, prefix=prefix), (KEY,))

    assert verify(source, BODY, [(header, value)], NOW).delivery_key == BODY_HASH


@pytest.mark.parametrize("value", [HEX, f"SHA256={HEX}", f"sha256= {HEX}", f"sha256={HEX} ", f"sha256=sha256={HEX}"])
def test_the_prefix_stands_exactly_once(value):
    with pytest.raises(Unauthentic):
        verify(a_source(HMAC_HEX, (KEY,)), BODY, [("X-Hub-Signature-256", value)], NOW)


def test_base64_is_not_taken_for_another_case():
    source = a_source(HmacAuth(header="X-Signature", encoding=SignatureEncoding.BASE64), (KEY,))

    with pytest.raises(Unauthentic):
        verify(source, BODY, [("X-Signature", BASE64.upper())], NOW)


WITH_ID = HmacAuth(header="X-Signature", delivery_id_header="X-Delivery-Id")


def test_a_named_id_tells_deliveries_of_one_body_apart():
    keys = {
        verify(a_source(WITH_ID), BODY, sign(a_source(WITH_ID), BODY, NOW, name), NOW).delivery_key for name in "ab"
    }

    assert keys == {f"a:{BODY_HASH}", f"b:{BODY_HASH}"}


def test_an_id_alone_cannot_make_one_delivery_pass_for_another():
    """The id is not signed: somebody who saw one body could send it again under the next one's id."""
    other = BODY + b"\n"

    first = verify(a_source(WITH_ID), BODY, sign(a_source(WITH_ID), BODY, NOW, "same"), NOW)
    second = verify(a_source(WITH_ID), other, sign(a_source(WITH_ID), other, NOW, "same"), NOW)

    assert first.delivery_key != second.delivery_key


def test_without_the_named_id_the_body_tells():
    headers = [header for header in sign(a_source(WITH_ID), BODY, NOW, "a") if header[0] == "X-Signature"]

    assert verify(a_source(WITH_ID), BODY, headers, NOW).delivery_key == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize("delivery_id", ["", "a b", "é", "x" * 256])
def test_an_id_that_is_none_is_refused(delivery_id):
    headers = [
        (name, delivery_id if name == "X-Delivery-Id" else value)
        for name, value in sign(a_source(WITH_ID), BODY, NOW, "a")
    ]

    with pytest.raises(Unauthentic):
        verify(a_source(WITH_ID), BODY, headers, NOW)


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        (HashAlgorithm.SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (
            HashAlgorithm.SHA512,
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ),
        ),
    ],
)
def test_the_other_hashes_are_those_of_rfc_2202_and_4231(algorithm, signature):
    """The second case of both: key "Jefe", data "what do ya want for nothing?"."""
    auth = HmacAuth(header="X-Signature", algorithm=algorithm)

    assert verify(a_source(auth, (b"Jefe",)), b"what do ya want for nothing?", [("X-Signature", signature)], NOW)


PHP = HmacAuth(header="X-Signature", signed_form=SignedForm.PHP_JSON)
SIGNED = rb'{"url":"https:\/\/shop.example\/r","note":"a\\\/b"}'


@pytest.mark.parametrize(
    "sent",
    [
        SIGNED,
        rb'{"url":"https://shop.example/r","note":"a\\/b"}',
        b'{"url":"https://shop.example/r",\r\n"note":"a\\\\/b"}\n',
    ],
    ids=["as signed", "slashes bare", "with line breaks"],
)
def test_json_that_a_proxy_wrote_anew_is_verified_as_php_wrote_it(sent):
    headers = sign(a_source(PHP), SIGNED, NOW, "1")

    assert verify(a_source(PHP), sent, headers, NOW).delivery_key == hashlib.sha256(SIGNED).hexdigest()


def test_by_default_only_the_bytes_that_were_sent_count():
    raw = HmacAuth(header="X-Signature")
    headers = sign(a_source(raw), SIGNED, NOW, "1")

    with pytest.raises(Unauthentic):
        verify(a_source(raw), SIGNED.replace(rb"\/", b"/"), headers, NOW)
