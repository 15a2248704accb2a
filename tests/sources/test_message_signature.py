"""What a sender, or somebody between, may try with HTTP Message Signatures."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta

import pytest

from service.errors import Unauthentic
from service.settings import MessageSignatureAuth, PublicKey, Secret, SignatureAlgorithm
from service.sources import Incoming, verify
from tests.sources.given import BODY, CURRENT_KEY, NOW, OLD_KEY, SIGNED_AT, a_source
from tests.sources.schemes import CURRENT_SEED, SENDERS, URL

AUTH = MessageSignatureAuth(key_ids=("wms",), signature_algorithm=SignatureAlgorithm.HMAC_SHA256)
DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
COVERED = '"@method" "@target-uri" "content-digest"'
LINES = {
    "@method": "POST",
    "@target-uri": URL,
    "@authority": "hooks.example.com",
    "@path": "/v1/sources/wms-eu",
    "@query": "?",
    "@scheme": "https",
    "content-digest": DIGEST,
    "content-type": "application/json",
}


def source(auth=AUTH, *secrets):
    return replace(a_source(auth), secrets=secrets or (Secret(CURRENT_KEY, key_id="wms"),))


def request(covered=COVERED, parameters=f'created={SIGNED_AT};keyid="wms"', *, key=CURRENT_KEY, label="a", **changes):
    """Signed by hand, so that what our own signer would never write can be tried."""
    lines = {**LINES, "content-digest": changes.get("digest", DIGEST)}
    names = [name.strip('"') for name in covered.split(" ") if name]
    text = f"({covered});{parameters}"
    base = "\n".join([*(f'"{name}": {lines.get(name, "x")}' for name in names), f'"@signature-params": {text}'])
    value = base64.b64encode(hmac.new(key, base.encode(), hashlib.sha256).digest()).decode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Digest", changes.get("digest", DIGEST)),
        ("Signature-Input", changes.get("input", f"{label}={text}")),
        ("Signature", changes.get("signature", f"{label}=:{value}:")),
    ]
    return Incoming(raw=BODY, headers=headers, url=URL)


@pytest.mark.parametrize(
    "covered",
    [
        COVERED,
        f'{COVERED} "content-type"',
        '"content-digest" "@target-uri" "@method"',
        '"@method" "@authority" "@path" "@query" "content-digest"',
        f'{COVERED} "@scheme"',
    ],
)
def test_enough_is_signed(covered):
    assert verify(source(), request(covered), NOW)


@pytest.mark.parametrize(
    ("covered", "told"),
    [
        ("", "not signed: @method, content-digest, @target-uri"),
        ('"@target-uri" "content-digest"', "not signed: @method"),
        ('"@method" "@target-uri"', "not signed: content-digest"),
        ('"@method" "content-digest"', "not signed: @target-uri"),
        ('"@method" "@authority" "@path" "content-digest"', "not signed: @target-uri"),
        (f'{COVERED} "@method"', "a component twice"),
        (f'{COVERED} "@status"', "'@status' is not one that we can build"),
        (f'{COVERED} "@signature-params"', "is not one that we can build"),
        (f'{COVERED} "x-absent"', "x-absent is missing"),
        (f'{COVERED} "Content-Type"', "not the plain name"),
        (f'{COVERED} "content-type";sf', "not the plain name"),
        (f'{COVERED} "content-type";req', "not the plain name"),
        (f"{COVERED} token", "not the plain name"),
        (f"{COVERED} 1", "not the plain name"),
        (" ".join(f'"x-{number}"' for number in range(33)), "at most 32 components"),
    ],
)
def test_too_little_or_what_cannot_be_built_is_refused(covered, told):
    with pytest.raises(Unauthentic, match=told):
        verify(source(), request(covered), NOW)


def test_what_a_source_wants_signed_must_be():
    wants = replace(AUTH, components=("content-type",))

    assert verify(source(wants), request(f'{COVERED} "content-type"'), NOW)
    with pytest.raises(Unauthentic, match="not signed: content-type"):
        verify(source(wants), request(), NOW)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ('keyid="wms"', "not signed: created"),
        ('created;keyid="wms"', "created is not a whole number"),
        ('created=?1;keyid="wms"', "does not match"),  # true is written without a value, so this was not signed
        (f'created={SIGNED_AT}.5;keyid="wms"', "created is not a whole number"),
        (f'created="{SIGNED_AT}";keyid="wms"', "created is not a whole number"),
        (f'created=@{SIGNED_AT};keyid="wms"', "created is not a whole number"),
        (f'created={SIGNED_AT - 301};keyid="wms"', "301 s ago"),
        (f'created={SIGNED_AT + 301};keyid="wms"', "301 s in the future"),
        ('created=-999999999999999;keyid="wms"', "tolerated"),
        (f'created={SIGNED_AT};expires={SIGNED_AT};keyid="wms"', "expired"),
        (f'created={SIGNED_AT};expires;keyid="wms"', "expires is not a whole number"),
        (f"created={SIGNED_AT}", "0 signatures have a keyid"),
        (f"created={SIGNED_AT};keyid", "0 signatures have a keyid"),
        (f"created={SIGNED_AT};keyid=wms", "0 signatures have a keyid"),
        (f"created={SIGNED_AT};keyid=:d21z:", "0 signatures have a keyid"),
        (f'created={SIGNED_AT};keyid="other"', "0 signatures have a keyid"),
        (f'created={SIGNED_AT};keyid=""', "0 signatures have a keyid"),
        (f'created={SIGNED_AT};keyid="wms";keyid="wms"', "a key twice"),
        (f'created={SIGNED_AT};keyid="wms";alg="none"', "its alg is not hmac-sha256"),
        (f'created={SIGNED_AT};keyid="wms";alg="ed25519"', "its alg is not hmac-sha256"),
        (f'created={SIGNED_AT};keyid="wms";alg', "its alg is not hmac-sha256"),
        (f'created={SIGNED_AT};keyid="wms";alg=?0', "its alg is not hmac-sha256"),
    ],
)
def test_odd_parameters_are_refused_though_they_are_signed(parameters, told):
    with pytest.raises(Unauthentic, match=told):
        verify(source(), request(parameters=parameters), NOW)


@pytest.mark.parametrize("extra", ['alg="hmac-sha256"', 'nonce="a"', 'tag="b"', f"expires={SIGNED_AT + 1}", "x"])
def test_other_parameters_are_part_of_what_is_signed(extra):
    assert verify(source(), request(parameters=f'created={SIGNED_AT};keyid="wms";{extra}'), NOW)


@pytest.mark.parametrize(
    ("digest", "told"),
    [
        ("md5=:AAAA:", "has none of sha-256, sha-512"),
        ("sha-256=:AAAA:", "not that of the body"),
        ("sha-256", "not that of the body"),
        ("sha-256=AAAA", "not that of the body"),
        ("sha-256=(:AAAA:)", "not that of the body"),
        (f"{DIGEST}, sha-512=:AAAA:", "not that of the body"),
        (f"{DIGEST}, {DIGEST}", "a key twice"),
        ("sha-256=", "no dictionary"),
    ],
)
def test_a_digest_that_is_not_the_bodys_is_refused_though_it_is_signed(digest, told):
    with pytest.raises(Unauthentic, match=told):
        verify(source(), request(digest=digest), NOW)


def test_a_stronger_digest_is_as_good():
    both = f"{DIGEST}, sha-512=:{base64.b64encode(hashlib.sha512(BODY).digest()).decode()}:"

    assert verify(source(), request(digest=both), NOW)


def test_another_method_was_not_signed():
    with pytest.raises(Unauthentic):
        verify(source(), replace(request(), method="PUT"), NOW)


def test_a_public_key_is_never_the_secret_of_an_hmac():
    """The classic confusion: whoever knows the public key makes an HMAC with it."""
    ed25519 = SENDERS["rfc9421 ed25519"]
    public = bytes.fromhex("ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c")
    forged = request(key=public, parameters=f'created={SIGNED_AT};keyid="wms";alg="hmac-sha256"')
    known = PublicKey(public, key_id="wms")

    for algorithm in SignatureAlgorithm:
        with pytest.raises(Unauthentic):
            verify(source(replace(AUTH, signature_algorithm=algorithm), known), forged, NOW)
        with pytest.raises(Unauthentic):
            verify(source(replace(AUTH, signature_algorithm=algorithm), known), request(key=public), NOW)
    assert ed25519.current().reveal_bytes() == CURRENT_SEED


def test_signatures_of_others_on_the_way_are_passed_over():
    ours, theirs = request(), request(parameters=f'created={SIGNED_AT};keyid="proxy"', key=OLD_KEY, label="b")
    joined = [
        (name, value if name.startswith("Content") else f"{dict(theirs.headers)[name]}, {value}")
        for name, value in ours.headers
    ]

    assert verify(source(), replace(ours, headers=joined), NOW)


def test_two_signatures_with_our_keyid_are_one_too_many():
    first, second = request(), request(label="b")
    joined = [
        (name, value if name.startswith("Content") else f"{value}, {dict(second.headers)[name]}")
        for name, value in first.headers
    ]

    with pytest.raises(Unauthentic, match="2 signatures have a keyid"):
        verify(source(), replace(first, headers=joined), NOW)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input": "a"}, "no list"),
        ({"input": "a=1"}, "no list"),
        ({"input": "a=(), a=()"}, "a key twice"),
        ({"input": "a=(("}, "no dictionary"),
        ({"input": 'a=("@method";x=:AAAA:)'}, "not the plain name"),
        ({"input": "b=()"}, "do not name the same"),
        ({"signature": "a"}, "no byte sequence"),
        ({"signature": 'a="AAAA"'}, "no byte sequence"),
        ({"signature": "a=(:AAAA:)"}, "no byte sequence"),
        ({"signature": "a=:AAAA:"}, "does not match"),
        ({"signature": "a=::"}, "does not match"),
        ({"signature": ", ".join(f"a{number}=::" for number in range(5))}, "more than 4"),
    ],
)
def test_what_is_no_signature_is_refused(changes, told):
    with pytest.raises(Unauthentic, match=told):
        verify(source(), request(**changes), NOW)


def test_a_key_that_was_changed_under_its_name_still_verifies_while_rotating():
    both = source(AUTH, Secret(OLD_KEY, key_id="wms"), Secret(CURRENT_KEY, key_id="wms"))

    assert verify(both, request(), NOW).secret_index == 1


def test_the_tolerance_is_the_sources_own():
    with pytest.raises(Unauthentic, match="tolerated are 10"):
        verify(source(replace(AUTH, tolerance_seconds=10)), request(), NOW + timedelta(seconds=11))
