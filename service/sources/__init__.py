"""What portals and warehouses send: is it theirs, and what does it say.

`verify` proves the sender over the raw bytes, `parse` reads the body into our words, `sign` does what the sender does.
The two tables are the registry: a new scheme or kind is one module and one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.core.returns import Ignored, ReturnEvent
from service.settings import HmacAuth, SourceSettings, StandardWebhooksAuth
from service.sources.auth import hmac_sha256, standard_webhooks
from service.sources.base import AuthScheme, Headers, Incoming, Kind, Limits, Verified
from service.sources.kinds import canonical

__all__ = ["AUTH_SCHEMES", "KINDS", "Headers", "Incoming", "Limits", "Verified", "parse", "sign", "verify"]

# Typed one by one, so that mypy holds each module to the protocol with its own settings.
_STANDARD_WEBHOOKS: AuthScheme[StandardWebhooksAuth] = standard_webhooks
_HMAC: AuthScheme[HmacAuth] = hmac_sha256

AUTH_SCHEMES: Mapping[str, AuthScheme[Any]] = {
    StandardWebhooksAuth.scheme: _STANDARD_WEBHOOKS,
    HmacAuth.scheme: _HMAC,
}

KINDS: Mapping[str, Kind] = {"canonical": canonical}


def verify(source: SourceSettings, incoming: Incoming, now: datetime) -> Verified:
    """The proved delivery; Unauthentic, with the reason for the operator alone, for everything else."""
    return AUTH_SCHEMES[source.auth.scheme].verify(source.auth, source.secrets, incoming, now)


def parse(source: SourceSettings, raw: bytes, headers: Headers, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
    """What a verified body says, one event per return and order; Unreadable names path, value and remedy."""
    del headers  # the canonical event says everything in its body; kinds of portals will look here
    return KINDS[source.kind].parse(source.policy, raw, limits)


def sign(source: SourceSettings, raw: bytes, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    """The headers that make `raw` a delivery of this source, signed with its current secret."""
    return AUTH_SCHEMES[source.auth.scheme].sign(source.auth, source.secrets[0], raw, now, delivery_id)
