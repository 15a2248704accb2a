"""What portals and warehouses send: is it theirs, and what does it say.

`verify` proves the sender over the raw bytes, `parse` reads the body into our words, `sign` does what the sender does.
The two tables are the registry: a new scheme or kind is one module and one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.core.returns import Ignored, ReturnEvent
from service.settings import CANONICAL, GENERIC, HmacAuth, SourceSettings, StandardWebhooksAuth
from service.sources.auth import hmac_sha256, standard_webhooks
from service.sources.base import AuthScheme, Headers, Incoming, Kind, Limits, Verified
from service.sources.envelopes import keep, open_envelope
from service.sources.kinds import canonical, mapped

__all__ = ["AUTH_SCHEMES", "KINDS", "Headers", "Incoming", "Limits", "Verified", "keep", "parse", "sign", "verify"]

# Typed one by one, so that mypy holds each module to the protocol with its own settings.
_STANDARD_WEBHOOKS: AuthScheme[StandardWebhooksAuth] = standard_webhooks
_HMAC: AuthScheme[HmacAuth] = hmac_sha256

AUTH_SCHEMES: Mapping[str, AuthScheme[Any]] = {
    StandardWebhooksAuth.scheme: _STANDARD_WEBHOOKS,
    HmacAuth.scheme: _HMAC,
}

#: A kind that is not here is a preset: a map.
KINDS: Mapping[str, Kind] = {CANONICAL: canonical, GENERIC: mapped}


def verify(source: SourceSettings, incoming: Incoming, now: datetime) -> Verified:
    """The proved delivery; Unauthentic, with the reason for the operator alone, for everything else."""
    return AUTH_SCHEMES[source.auth.scheme].verify(source.auth, source.secrets, incoming, now)


def parse(source: SourceSettings, raw: bytes, headers: Headers, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
    """What a verified body says, one event per return and order; Unreadable names path, value and remedy."""
    kind = KINDS.get(source.kind, mapped)
    return kind.read(source, open_envelope(source, raw, headers, limits), limits)


def sign(source: SourceSettings, raw: bytes, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    """The headers that make `raw` a delivery of this source, signed with its current secret."""
    return AUTH_SCHEMES[source.auth.scheme].sign(source.auth, source.secrets[0], raw, now, delivery_id)
