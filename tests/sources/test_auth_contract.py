"""What every signature scheme keeps to. A scheme that is added to SCHEMES is held to all of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Unauthentic
from service.settings import HmacAuth
from service.settings.schemas import AUTH_SCHEMES as CONFIGURABLE_SCHEMES
from service.sources import AUTH_SCHEMES, sign
from tests.sources.given import BODY, CURRENT_KEY, MESSAGE_ID, NOW, OLD_KEY, SCHEMES, a_source, verify

every_scheme = pytest.mark.parametrize("auth", SCHEMES.values(), ids=SCHEMES)


def signed(auth, *, body=BODY, secret=CURRENT_KEY, at=NOW, delivery_id=MESSAGE_ID):
    return sign(a_source(auth, (secret,)), body, at, delivery_id)


def signature_header(headers):
    return next(name for name, _ in headers if "signature" in name.lower())


def with_value(headers, name, value):
    return [(key, value if key == name else old) for key, old in headers]


def test_what_can_be_configured_is_what_there_is():
    assert set(CONFIGURABLE_SCHEMES) == set(AUTH_SCHEMES) == {auth.scheme for auth in SCHEMES.values()}


@every_scheme
def test_a_good_signature_is_accepted(auth):
    assert verify(a_source(auth), BODY, signed(auth), NOW).secret_index == 0


@every_scheme
def test_header_names_are_read_in_any_case(auth):
    headers = [(name.upper(), value) for name, value in signed(auth)]

    assert verify(a_source(auth), BODY, headers, NOW) == verify(a_source(auth), BODY, signed(auth), NOW)


@every_scheme
def test_a_redelivery_has_the_same_key(auth):
    first = verify(a_source(auth), BODY, signed(auth), NOW)

    later = NOW + timedelta(minutes=1)
    second = verify(a_source(auth), BODY, signed(auth, at=later), later)

    assert second.delivery_key == first.delivery_key


@every_scheme
def test_another_delivery_of_another_body_has_another_key(auth):
    first = verify(a_source(auth), BODY, signed(auth), NOW)

    body = BODY + b" "
    second = verify(a_source(auth), body, signed(auth, body=body, delivery_id="msg_2"), NOW)

    assert second.delivery_key != first.delivery_key


@every_scheme
@pytest.mark.parametrize("position", [0, len(BODY) // 2, len(BODY) - 1])
def test_a_body_with_one_byte_changed_is_refused(auth, position):
    changed = bytes(byte ^ (index == position) for index, byte in enumerate(BODY))

    with pytest.raises(Unauthentic):
        verify(a_source(auth), changed, signed(auth), NOW)


@every_scheme
def test_a_body_that_is_not_utf8_is_verified_as_the_bytes_it_is(auth):
    body = b"\xff\xfe\x00 not text"

    assert verify(a_source(auth), body, signed(auth, body=body), NOW)


@every_scheme
def test_an_empty_body_is_verified_as_well(auth):
    assert verify(a_source(auth), b"", signed(auth, body=b""), NOW)


@every_scheme
def test_a_missing_signature_is_refused(auth):
    headers = [(name, value) for name, value in signed(auth) if "signature" not in name.lower()]

    with pytest.raises(Unauthentic, match="missing"):
        verify(a_source(auth), BODY, headers, NOW)


@every_scheme
def test_a_doubled_signature_is_refused_even_when_both_are_good(auth):
    headers = signed(auth)
    name = signature_header(headers)

    with pytest.raises(Unauthentic, match="2 times"):
        verify(a_source(auth), BODY, [*headers, (name.upper(), dict(headers)[name])], NOW)


@every_scheme
@pytest.mark.parametrize(
    "value",
    ["", " ", "v1", "v1,", "v1,!!!", "sha256=", "sha256=zz", "é", "v1,é", "v1,\u0661", "a\x00b", "a\nb", "A" * 5000],
)
def test_a_malformed_signature_is_refused_and_nothing_else_happens(auth, value):
    headers = signed(auth)

    with pytest.raises(Unauthentic):
        verify(a_source(auth), BODY, with_value(headers, signature_header(headers), value), NOW)


@every_scheme
def test_a_signature_without_its_last_character_is_refused(auth):
    headers = signed(auth)
    name = signature_header(headers)

    with pytest.raises(Unauthentic):
        verify(a_source(auth), BODY, with_value(headers, name, dict(headers)[name][:-1]), NOW)


@every_scheme
def test_another_secret_is_refused(auth):
    with pytest.raises(Unauthentic):
        verify(a_source(auth), BODY, signed(auth, secret=OLD_KEY), NOW)


@every_scheme
@pytest.mark.parametrize(("signed_with", "index"), [(CURRENT_KEY, 0), (OLD_KEY, 1)])
def test_while_rotating_both_secrets_are_accepted_and_told_apart(auth, signed_with, index):
    source = a_source(auth, (CURRENT_KEY, OLD_KEY))

    assert verify(source, BODY, signed(auth, secret=signed_with), NOW).secret_index == index


@every_scheme
def test_a_source_without_secrets_accepts_nothing(auth):
    with pytest.raises(Unauthentic):
        verify(replace(a_source(auth), secrets=()), BODY, signed(auth), NOW)


@every_scheme
@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_old_or_future_signature_is_refused_where_time_is_signed(auth, minutes):
    headers = signed(auth, at=NOW + timedelta(minutes=minutes))

    if isinstance(auth, HmacAuth):
        assert verify(a_source(auth), BODY, headers, NOW)  # senders of this scheme retry for days
    else:
        with pytest.raises(Unauthentic, match="tolerated"):
            verify(a_source(auth), BODY, headers, NOW)


@every_scheme
def test_the_reason_never_holds_a_secret_or_the_expected_signature(auth):
    headers = signed(auth)
    expected = dict(headers)[signature_header(headers)].removeprefix("v1,").removeprefix("sha256=")

    with pytest.raises(Unauthentic) as refused:
        verify(a_source(auth), BODY, with_value(headers, signature_header(headers), "v1,AAAA"), NOW)

    assert expected not in str(refused.value)
    assert repr(CURRENT_KEY) not in repr(refused.value.context)


HEADER_NAMES = st.sampled_from(
    [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "svix-id",
        "X-Hub-Signature-256",
        "X-Delivery-Id",
        "X-Signature",
    ]
) | st.text(max_size=20)
HEADER_VALUES = st.text(max_size=60) | st.sampled_from([str(int(NOW.timestamp())), "v1,AAAA", "sha256=00", "9" * 5000])


@every_scheme
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200), headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=6))
def test_whatever_is_sent_it_is_refused_without_another_exception(auth, body, headers):
    with pytest.raises(Unauthentic):
        verify(a_source(auth), body, headers, NOW)


@every_scheme
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200), name=st.integers(0, 2), value=st.text(max_size=40))
def test_a_good_delivery_with_one_header_replaced_is_verified_or_refused(auth, body, name, value):
    headers = signed(auth, body=body)
    changed = headers[name % len(headers)][0]

    try:
        verified = verify(a_source(auth), body, with_value(headers, changed, value), NOW)
    except Unauthentic:
        return

    assert verified.delivery_key
