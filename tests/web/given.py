"""A service with two sources on a real SQLite file, and what its senders and readers say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.core.policy import SourcePolicy, StorePolicy
from service.runtime import build_runtime
from service.settings import (
    BearerAuth,
    Caps,
    HmacAuth,
    Secret,
    ServiceSettings,
    Settings,
    SourceSettings,
    StandardWebhooksAuth,
    StoreSettings,
)
from service.sources import sign

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LIMIT_BYTES = 4096
BODY = (Path(__file__).parent.parent / "samples" / "return-approved.json").read_bytes()

SECRET = Secret(bytes(range(32)))
OTHER_SECRET = Secret(bytes(range(32, 64)))


class Clock:
    """Stands still until it is told."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def pass_by(self, **time):
        self.now += timedelta(**time)


def a_source(name="warehouse", *, auth=None, secrets=(SECRET,), **changes):
    return SourceSettings(
        **{
            "name": name,
            "kind": "canonical",
            "store": "main",
            "namespace": name,
            "secrets": secrets,
            "auth": auth or StandardWebhooksAuth(),
            "policy": SourcePolicy(),
            "caps": Caps(),
            "max_body_bytes": LIMIT_BYTES,
        }
        | changes
    )


WAREHOUSE = a_source()
PORTAL = a_source("portal", auth=HmacAuth(header="X-Signature", delivery_id_header="X-Delivery-Id"))
#: As ShipHero wants it.
PICKY = a_source("picky", success_status=200, success_body='{"code": "200", "Status": "Success"}')


def settings_for(database_url, *sources, **service):
    store = StoreSettings(
        name="main",
        base_url="http://127.0.0.1:9",
        instance="shop",
        auth=BearerAuth(token=Secret("magento-token")),
        policy=StorePolicy(shipping={}),
        caps=Caps(),
    )
    return Settings(
        service=ServiceSettings(**{"database_url": database_url, "max_body_bytes": LIMIT_BYTES} | service),
        stores={"main": store},
        sources={source.name: source for source in sources or (WAREHOUSE, PORTAL, PICKY)},
    )


def a_runtime(database_url, clock, *sources, **service):
    return build_runtime(settings_for(database_url, *sources, **service), clock=clock)


def signed(body=BODY, delivery_id="msg_1", *, source=WAREHOUSE, at=NOW):
    """The headers of a delivery as `source` sends it."""
    return [("Content-Type", "application/json"), *sign(source, body, at, delivery_id)]


def an_event(**changes):
    return json.dumps(json.loads(BODY) | changes).encode()
