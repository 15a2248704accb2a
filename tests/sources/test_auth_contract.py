"""What every scheme keeps to, whoever uses it. A scheme that is added to SENDERS is held to all of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Unauthentic
from service.settings import SOURCE_AUTHS, NoAuth
from service.sources import AUTH_SCHEMES, verify
from tests.sources.given import NOW
from tests.sources.schemes import SENDERS, WITHOUT_PROOF, Sender, an_event_for

every_scheme = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
every_signature_of_a_body = pytest.mark.parametrize(
    "sender", [each for each in SENDERS.values() if each.auth.signs_body], ids=lambda sender: sender.auth.scheme
)
every_secret = pytest.mark.parametrize(  # a certificate is none: anybody may see it, and a proxy writes it down
    "sender", [each for each in SENDERS.values() if each.auth.scheme != "client-cert"], ids=lambda sender: sender.proof
)
every_word = pytest.mark.parametrize(
    "sender", [each for each in SENDERS.values() if not each.auth.signs_body], ids=lambda sender: sender.auth.scheme
)


def with_proof(request, name, value):
    """The request with another value in its proof's header; None: without the header."""
    headers = [(key, value if key.lower() == name.lower() else old) for key, old in request.headers]
    return replace(request, headers=[(key, each) for key, each in headers if each is not None])


def proof_of(sender, request):
    return {name.lower(): value for name, value in request.headers}[sender.proof.lower()]


def test_what_can_be_configured_is_what_there_is():
    assert SOURCE_AUTHS.keys() == AUTH_SCHEMES.keys()
    assert {sender.auth.scheme for sender in SENDERS.values()} == AUTH_SCHEMES.keys() - {NoAuth.scheme}


# --- what is good -----------------------------------------------------------------------------------------------------


@every_scheme
def test_a_good_request_is_accepted(sender):
    assert verify(sender.source(), sender.sends(), NOW).secret_index == 0


@every_scheme
def test_header_names_are_read_in_any_case(sender):
    request = sender.sends()
    shouted = replace(request, headers=[(name.upper(), value) for name, value in request.headers])

    assert verify(sender.source(), shouted, NOW) == verify(sender.source(), request, NOW)


@every_scheme
def test_a_redelivery_has_the_same_key(sender):
    first = verify(sender.source(), sender.sends(), NOW)

    later = NOW + timedelta(minutes=1)
    second = verify(sender.source(), sender.sends(at=later), later)

    assert second.delivery_key == first.delivery_key


@every_scheme
def test_another_delivery_of_another_body_has_another_key(sender):
    first = verify(sender.source(), sender.sends(), NOW)

    second = verify(sender.source(), sender.sends(sender.body + b" ", delivery_id="msg_2"), NOW)

    assert second.delivery_key != first.delivery_key


@every_scheme
@pytest.mark.parametrize("number", [0, 1], ids=["the current secret", "the old one"])
def test_while_rotating_both_secrets_are_accepted_and_told_apart(sender, number):
    assert verify(sender.source(0, 1), sender.sends(secret=number), NOW).secret_index == number


@every_scheme
@pytest.mark.parametrize("body", [b"\xff\xfe\x00 not text", b""], ids=["not UTF-8", "empty"])
def test_a_body_is_verified_as_the_bytes_it_is(sender, body):
    if sender.auth.scheme == "adobe-rsa":
        with pytest.raises(Unauthentic, match="for whom"):  # its proof is whose event it is, and this says nothing
            verify(sender.source(), sender.sends(body), NOW)
    else:
        assert verify(sender.source(), sender.sends(body), NOW)


# --- what is not ------------------------------------------------------------------------------------------------------


@every_signature_of_a_body
@pytest.mark.parametrize("place", [0, 0.5, 1], ids=["first", "middle", "last"])
def test_a_body_with_one_byte_changed_is_refused(sender, place):
    changed = round(place * (len(sender.body) - 1))
    body = bytes(byte ^ (index == changed) for index, byte in enumerate(sender.body))

    with pytest.raises(Unauthentic):
        verify(sender.source(), replace(sender.sends(), raw=body), NOW)


