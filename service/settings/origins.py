"""Every effective value and where it came from; secrets are named and measured, never shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlsplit

from service.settings.rules import SCHEME_KEYS
from service.settings.secret_values import SecretPlaces, SecretUnusable, may_be_a_secret
from service.settings.shapes import Origin, Secret, Settings
from service.settings.tables import Place, Table


def with_origins(settings: Settings, tables: Sequence[Table], places: SecretPlaces) -> Settings:
    origins = [
        Origin(key=".".join((*table.prefix, *path)), value_shown=_value_shown(table, path, places), origin=str(place))
        for table in tables
        for path, place in table.places.items()
        if not _is_idle(table, path, place)
    ]
    derived = [
        *((f"stores.{store.name}.instance", store.instance) for store in settings.stores.values()),
        *((f"sources.{source.name}.namespace", source.namespace) for source in settings.sources.values()),
    ]
    said = {origin.key for origin in origins}
    origins += [
        Origin(key=key, value_shown=json.dumps(value), origin="derived") for key, value in derived if key not in said
    ]
    return replace(settings, origins=tuple(sorted(origins, key=lambda origin: origin.key)))


def _is_idle(table: Table, path: tuple[str, ...], place: Place) -> bool:
    """A default that another choice has made meaningless: hmac's encoding under Standard Webhooks."""
    if not place.is_default:
        return False
    if table.section == "source" and path[0] == "auth" and path[1] != "scheme":
        return path[1] not in SCHEME_KEYS[table.get(("auth", "scheme"))]
    return path == ("database_url",) and (table.is_set("database_url_env") or table.is_set("database_url_file"))


def _value_shown(table: Table, path: tuple[str, ...], places: SecretPlaces) -> str:
    value = table.get(path)
    if path[-1].endswith("_env"):
        return _names_shown(value, places.read_variable, may_be_a_secret)
    if path[-1].endswith("_file"):
        return _names_shown(value, places.read_file)
    if path == ("database_url",):
        return _without_password(value)
    return str(value) if isinstance(value, Decimal) else json.dumps(value, default=str, ensure_ascii=False)


def _names_shown(
    value: str | Sequence[str], read: Callable[[str], str], hides: Callable[[str], bool] = lambda _: False
) -> str:
    """MAGENTO_TOKEN (set, 32 bytes): which place is named, and whether something is there."""
    shown = []
    for name in [value] if isinstance(value, str) else value:
        try:
            shown.append(f"{name} {Secret(read(name))!r}")
        except SecretUnusable:
            shown.append(f"{'(not shown)' if hides(name) else name} (missing)")
    return ", ".join(shown)


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return json.dumps(url.replace(f":{password}@", ":(set)@") if password else url)
