"""What portals and warehouses send: is it theirs, and what does it say.

`verify` proves the sender over the raw bytes, `parse` reads the body into our words, `sign` does what the sender does.
The two tables are the registry: a new scheme or kind is one module and one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.core.returns import Ignored, ReturnEvent
from service.settings import (
    CANONICAL,
    GENERIC,
    AdobeCommerceAuth,
    AdobeEventsAuth,
    ApiKeyAuth,
    BasicAuth,
    ClientCertificateAuth,
    HmacAuth,
    MessageSignatureAuth,
    NoAuth,
    Secret,
    SourceSettings,
    StandardWebhooksAuth,
    TimestampedHmacAuth,
    TokenAuth,
)
from service.sources.auth import (
    adobe_commerce,
    adobe_events,
    api_key,
    basic,
    bearer,
    client_certificate,
    message_signature,
    nothing,
    plain_hmac,
    standard_webhooks,
    timestamped_hmac,
)
from service.sources.base import AuthScheme, Headers, Incoming, Kind, Limits, Verified
from service.sources.envelopes import keep, open_envelope, unsigned_marks
from service.sources.kinds import canonical, mapped

__all__ = ["AUTH_SCHEMES", "KINDS", "Headers", "Incoming", "Limits", "Verified", "keep", "parse", "sign", "verify"]

# Typed one by one, so that mypy holds each module to the protocol with its own settings.
_STANDARD_WEBHOOKS: AuthScheme[StandardWebhooksAuth] = standard_webhooks
_HMAC: AuthScheme[HmacAuth] = plain_hmac
_TIMESTAMPED_HMAC: AuthScheme[TimestampedHmacAuth] = timestamped_hmac
_BEARER: AuthScheme[TokenAuth] = bearer
_API_KEY: AuthScheme[ApiKeyAuth] = api_key
_BASIC: AuthScheme[BasicAuth] = basic
_ADOBE_EVENTS: AuthScheme[AdobeEventsAuth] = adobe_events
_ADOBE_COMMERCE: AuthScheme[AdobeCommerceAuth] = adobe_commerce
_MESSAGE_SIGNATURE: AuthScheme[MessageSignatureAuth] = message_signature
_CLIENT_CERTIFICATE: AuthScheme[ClientCertificateAuth] = client_certificate
_NOTHING: AuthScheme[NoAuth] = nothing

AUTH_SCHEMES: Mapping[str, AuthScheme[Any]] = {
    StandardWebhooksAuth.scheme: _STANDARD_WEBHOOKS,
    HmacAuth.scheme: _HMAC,
    TimestampedHmacAuth.scheme: _TIMESTAMPED_HMAC,
    TokenAuth.scheme: _BEARER,
    ApiKeyAuth.scheme: _API_KEY,
    BasicAuth.scheme: _BASIC,
    AdobeEventsAuth.scheme: _ADOBE_EVENTS,
    AdobeCommerceAuth.scheme: _ADOBE_COMMERCE,
    MessageSignatureAuth.scheme: _MESSAGE_SIGNATURE,
    ClientCertificateAuth.scheme: _CLIENT_CERTIFICATE,
    NoAuth.scheme: _NOTHING,
}

#: A kind that is not here is a preset: a map.
KINDS: Mapping[str, Kind] = {CANONICAL: canonical, GENERIC: mapped}


def verify(source: SourceSettings, incoming: Incoming, now: datetime) -> Verified:
    """The proved delivery; Unauthentic, with the reason for the operator alone, for everything else."""
    verified = AUTH_SCHEMES[source.auth.scheme].verify(source.auth, source.secrets, incoming, now)
    # Its id is signed. Elsewhere the body stands for the delivery, and one body under two topics is two deliveries.
    marks = "" if source.auth.scheme == StandardWebhooksAuth.scheme else unsigned_marks(source, incoming)
    return replace(verified, delivery_key=f"{verified.delivery_key}:{marks}") if marks else verified


def parse(source: SourceSettings, raw: bytes, headers: Headers, limits: Limits) -> tuple[ReturnEvent, ...] | Ignored:
    """What a verified body says, one event per return and order; Unreadable names path, value and remedy."""
    kind = KINDS.get(source.kind, mapped)
    return kind.read(source, open_envelope(source, raw, headers, limits), limits)


def sign(
    source: SourceSettings, raw: bytes, now: datetime, delivery_id: str, *, url: str = "", headers: Headers = ()
) -> list[tuple[str, str]]:
    """The headers that make `raw` a delivery of this source, signed with its current secret.

    `url` and `headers` are what else will be sent, for schemes that sign those. BadRequest where the source knows too
    little to sign: half of a key pair, or a hash.
    """
    unsigned = Incoming(raw=raw, headers=headers, url=url)
    secret = source.secrets[0] if source.secrets else Secret("")
    return AUTH_SCHEMES[source.auth.scheme].sign(source.auth, secret, unsigned, now, delivery_id)