@every_word
def test_a_changed_body_under_an_unsigned_proof_is_another_delivery(sender):
    request = sender.sends()

    changed = verify(sender.source(), replace(request, raw=request.raw + b" "), NOW)

    assert changed.delivery_key != verify(sender.source(), request, NOW).delivery_key


@every_scheme
def test_without_its_proof_a_request_is_refused(sender):
    with pytest.raises(Unauthentic, match="missing"):
        verify(sender.source(), with_proof(sender.sends(), sender.proof, None), NOW)


@every_scheme
def test_a_doubled_proof_is_refused_even_when_both_are_good(sender):
    request = sender.sends()
    doubled = replace(request, headers=[*request.headers, (sender.proof.upper(), proof_of(sender, request))])

    with pytest.raises(Unauthentic, match="2 times"):
        verify(sender.source(), doubled, NOW)


MALFORMED = [
    "", " ", ",", "=", ":", "v1", "v1,", "v1,!!!", "sha256=", "sha256=zz", "é", "v1,é", "v1,\u0661", "a\x00b", "a\nb",
    "A" * 5000, "A" * 9000, "Bearer", "Bearer ", "Basic Og==", "Basic !!!", "t=1770000000",
    "t=1770000000,v1=", "t=,v1=00", "sig1",
    "sig1=()", "sig1=::", "refundry=:AAAA:", "refundry=(:AAAA:)", "::", ":AAAA:", ":not base64:", "Hash=", "%",
    "Hash=" + "0" * 64, "-----BEGIN%20CERTIFICATE-----", "Hash=x;Hash=y", '"', "\\", "(",
]  # fmt: skip


@every_scheme
def test_a_malformed_proof_is_refused_and_nothing_else_happens(sender):
    request = sender.sends()

    for value in MALFORMED:
        for proof in {value, sender.prefix + value}:
            with pytest.raises(Unauthentic):
                verify(sender.source(), with_proof(request, sender.proof, proof), NOW)


@every_scheme
def test_another_spelling_of_a_proof_proves_the_same_request_or_nothing(sender):
    request = sender.sends()
    good = proof_of(sender, request).removeprefix(sender.prefix)
    spellings = {good[:-1], good[1:], good + "=", good + " ", " " + good, good + "A", good.swapcase(), good * 2,
                 good.replace("=", ""), good + ",", good[:9] + " " + good[9:], good[:9] + "\t" + good[9:]}  # fmt: skip

    for spelling in spellings - {good}:
        try:
            verified = verify(sender.source(), with_proof(request, sender.proof, sender.prefix + spelling), NOW)
        except Unauthentic:
            continue
        assert verified == verify(sender.source(), request, NOW)


@every_secret
def test_a_signature_without_its_last_character_is_refused(sender):
    request = sender.sends()

    with pytest.raises(Unauthentic):
        verify(sender.source(), with_proof(request, sender.proof, proof_of(sender, request)[:-1]), NOW)


@every_scheme
def test_another_secret_is_refused(sender):
    with pytest.raises(Unauthentic):
        verify(sender.source(0), sender.sends(secret=1), NOW)


@every_scheme
def test_a_source_without_secrets_accepts_nothing(sender):
    with pytest.raises(Unauthentic):
        verify(replace(sender.source(), secrets=()), sender.sends(), NOW)


@every_scheme
@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_old_or_future_signature_is_refused_where_time_is_signed(sender, minutes):
    request = sender.sends(at=NOW + timedelta(minutes=minutes))

    if sender.auth.signs_time:
        with pytest.raises(Unauthentic, match="tolerated"):
            verify(sender.source(), request, NOW)
    else:  # senders of these retry for days; a replay is the delivery that is known already
        assert verify(sender.source(), request, NOW) == verify(sender.source(), sender.sends(), NOW)


