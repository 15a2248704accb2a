"""Where the limits of a signed delivery lie, to the byte."""

import base64
import hashlib
import hmac

import pytest

from service.errors import Unauthentic
from service.sources.base import Limits, read_header
from tests.sources.given import BODY, CURRENT_KEY, NOW, SIGNED_AT, a_source, verify


def signed(delivery_id="msg_1", *, prefix="webhook", before=""):
    text = f"{delivery_id}.{SIGNED_AT}.".encode() + BODY
    signature = base64.b64encode(hmac.new(CURRENT_KEY, text, hashlib.sha256).digest()).decode()
    return [
        (f"{prefix}-id", delivery_id),
        (f"{prefix}-timestamp", str(SIGNED_AT)),
        (f"{prefix}-signature", f"{before}v1,{signature}"),
    ]


@pytest.mark.parametrize(("length", "taken"), [(4096, True), (4097, False)])
def test_a_header_may_have_4096_characters(length, taken):
    headers = [("X-Signature", "a" * length)]

    if taken:
        assert read_header(headers, "x-signature") == "a" * length
    else:
        with pytest.raises(Unauthentic, match="overlong"):
            read_header(headers, "x-signature")


@pytest.mark.parametrize(("length", "taken"), [(255, True), (256, False)])
def test_a_delivery_id_may_have_255_characters(length, taken):
    delivery_id = "m" * length

    if taken:
        assert verify(a_source(), BODY, signed(delivery_id), NOW).delivery_key == delivery_id
    else:
        with pytest.raises(Unauthentic, match="is no id"):
            verify(a_source(), BODY, signed(delivery_id), NOW)


@pytest.mark.parametrize(("others", "taken"), [(31, True), (32, False)])
def test_32_signatures_are_looked_at_and_one_more_is_refused(others, taken):
    headers = signed(before="v2,x " * others)

    if taken:
        assert verify(a_source(), BODY, headers, NOW)
    else:
        with pytest.raises(Unauthentic, match="33 signatures, at most 32"):
            verify(a_source(), BODY, headers, NOW)


@pytest.mark.parametrize("part", ["id", "timestamp", "signature"])
@pytest.mark.parametrize(("prefix", "other"), [("webhook", "svix"), ("svix", "webhook")])
def test_one_header_of_the_other_name_is_enough_to_be_refused(prefix, other, part):
    with pytest.raises(Unauthentic, match="mixed"):
        verify(a_source(), BODY, [*signed(prefix=prefix), (f"{other}-{part}", "x")], NOW)


def test_without_any_header_the_standard_name_is_asked_for():
    with pytest.raises(Unauthentic, match="webhook-id is missing"):
        verify(a_source(), BODY, [], NOW)


def test_a_body_is_limited_in_depth_lines_and_digits():
    assert Limits() == Limits(json_depth=32, lines=1000, number_characters=40)
