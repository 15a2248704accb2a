"""Rules between settings: what no single value can break."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

from service.errors import SettingsError
from service.settings.schemas import SourceAuthSchema
from service.settings.shapes import CANONICAL, EnvelopeFormat, ServiceSettings, StoreSettings
from service.settings.source_auth import (
    SOURCE_AUTHS,
    CertificateForm,
    ClientCertificateAuth,
    MessageSignatureAuth,
    NoAuth,
    Pin,
    SourceAuth,
)
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
    scheme: tuple(each.name for each in fields(shape) if each.name in SourceAuthSchema().fields)
    for scheme, shape in SOURCE_AUTHS.items()
}


#: Headers that prove who somebody is; never kept, so no map can read them.
SECRET_HEADERS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "x-api-key"),
        *("webhook-signature", "svix-signature", "signature", "signature-input"),
        *("x-adobe-digital-signature-1", "x-adobe-digital-signature-2", "x-adobe-commerce-webhook-signature"),
        *("client-cert", "x-forwarded-client-cert"),
    }
)


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
    for key in dict.fromkeys(key for keys in SCHEME_KEYS.values() for key in keys):
        if key not in SCHEME_KEYS[scheme] and table.is_set("auth", key):
            others = [f'"{other}"' for other, keys in SCHEME_KEYS.items() if key in keys]
            remedy = f"Delete it, or write scheme = {' or '.join(others)}"
            yield table.problem(f'not used by scheme = "{scheme}"', "auth", key, remedy=remedy)


def scheme_rules(table: Table, values: Mapping[str, Any], service: ServiceSettings) -> Iterator[SettingsError]:
    """What a scheme needs beside its own keys. Nobody gets a source that anybody may use by forgetting a line."""
    written = values["auth"]
    scheme = written["scheme"]
    if scheme == NoAuth.scheme and not values["insecure"]:
        remedy = "Choose a scheme; if anybody at all may send returns, write insecure = true above [auth]"
        yield table.problem("nothing would prove who sends", "auth", "scheme", remedy=remedy)
    if scheme != NoAuth.scheme and values["insecure"]:
        remedy = 'Delete it; only scheme = "none" needs it'
        yield table.problem(f'scheme = "{scheme}" is not insecure', "insecure", remedy=remedy)
    if scheme == MessageSignatureAuth.scheme and not service.public_url:
        remedy = 'Set public_url in service.toml to the address that senders use, as "https://hooks.example"'
        yield table.problem("its signatures cover the address, and that is not known", "auth", "scheme", remedy=remedy)
    if scheme == ClientCertificateAuth.scheme:
        yield from _client_certificate_rules(table, written, service)


def _client_certificate_rules(
    table: Table, written: Mapping[str, Any], service: ServiceSettings
) -> Iterator[SettingsError]:
    if not service.trusted_proxies:
        remedy = 'Set trusted_proxies in service.toml to the address of the proxy that ends TLS, as ["127.0.0.1"]'
        yield table.problem("no proxy's word about certificates is taken", "auth", "scheme", remedy=remedy)
    if written["certificate_form"] is CertificateForm.ENVOY and written["pin"] is Pin.PUBLIC_KEY:
        remedy = 'Write pin = "certificate", or let the proxy send the certificate in another form'
        yield table.problem("Envoy's Hash is that of the whole certificate", "auth", "pin", remedy=remedy)
    if written["certificate_form"] is CertificateForm.NGINX and "header" not in written:
        remedy = 'Name the header that nginx sets: header = "X-Client-Cert"'
        yield table.problem("nginx has no header of its own for it", "auth", "header", remedy=remedy)


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
    secret = SECRET_HEADERS | {str(getattr(auth, "header", "")).lower()}
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