@every_scheme
def test_the_proof_of_another_scheme_is_none(sender):
    """Which scheme counts is configured: what a request brings of another one changes nothing."""
    for other in (each for each in SENDERS.values() if each.auth.scheme != sender.auth.scheme):
        borrowed = replace(sender.sends(), headers=other.sends(sender.body).headers)

        with pytest.raises(Unauthentic):
            verify(sender.source(), borrowed, NOW)


@every_scheme
def test_the_reason_holds_neither_secret_nor_proof(sender):
    request = sender.sends()
    proof = proof_of(sender, request).removeprefix(sender.prefix)

    with pytest.raises(Unauthentic) as refused:
        verify(sender.source(1), request, NOW)

    assert proof not in str(refused.value)
    assert repr(sender.current().reveal_bytes()) not in str(refused.value) + repr(refused.value.context)


# --- what anybody may try ---------------------------------------------------------------------------------------------

HEADER_NAMES = st.sampled_from(
    [
        *sorted({sender.proof for sender in SENDERS.values()}),
        *("webhook-id", "webhook-timestamp", "svix-id", "X-Delivery-Id", "Signature-Input", "Content-Digest"),
        *("x-adobe-digital-signature-2", "x-adobe-public-key1-path"),
    ]
) | st.text(max_size=20)
PIECES = [
    "v1,", "v1a,", "AAAA", "sha256=", "Bearer ", "Basic ", "t=", "v1=", str(int(NOW.timestamp())), "9" * 5000, " ", ",",
    ";", ":", "=", '"', "(", ")", "?1", "sig1", "keyid=", "created=", "Hash=", "%", "\u0661", "\ud800", "\x00",
]  # fmt: skip
HEADER_VALUES = st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@every_scheme
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200), headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=6))
def test_whatever_is_sent_it_is_refused_without_another_exception(sender, body, headers):
    request = replace(sender.sends(), raw=body, headers=headers)

    with pytest.raises(Unauthentic):
        verify(sender.source(), request, NOW)


@every_scheme
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200), which=st.integers(0, 5), value=HEADER_VALUES)
def test_a_good_request_with_one_header_replaced_is_verified_or_refused(sender, body, which, value):
    request = sender.sends(body)
    changed = request.headers[which % len(request.headers)][0]

    try:
        verified = verify(sender.source(), with_proof(request, changed, value), NOW)
    except Unauthentic:
        return

    assert verified.delivery_key


@every_scheme
@pytest.mark.parametrize("url", ["", "/", "//[", "http://[::1", "https://a b/\x00", "?"])
def test_a_request_for_another_address_is_refused_where_the_address_is_signed(sender, url):
    request = replace(sender.sends(), url=url)

    if sender.auth.scheme == "rfc9421":
        with pytest.raises(Unauthentic):
            verify(sender.source(), request, NOW)
    else:
        assert verify(sender.source(), request, NOW)


@every_scheme
@pytest.mark.parametrize(
    "peer", ["", "nonsense", "10.0.1.5", "10.0.0.256", "::1%eth0", "10.0.0.5, 10.0.0.6", "/x.sock"]
)
def test_a_certificate_counts_only_from_a_proxy_of_ours(sender, peer):
    request = replace(sender.sends(), peer=peer)

    if sender.auth.scheme == "client-cert":
        with pytest.raises(Unauthentic, match="trusted_proxies"):
            verify(sender.source(), request, NOW)
    else:
        assert verify(sender.source(), request, NOW)


def test_without_a_scheme_everything_is_taken_and_told_apart_by_its_body():
    open_door = Sender(auth=WITHOUT_PROOF, proof="")
    first, second = (verify(open_door.source(), open_door.sends(body), NOW) for body in (b"1", b"2"))

    assert first.delivery_key != second.delivery_key


def test_a_body_for_another_client_of_adobe_is_refused_though_adobe_signed_it():
    sender = SENDERS["adobe-rsa"]

    with pytest.raises(Unauthentic, match="another client id"):
        verify(sender.source(), sender.sends(an_event_for("somebody-else")), NOW)
