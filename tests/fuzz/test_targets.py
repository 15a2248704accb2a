"""The deterministic part of `make fuzz`: every target on its seeds, on each of them bent, and on chance."""

from random import Random

import pytest

from tests.fuzz.targets import TARGETS, Wrong, request_from, seeds, verifier
from tests.sources.schemes import SENDERS

EACH = 150


def bent(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    piece = random.choice((b"", b"=", b",", b'"', b"\x00", b"\xff", b" ", b"(", b";", b":", random.randbytes(3)))
    return content[:at] + piece + content[at + random.randrange(3) :]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_its_promise(name):
    random = Random(name)

    for content in seeds(name):
        TARGETS[name](content)
        for _ in range(EACH):
            TARGETS[name](bent(content, random))
    for first in range(256):
        TARGETS[name](bytes([first]) + random.randbytes(random.randrange(60)))


@pytest.mark.parametrize("name", SENDERS)
def test_the_seeds_lead_to_the_good_request_and_to_others(name):
    sender = SENDERS[name]
    good = sender.sends()

    made = [request_from(sender, content, good) for content in seeds(name)]

    assert request_from(sender, b"", good) == good
    assert all(dict(each.headers) == dict(good.headers) for each in made)


def test_a_verifier_that_accepts_an_unsigned_body_is_caught(monkeypatch):
    sender = SENDERS["timestamped-hmac"]
    monkeypatch.setattr("service.sources.auth.timestamped_hmac.match_secret", lambda *_: 0)

    with pytest.raises(Wrong, match="a body that nobody signed"):
        verifier(sender)(b"\x90another body")


def test_an_exception_that_is_no_verdict_is_not_swallowed(monkeypatch):
    sender = SENDERS["bearer"]

    def breaks(*_):
        raise KeyError("bug")

    monkeypatch.setattr("service.sources.auth.bearer.match_word", breaks)

    with pytest.raises(KeyError):
        verifier(sender)(b"")
