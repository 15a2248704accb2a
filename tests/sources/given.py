"""Sources and bodies that the tests start from. Vectors are worked examples of the published schemes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

from service import sources
from service.core.policy import SourcePolicy
from service.settings import (
    Caps,
    HmacAuth,
    Secret,
    SignatureEncoding,
    SourceAuth,
    SourceSettings,
    StandardWebhooksAuth,
)
from service.sources import Headers, Incoming, Verified

SAMPLES = Path(__file__).parent.parent / "samples"

BODY = (
    b'{"type":"return.received","id":"ev_1001","data":{"return_id":"RMA-1001","order":"000001234",'
    b'"lines":[{"sku":"TEE-BLU-M","qty":1}]}}'
)
SIGNED_AT = 1770000000
NOW = datetime.fromtimestamp(SIGNED_AT, UTC)
MESSAGE_ID = "msg_2yRMA1001example"

CURRENT_KEY = base64.b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
OLD_KEY = base64.b64decode("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")

STANDARD_WEBHOOKS = StandardWebhooksAuth()
HMAC_HEX = HmacAuth(header="X-Hub-Signature-256", prefix="sha256=")
HMAC_BASE64 = HmacAuth(header="X-Loop-Signature", encoding=SignatureEncoding.BASE64)


def a_source(
    auth: SourceAuth = STANDARD_WEBHOOKS,
    secrets: tuple[bytes, ...] = (CURRENT_KEY,),
    policy: SourcePolicy | None = None,
) -> SourceSettings:
    return SourceSettings(
        name="warehouse",
        kind="canonical",
        store="main",
        namespace="warehouse",
        secrets=tuple(Secret(secret) for secret in secrets),
        auth=auth,
        policy=policy or SourcePolicy(),
        caps=Caps(),
    )


def verify(source: SourceSettings, raw: bytes, headers: Headers, now: datetime, **request: str) -> Verified:
    """A request as most tests see it: a body and its headers."""
    return sources.verify(source, Incoming(raw=raw, headers=headers, **request), now)


def an_event(**changes: object) -> dict[str, object]:
    """The sample of return.approved with some top-level keys changed; None takes one away."""
    event = json.loads((SAMPLES / "return-approved.json").read_text()) | changes
    return {key: value for key, value in event.items() if value is not None}


def a_line(**changes: object) -> dict[str, object]:
    line = {"sku": "WS12-M-Orange", "quantity": "1", "disposition": "sellable"} | changes
    return {key: value for key, value in line.items() if value is not None}
