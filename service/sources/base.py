"""What a signature scheme and a kind of body must offer, and the plain values they exchange.

Everything here is pure: bytes, headers and `now` come in; no I/O, no clock. Verification happens over the bytes as they
were received, before anything is parsed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from service.core.returns import Ignored, ReturnEvent
from service.errors import Unauthentic
from service.settings import Secret, SourceSettings

#: As they came over the wire, doubles included.
Headers = Sequence[tuple[str, str]]

Auth_contra = TypeVar("Auth_contra", contravariant=True)

#: Longer than any real signature list, short enough that a hostile one costs nothing.
MAX_HEADER_LENGTH = 4096
#: Part of a unique index; real ids have about thirty characters.
MAX_ID_LENGTH = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A request before anything of it is believed: what a scheme verifies."""

    raw: bytes
    headers: Headers
    method: str = "POST"
    #: As the sender wrote it: service.public_url and the request's target. Without that setting the target alone.
    url: str = ""
    #: Whoever connected, which is a proxy where there is one. Never what a header says.
    peer: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A delivery whose sender is proved."""

    #: The same for a redelivery, another for anything else.
    delivery_key: str
    #: Which of the source's secrets matched, from 0; more than 0 means that the sender still signs with an old one.
    secret_index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much of a body is taken on. `number_characters` keeps a number from costing quadratic time."""

    json_depth: int = 32
    lines: int = 1000
    number_characters: int = 40


class AuthScheme(Protocol[Auth_contra]):
    """A signature scheme; each is a module in service/sources/auth."""

    def verify(self, auth: Auth_contra, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
        """Unauthentic for anything that one of `secrets` does not prove to be current and the sender's."""
        ...

    def sign(
        self, auth: Auth_contra, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
    ) -> list[tuple[str, str]]:
        """The headers that such a sender would add; BadRequest where what is known here cannot make them."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """What a delivery holds, taken out of its envelope."""

    body: Mapping[str, Any]
    #: The headers that were kept, in lower case.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The query parameters that were kept.
    params: Mapping[str, str] = field(default_factory=dict)


class Kind(Protocol):
    """A form of body; each is a module in service/sources/kinds."""

    def read(self, source: SourceSettings, document: Document, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
        """What an authentic body says, one event per order; Unreadable names path, value and remedy."""
        ...


def read_header(headers: Headers, name: str, *, max_length: int = MAX_HEADER_LENGTH) -> str | None:
    """The header's value, None when absent; Unauthentic when it is empty, doubled, overlong or not printable ASCII."""
    wanted = name.lower()
    values = [value for key, value in headers if key.lower() == wanted]
    if not values:
        return None
    if len(values) > 1:
        raise Unauthentic(f"header {name} was sent {len(values)} times", header=name)
    value = values[0]
    if not value or len(value) > max_length or not value.isascii() or not value.isprintable():
        raise Unauthentic(f"header {name} is empty, overlong or not printable ASCII", header=name)
    return value


def require_header(headers: Headers, name: str) -> str:
    value = read_header(headers, name)
    if value is None:
        raise Unauthentic(f"header {name} is missing", header=name)
    return value


def require_id(value: str, name: str) -> str:
    """`value` when it can be a delivery's id: no spaces, of a length that a key may have."""
    if len(value) > MAX_ID_LENGTH or " " in value:
        raise Unauthentic(f"header {name} is no id", header=name)
    return value


def match_secret(candidates: Sequence[bytes], expected: Sequence[bytes]) -> int | None:
    """Which secret's signature was sent: an index into `expected`, the first that matches; None: none of them.

    Always compares everything, so that the time it takes tells nothing.
    """
    matches = [
        any([hmac.compare_digest(candidate, signature) for candidate in candidates])  # noqa: C419  no early exit
        for signature in expected
    ]
    return matches.index(True) if True in matches else None
