"""Worked vectors and the corners of Standard Webhooks v1."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from service.errors import Unauthentic
from service.settings import StandardWebhooksAuth
from service.sources import sign
from tests.sources.given import BODY, CURRENT_KEY, MESSAGE_ID, NOW, OLD_KEY, SIGNED_AT, a_source, verify

SIGNATURE = "v1,SiuVUOD+xDKUoRJxVYUwsQXVVXjWMhDVADv9aF/V6FU="
OLD_SIGNATURE = "v1,P5z6UU1Tod0Zq54AKkGhVF8ULcDx58wgNc2mU6bh0KA="
ED25519_SIGNATURE = "v1a,fXnvZRGlvO6+AYCRhGST4VYg7+4IrpUSaU/5jaiwXUNipd44s/sYBwnAQ369pPZu4YvM9zY3ZH2M4m/4WvcuCQ=="


def headers(*, delivery_id=MESSAGE_ID, timestamp=str(SIGNED_AT), signature=SIGNATURE, prefix="webhook"):
    return [(f"{prefix}-id", delivery_id), (f"{prefix}-timestamp", timestamp), (f"{prefix}-signature", signature)]


def test_the_known_answer_of_the_reference_libraries_is_reproduced():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed_at = datetime.fromtimestamp(1614265330, UTC)

    sent = sign(a_source(secrets=(key,)), b'{"test": 2432232314}', signed_at, "msg_p5jXN8AQM9LWM0D4loKWxJek")

    assert dict(sent)["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_delivery_is_known_by_its_webhook_id():
    assert verify(a_source(), BODY, headers(), NOW).delivery_key == MESSAGE_ID


def test_svix_names_are_aliases():
    assert verify(a_source(), BODY, headers(prefix="svix"), NOW).delivery_key == MESSAGE_ID


def test_a_mixture_of_webhook_and_svix_names_is_refused():
    with pytest.raises(Unauthentic, match="mixed"):
        verify(a_source(), BODY, [*headers(), ("svix-id", "another")], NOW)


@pytest.mark.parametrize(
    "signature",
    [
        f"{OLD_SIGNATURE} {SIGNATURE}",
        f"{SIGNATURE} {OLD_SIGNATURE}",
        f"{ED25519_SIGNATURE} {SIGNATURE}",
        f"v2,AAAA {SIGNATURE}",
        f"v1,AAAA {SIGNATURE}",
        f"nonsense  {SIGNATURE}",
    ],
)
def test_one_good_signature_among_others_is_enough(signature):
    assert verify(a_source(), BODY, headers(signature=signature), NOW)


@pytest.mark.parametrize(
    "signature",
    [
        ED25519_SIGNATURE,
        SIGNATURE.replace("v1,", "v2,"),
        SIGNATURE.replace("v1,", "v1a,"),
        SIGNATURE.removeprefix("v1,"),
        SIGNATURE.lower(),
        SIGNATURE.rstrip("="),
        SIGNATURE + "=",
        SIGNATURE.replace("+", "-").replace("/", "_"),
        SIGNATURE.replace(" ", ",") + "," + SIGNATURE,
        " ".join([SIGNATURE] * 33),
    ],
)
def test_what_is_no_v1_signature_of_ours_is_refused(signature):
    with pytest.raises(Unauthentic):
        verify(a_source(), BODY, headers(signature=signature), NOW)


def test_the_old_secret_still_verifies_while_rotating():
    verified = verify(a_source(secrets=(CURRENT_KEY, OLD_KEY)), BODY, headers(signature=OLD_SIGNATURE), NOW)

    assert verified.secret_index == 1


@pytest.mark.parametrize("delivery_id", ["msg.with.dots", "a", "msg:1/2", "x" * 255])
def test_an_id_may_hold_what_ids_hold(delivery_id):
    sent = sign(a_source(), BODY, NOW, delivery_id)

    assert verify(a_source(), BODY, sent, NOW).delivery_key == delivery_id


def test_a_dot_moved_from_the_id_into_the_time_is_refused():
    """ "a.1" + "." + "2" signs the same text as "a" + "." + "1.2"."""
    sent = dict(sign(a_source(), BODY, NOW, f"msg.{SIGNED_AT}"))

    with pytest.raises(Unauthentic):
        verify(
            a_source(),
            BODY,
            headers(delivery_id="msg", timestamp=f"{SIGNED_AT}.{SIGNED_AT}", signature=sent["webhook-signature"]),
            NOW,
        )


@pytest.mark.parametrize("delivery_id", ["", " ", "a b", "msg\t1", "é", "x" * 256, MESSAGE_ID + "2"])
def test_an_id_that_was_not_signed_or_is_none_is_refused(delivery_id):
    with pytest.raises(Unauthentic):
        verify(a_source(), BODY, headers(delivery_id=delivery_id), NOW)


@pytest.mark.parametrize(
    "timestamp",
    ["", "0", "-1770000000", "+1770000000", " 1770000000", "1770000000.0", "1_770_000_000", "1e9", "0x1", "NaN",
     "\u0661\u0667\u0667", "²", "1770000001", "1" * 13, "1" * 5000, f"{SIGNED_AT},{SIGNED_AT}"],
)  # fmt: skip
def test_a_time_that_was_not_signed_or_is_none_is_refused(timestamp):
    with pytest.raises(Unauthentic):
        verify(a_source(), BODY, headers(timestamp=timestamp), NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_both_ways_are_tolerated(seconds):
    assert verify(a_source(), BODY, headers(), NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_more_than_five_minutes_are_not(seconds):
    with pytest.raises(Unauthentic, match="301 s"):
        verify(a_source(), BODY, headers(), NOW + timedelta(seconds=seconds))


def test_the_tolerance_is_the_sources_own():
    source = a_source(StandardWebhooksAuth(tolerance_seconds=10))

    with pytest.raises(Unauthentic, match="tolerated are 10"):
        verify(source, BODY, headers(), NOW + timedelta(seconds=11))
