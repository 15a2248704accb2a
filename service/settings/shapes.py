"""What a running service knows of its configuration: checked, frozen values. How they are read is in `load`.

Units are in the names; secrets are `Secret`, which shows its size and never its content.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from service.core.policy import SourcePolicy, StorePolicy
from service.settings.source_auth import IPNetwork, SourceAuth
from service.settings.source_map import SourceMap

#: The kind of source whose bodies need no map.
CANONICAL = "canonical"
#: The kind whose map is all its own; every other kind is a preset.
GENERIC = "generic"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    service: ServiceSettings
    stores: Mapping[str, StoreSettings]
    sources: Mapping[str, SourceSettings]
    #: Every effective value and where it came from, secrets masked; for `refundry settings`.
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """One effective value as a person may see it: ("stores.main.mode", '"live"', "config/stores/main.toml")."""

    key: str
    value_shown: str
    origin: str


class Mode(StrEnum):
    LIVE = "live"
    #: Plans and shows, sends nothing.
    SHADOW = "shadow"


class EnvelopeFormat(StrEnum):
    """What a body is wrapped in."""

    JSON = "json"
    FORM = "form"
    CLOUDEVENTS = "cloudevents"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    #: May carry a password, so it stays out of reprs.
    database_url: str = field(repr=False)
    log_level: str = "INFO"
    api: bool = True
    host: str = "127.0.0.1"
    port: int = 8000
    web_workers: int = 1
    web_threads: int = 32
    #: Without a slash at its end; "": not told.
    public_url: str = ""
    trusted_proxies: tuple[IPNetwork, ...] = ()
    max_body_bytes: int = 1_048_576
    max_json_depth: int = 32
    worker_threads: int = 4
    poll_seconds: float = 1.0
    lease_seconds: int = 300
    #: 0: for ever.
    keep_bodies_days: int = 90
    retry_first_seconds: int = 5
    retry_factor: float = 2.0
    retry_max_seconds: int = 900
    retry_give_up_after_seconds: int = 259_200


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSettings:
    name: str
    base_url: str
    store_code: str = "default"
    #: The Magento installation. Stores that share it share its orders, so they share each order's slot.
    instance: str
    mode: Mode = Mode.LIVE
    auth: StoreAuth
    settle_seconds: int = 300
    send_deadline_seconds: int = 10
    connect_timeout_seconds: int = 5
    read_timeout_seconds: int = 30
    refund_read_timeout_seconds: int = 180
    max_concurrency: int = 4
    #: None: as many as come to it.
    calls_per_second: float | None = None
    circuit_failures: int = 5
    circuit_seconds: int = 30
    circuit_max_seconds: int = 300
    #: 0: not looked at.
    drift_check_after_seconds: int = 300
    drift_check_again_after_seconds: int = 86_400
    policy: StorePolicy
    caps: Caps


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSettings:
    name: str
    kind: str
    store: str
    #: Part of every marker; sources that report the same returns share one.
    namespace: str
    mode: Mode = Mode.LIVE
    #: Keys as the signature scheme uses them (decoded); the first signs, each verifies.
    secrets: tuple[Secret, ...]
    auth: SourceAuth
    #: Origins that may ask, by OPTIONS, whether their deliveries are wanted (CloudEvents webhooks).
    handshake_origins: tuple[str, ...] = ()
    policy: SourcePolicy
    #: How its bodies become canonical events; None: they are.
    map: SourceMap | None = None
    envelope: EnvelopeFormat = EnvelopeFormat.JSON
    #: form: the field that holds the body as JSON; None: the fields are the body.
    payload_field: str | None = None
    caps: Caps
    max_body_bytes: int = 1_048_576
    success_status: int = 202
    #: Sent verbatim (JSON) when set; None: our own answer.
    success_body: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Caps:
    """What may be refunded in a day (UTC) before a person must approve; None: no limit. Base currency."""

    refunds: int | None = None
    amount: Decimal | None = None


class Secret:
    """A value that must not be seen: its repr and str say its size, comparing takes constant time."""

    __slots__ = ("_content", "key_id")

    def __init__(self, content: str | bytes, *, key_id: str = "") -> None:
        self._content = content.encode() if isinstance(content, str) else content
        #: What a sender calls it, where it says which of its keys it used.
        self.key_id = key_id

    def reveal(self) -> str:
        return self._content.decode()

    def reveal_bytes(self) -> bytes:
        return self._content

    def __repr__(self) -> str:
        return f"(set, {len(self._content)} bytes)"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and hmac.compare_digest(self._content, other._content)

    def __hash__(self) -> int:
        return hash(self._content)


class PublicKey(Secret):
    """What a signature is checked with, and cannot be made with: Ed25519's 32 bytes, or an RSA key in DER."""

    __slots__ = ()


class PrivateKey(Secret):
    """What a signature is made with, and so checked with too: Ed25519's seed, or an RSA key in DER."""

    __slots__ = ()


class Fingerprint(Secret):
    """The SHA-256 of what a sender shows: it proves the thing, and is not the thing."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BearerAuth:
    """An integration's access token, sent as it is."""

    token: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class AdminAuth:
    """An admin user; their token is fetched and renewed."""

    username: Secret
    password: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuth1Auth:
    """An integration's four credentials; requests are signed with HMAC-SHA256."""

    consumer_key: Secret
    consumer_secret: Secret
    access_token: Secret
    access_token_secret: Secret


StoreAuth = BearerAuth | AdminAuth | OAuth1Auth
