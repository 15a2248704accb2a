"""Both verdicts on many requests, and which pairs of verdicts are allowed.

Ours may refuse more. It may accept what makes the library raise something that is no verdict, when the request was
signed: a body that is not UTF-8, or an odd entry beside the good one. It must never accept what the library refuses.
"""

from __future__ import annotations

import binascii
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from unittest.mock import patch

import standardwebhooks.webhooks
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from service.errors import Unauthentic
from tests.differential.requests import KEY, NOW, Request, make_request
from tests.sources.given import a_source, verify

_AT = datetime.fromtimestamp(NOW, UTC)
_SOURCE = a_source()

ACCEPTS, REFUSES = "accepts", "refuses"

#: Exceptions of the library's that are no verdict: whoever calls it has to catch these as well.
_ESCAPES = (ValueError, TypeError, AttributeError, OverflowError, OSError, binascii.Error)


class _StandingClock(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


@dataclass
class Comparison:
    cases: int = 0
    #: (ours, theirs) → how often.
    verdicts: Counter = field(default_factory=Counter)
    #: (what was done, ours, theirs) → how often, where they differ.
    differences: Counter = field(default_factory=Counter)
    #: Requests that we accept and the library refuses. Must stay empty.
    unsafe: list[tuple[int, Request]] = field(default_factory=list)

    def add(self, other: Comparison) -> None:
        self.cases += other.cases
        self.verdicts += other.verdicts
        self.differences += other.differences
        self.unsafe += other.unsafe


def compare(seed: int, first: int, count: int) -> Comparison:
    seen = Comparison()
    with patch.object(standardwebhooks.webhooks, "datetime", _StandingClock):
        for number, request in _requests(seed, first, count):
            ours, theirs = our_verdict(request), their_verdict(request)
            seen.cases += 1
            seen.verdicts[ours, theirs] += 1
            if ours != theirs:
                seen.differences[_why(request), ours, theirs] += 1
            if ours == ACCEPTS and theirs == REFUSES:
                seen.unsafe.append((number, request))
    return seen


def _requests(seed: int, first: int, count: int) -> Iterator[tuple[int, Request]]:
    for number in range(first, first + count):
        yield number, make_request(seed, number)


def our_verdict(request: Request) -> str:
    try:
        verify(_SOURCE, request.body, list(request.headers.items()), _AT)
    except Unauthentic:
        return REFUSES
    return ACCEPTS


def their_verdict(request: Request) -> str:
    """Without reading JSON: that is no part of verifying."""
    try:
        Webhook(KEY).verify(request.body, request.headers, json_parse=False)
    except WebhookVerificationError:
        return REFUSES
    except _ESCAPES as error:
        return f"raises {type(error).__name__}"
    return ACCEPTS


def _why(request: Request) -> str:
    """What of the request the verdicts may differ about, as a reader would say it."""
    try:
        request.body.decode()
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    if not request.time.isascii() or not request.time.isdigit() or request.time.startswith("0"):
        return "the time is not a whole number, or has a sign, a space, _ or a zero before it"
    delivery_id = request.delivery_id
    if not 0 < len(delivery_id) <= 255 or not delivery_id.isascii() or set(delivery_id) & set(" \x00\n"):
        return "the id is empty, overlong, or has spaces or what is not printable ASCII"
    entries = request.signature.split(" ")
    if len(entries) > 32:
        return "more than 32 signatures"
    if not request.signature.isascii() or not request.signature.isprintable():
        return "the signatures are not printable ASCII"
    if any(entry.count(",") != 1 for entry in entries):
        return "an entry without, or with more than, one comma"
    return "base64 that no encoder writes"
