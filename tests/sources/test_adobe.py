"""Adobe's signatures: which of two counts, whose events they are, and what a refusal tells the operator."""

import json
from dataclasses import replace

import pytest

from service.errors import Unauthentic
from service.sources import Incoming, verify
from tests.sources.given import NOW
from tests.sources.schemes import CLIENT_ID, SENDERS, an_event_for

ADOBE = SENDERS["adobe-rsa"]
FIRST, SECOND = "x-adobe-digital-signature-1", "x-adobe-digital-signature-2"


def signature(body, secret=0):
    return dict(ADOBE.sends(body, secret=secret).headers)[FIRST]


def accepts(body, *headers, source=None):
    return verify(source or ADOBE.source(), Incoming(raw=body, headers=headers), NOW)


@pytest.mark.parametrize(
    ("first", "second"), [(0, None), (None, 0), (0, 1), (1, 0)], ids=["first alone", "second alone", "first", "second"]
)
def test_one_good_signature_of_the_two_is_enough(first, second):
    body = an_event_for()
    sent = [(FIRST, first), (SECOND, second)]

    assert accepts(body, *((name, signature(body, number)) for name, number in sent if number is not None))


def test_when_none_is_good_the_operator_reads_where_the_keys_are():
    body = an_event_for()
    paths = [
        ("x-adobe-public-key1-path", "/prod/keys/pub-key-a1.pem"),
        ("x-adobe-public-key2-path", "https://evil.example/key.pem"),
    ]

    with pytest.raises(Unauthentic) as refused:
        accepts(body, (FIRST, signature(body, 1)), *paths)

    assert "https://static.adobeioevents.com/prod/keys/pub-key-a1.pem" in refused.value.message
    assert "evil" not in refused.value.message


@pytest.mark.parametrize("path", ["/../x", "//evil.example/x", "/a\\b", "/" + "a" * 300, "/a b", "@evil.example/"])
def test_a_path_that_leads_elsewhere_is_not_shown(path):
    body = an_event_for()

    with pytest.raises(Unauthentic) as refused:
        accepts(body, (FIRST, signature(body, 1)), ("x-adobe-public-key1-path", path))

    assert refused.value.message == "no signature matches one of the source's keys"


MINE, OTHERS = json.loads(an_event_for()), json.loads(an_event_for("another"))


@pytest.mark.parametrize(
    "body",
    [
        MINE,
        [MINE],
        [MINE, MINE],
        {"recipientclientid": CLIENT_ID},
        {"recipient_client_id": CLIENT_ID, "recipientclientid": CLIENT_ID},
    ],
)
def test_events_that_all_name_our_client_are_ours(body):
    raw = json.dumps(body).encode()

    assert accepts(raw, (FIRST, signature(raw)))


@pytest.mark.parametrize(
    "body",
    [
        OTHERS,
        [OTHERS],
        [MINE, OTHERS],
        [MINE, {}],
        [MINE, None],
        [MINE, [MINE]],
        [],
        {},
        1,
        None,
        CLIENT_ID,
        {"recipient_client_id": None},
        {"recipient_client_id": [CLIENT_ID]},
        {"recipient_client_id": CLIENT_ID.upper()},
        {"recipient_client_id": CLIENT_ID + " "},
        {"recipient_client_id": CLIENT_ID, "recipientclientid": "another"},
        {"data": MINE},
    ],
)
def test_an_event_that_does_not_is_refused_though_adobe_signed_it(body):
    raw = json.dumps(body).encode()

    with pytest.raises(Unauthentic):
        accepts(raw, (FIRST, signature(raw)))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"recipient_client_id":"another","recipient_client_id":"%s"}' % CLIENT_ID.encode(),
        b"[" * 100_000,
        b"9" * 5000,
        b"\xff",
        an_event_for().decode().encode("utf-16"),
        an_event_for() + b"{}",
        b'{"recipient_client_id":"%s"' % CLIENT_ID.encode(),
    ],
    ids=["a key twice", "deep", "a huge number", "not UTF-8", "UTF-16", "two bodies", "cut off"],
)
def test_a_body_that_may_be_read_in_two_ways_is_refused(raw):
    with pytest.raises(Unauthentic, match="says once for whom it is"):
        accepts(raw, (FIRST, signature(raw)))


def test_a_batch_has_an_end():
    raw = json.dumps([MINE] * 10_001).encode()

    with pytest.raises(Unauthentic, match="a batch of 10001 events"):
        accepts(raw, (FIRST, signature(raw)))


def test_a_signature_of_commerce_is_none_of_events():
    """The same key, over base64 of the body."""
    commerce = SENDERS["adobe-commerce-rsa"]
    sent = dict(commerce.sends(an_event_for()).headers)[commerce.proof]

    with pytest.raises(Unauthentic):
        accepts(an_event_for(), (FIRST, sent))
    assert verify(replace(commerce.source()), commerce.sends(), NOW)
