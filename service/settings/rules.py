"""Rules between settings: what no single value can break."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from service.errors import SettingsError
from service.settings.shapes import CANONICAL, EnvelopeFormat, HmacAuth, SourceAuth, StoreSettings
from service.settings.source_map import SourceMap
from service.settings.tables import Shown, Table

#: auth → the credentials it takes, each given as <name>_env or <name>_file.
STORE_CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "bearer": ("token",),
    "admin": ("username", "password"),
    "oauth1": ("consumer_key", "consumer_secret", "access_token", "access_token_secret"),
}

#: scheme → the keys of [auth] that mean something to it.
SCHEME_KEYS: Mapping[str, tuple[str, ...]] = {
    "standard-webhooks": ("tolerance_seconds",),
    "hmac": ("header", "encoding", "prefix", "key_encoding", "delivery_id_header"),
}


#: Headers that prove who somebody is; never kept, so no map can read them.
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "webhook-signature"})


def store_rules(table: Table, values: Mapping[str, Any]) -> Iterator[SettingsError]:
    longest = values["refund_read_timeout_seconds"] + values["send_deadline_seconds"]
    if values["settle_seconds"] <= longest:
        yield table.problem(
            f"a lost refund would be looked for while it may still be running: refund_read_timeout_seconds "
            f"({values['refund_read_timeout_seconds']}) + send_deadline_seconds ({values['send_deadline_seconds']}) "
            f"= {longest}",
            "settle_seconds",
            remedy=f"Write more than {longest}",
        )
    payments = values["payments"]
    for offline in payments["offline"]:
        for online in payments["online"]:
            if fnmatchcase(offline, online) or fnmatchcase(online, offline):
                shown = repr(offline) if offline == online else f"{offline!r} and {online!r}"
                yield table.problem(
                    f"{shown} would be refunded both ways",
                    "payments",
                    "online" if table.is_set("payments", "online") else "offline",
                    remedy="Name each method in one of the lists, so that it is clear whether money moves",
                )


def foreign_credentials(table: Table, auth: str) -> Iterator[SettingsError]:
    for other, names in STORE_CREDENTIALS.items():
        for key in (f"{name}_{suffix}" for name in names for suffix in ("env", "file")):
            if other != auth and table.is_set(key):
                yield table.problem(f'not used by auth = "{auth}"', key, remedy=f'Write auth = "{other}" or delete it')


def foreign_scheme_keys(table: Table, scheme: str) -> Iterator[SettingsError]:
    for other, keys in SCHEME_KEYS.items():
        for key in keys:
            if other != scheme and key not in SCHEME_KEYS[scheme] and table.is_set("auth", key):
                remedy = f'Write scheme = "{other}" or delete it'
                yield table.problem(f'not used by scheme = "{scheme}"', "auth", key, remedy=remedy)


def source_rules(table: Table, values: Mapping[str, Any]) -> Iterator[SettingsError]:
    if values["kind"] == CANONICAL and values.get("map"):
        key = next(iter(table.get(("map",))))
        remedy = 'Write kind = "generic", or the name of a preset'
        yield table.problem('not used by kind = "canonical"', "map", key, remedy=remedy, value=Shown("(a row)"))
    if "payload_field" in values and values["envelope"] != EnvelopeFormat.FORM:
        yield table.problem(
            f'not used by envelope = "{values["envelope"]}"',
            "payload_field",
            remedy='Write envelope = "form" or delete it',
        )


def secret_headers(table: Table, source_map: SourceMap, auth: SourceAuth) -> Iterator[SettingsError]:
    secret = SECRET_HEADERS | ({auth.header.lower()} if isinstance(auth, HmacAuth) else set())
    for name in sorted(source_map.headers & secret):
        yield table.problem(
            f"the header {name} proves the sender and is never kept",
            "map",
            remedy="Map the body, or a header that says what happened",
            value=Shown(name),
        )


def same_address_other_instance(
    stores: Mapping[str, StoreSettings], tables: Mapping[str, Table]
) -> Iterator[SettingsError]:
    """Two names for one Magento would give each order two slots, and a refund could be sent twice."""
    first: dict[str, StoreSettings] = {}
    for store in stores.values():
        other = first.setdefault(store.base_url, store)
        if other.instance != store.instance:
            yield tables[store.name].problem(
                f"store {other.name!r} has the same base_url and the instance {other.instance!r}",
                "instance",
                value=store.instance,
                remedy="Give stores of one Magento one instance: they share its orders",
            )


def known_stores(wanted: str, stores: Mapping[str, Table]) -> str:
    near = difflib.get_close_matches(wanted, stores, n=1)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Known stores: {', '.join(stores)}" if stores else f"Write config/stores/{wanted}.toml"
