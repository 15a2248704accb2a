"""Requests to compare verdicts on: good ones, and good ones with one to three things wrong.

All of it follows from a seed and the case's number, so that one case can be looked at again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

NOW = 1770000000
KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))

_BODIES = (
    b"{}",
    b'{"type":"return.approved","id":"evt_0001"}',
    '{"note":"zu groß €"}'.encode(),
    b"",
    b"not json",
    b"\xff\xfe\x00",
    b'{"a":"' + b"x" * 500 + b'"}',
)
_IDS = ("msg_2yRMA1001example", "a", "msg.with.dots", "msg 1", "é", "", "x" * 300, "msg:1/2", "\x00", "a\nb")
_AGES = (0, 0, 0, 1, -1, 299, -299, 300, -300, 301, -301, 86_400, -86_400)
_TIMES = (
    "",
    "0",
    "-1",
    "NaN",
    "inf",
    "1e9",
    "0x1",
    "²",
    "\u0661\u0667",
    str(NOW) + ".0",
    str(NOW) + ".9",
    f" {NOW}",
    f"{NOW} ",
    f"0{NOW}",
    f"+{NOW}",
    "1_770_000_000",
    "1" * 400,
    f"{NOW},{NOW}",
)
_ENTRIES = (
    "v1,",
    "v1",
    ",",
    "",
    "v2,AAAA",
    "v1a,AAAA",
    "v1,AAAA",
    "v1,A",
    "v1,é",
    "v1,!!!!",
    "nonsense",
    "v1,a,b",
    "V1,AAAA",
    "v1, AAAA",
    "\t",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    delivery_id: str
    time: str
    signature: str
    body: bytes
    #: What was done to it, in order; () is a good one.
    done: tuple[str, ...] = ()
    #: Left out of the headers.
    missing: str = ""

    @property
    def headers(self) -> dict[str, str]:
        sent = {
            "webhook-id": self.delivery_id,
            "webhook-timestamp": self.time,
            "webhook-signature": self.signature,
        }
        return {name: value for name, value in sent.items() if name != self.missing}


def signature(delivery_id: str, time: str, body: bytes, key: bytes = KEY) -> str:
    signed = f"{delivery_id}.{time}.".encode("utf-8", "surrogatepass") + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def make_request(seed: int, number: int) -> Request:
    random = Random(f"{seed}/{number}")
    delivery_id = random.choice(_IDS) if random.random() < 0.2 else f"msg_{random.getrandbits(64):x}"
    time = str(NOW - random.choice(_AGES)) if random.random() < 0.8 else random.choice(_TIMES)
    body = random.choice(_BODIES) if random.random() < 0.5 else f'{{"id":{random.getrandbits(64)}}}'.encode()
    request = Request(delivery_id=delivery_id, time=time, body=body, signature=signature(delivery_id, time, body))
    for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
        name, change = random.choice(_CHANGES)
        request = replace(change(request, random), done=(*request.done, name))
    return request


def _flip(request: Request, random: Random) -> Request:
    if not request.body:
        return replace(request, body=b"\x00")
    at = random.randrange(len(request.body))
    # Mostly a bit that leaves ASCII ASCII: the library goes no further with what is not UTF-8.
    changed = request.body[at] ^ (1 << random.choice((0, 1, 2, 3, 4, 7)))
    return replace(request, body=request.body[:at] + bytes([changed]) + request.body[at + 1 :])


def _edit(request: Request, random: Random) -> Request:
    text = request.signature
    at = random.randrange(len(text) + 1)
    piece = random.choice(("", "=", "A", "-", "_", " ", ",", "\n", "é", "\x00", "/", "+", "\ud800"))
    return replace(request, signature=text[:at] + piece + text[at + random.randrange(2) :])


def _among_others(request: Request, random: Random) -> Request:
    entries = [random.choice(_ENTRIES) for _ in range(random.choice((1, 2, 3, 40)))]
    entries.insert(random.randrange(len(entries) + 1), request.signature)
    return replace(request, signature=" ".join(entries))


def _foreign(request: Request, random: Random) -> Request:
    foreign = signature(request.delivery_id, request.time, request.body, OTHER_KEY)
    return replace(request, signature=random.choice((foreign, f"{foreign} {request.signature}")))


_CHANGES: tuple[tuple[str, Callable[[Request, Random], Request]], ...] = (
    ("a bit of the body flipped", _flip),
    ("the signature edited", _edit),
    ("other entries beside the signature", _among_others),
    ("another secret's signature", _foreign),
    ("another id", lambda request, random: replace(request, delivery_id=random.choice(_IDS))),
    ("another time", lambda request, random: replace(request, time=random.choice(_TIMES))),
    ("url-safe base64", lambda request, _: replace(request, signature=request.signature.translate({43: 45, 47: 95}))),
    ("without padding", lambda request, _: replace(request, signature=request.signature.rstrip("="))),
    ("another case", lambda request, _: replace(request, signature=request.signature.swapcase())),
    (
        "a header missing",
        lambda request, random: replace(request, missing=random.choice(sorted(request.headers) or [""])),
    ),
)
