"""Checked tables → frozen settings, and the rules between settings that one value alone cannot break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from service.core.policy import (
    Amounts,
    PaymentRules,
    SharedFees,
    SourcePolicy,
    StockOwner,
    StoreCredit,
    StorePolicy,
)
from service.core.returns import Quantities
from service.errors import SettingsError
from service.settings.build_map import build_source_map
from service.settings.keys import decode_key
from service.settings.origins import with_origins
from service.settings.rules import (
    STORE_CREDENTIALS,
    foreign_credentials,
    foreign_scheme_keys,
    known_stores,
    same_address_other_instance,
    scheme_rules,
    secret_headers,
    source_rules,
    store_rules,
)
from service.settings.secret_values import SecretPlaces, SecretUnusable
from service.settings.shapes import (
    CANONICAL,
    AdminAuth,
    BearerAuth,
    Caps,
    EnvelopeFormat,
    Mode,
    OAuth1Auth,
    Secret,
    ServiceSettings,
    Settings,
    SourceSettings,
    StoreAuth,
    StoreSettings,
)
from service.settings.source_auth import (
    SOURCE_AUTHS,
    ClientCertificateAuth,
    MessageSignatureAuth,
    NoAuth,
    SourceAuth,
)
from service.settings.source_map import SourceMap
from service.settings.tables import Table
from service.settings.urls import normalised_base_url

#: From here on a memo of an invoice is limited to that invoice's tax (Magento 2.4.3 release notes).
_TAX_LIMITED_BY_INVOICE = (2, 4, 3)


def build_settings(
    *,
    service: Table,
    stores: Mapping[str, Table],
    sources: Mapping[str, Table],
    places: SecretPlaces,
    problems: list[SettingsError],
) -> Settings | None:
    """The settings, or None and what is wrong in `problems`."""
    builder = _Builder(places=places, problems=problems)
    built_service = builder.service(service)
    built_stores = {name: builder.store(table) for name, table in stores.items()}
    built_sources = {name: builder.source(table, stores, built_service) for name, table in sources.items()}
    sound_stores = {name: store for name, store in built_stores.items() if store is not None}
    problems.extend(same_address_other_instance(sound_stores, stores))
    if built_service is None or problems:
        return None
    settings = Settings(
        service=built_service,
        stores=sound_stores,
        sources={name: source for name, source in built_sources.items() if source is not None},
    )
    return with_origins(settings, [service, *stores.values(), *sources.values()], places)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Builder:
    places: SecretPlaces
    problems: list[SettingsError]

    def service(self, table: Table) -> ServiceSettings | None:
        values = table.validate(self.problems)
        if values is None:
            return None
        database_url = self._database_url(table, values)
        plain = {key: value for key, value in values.items() if not key.startswith("database_url")}
        plain["trusted_proxies"] = tuple(values["trusted_proxies"])
        return None if database_url is None else ServiceSettings(database_url=database_url, **plain)

    def store(self, table: Table) -> StoreSettings | None:
        values = table.validate(self.problems)
        if values is None:
            return None
        self.problems.extend(store_rules(table, values))
        instance = normalised_base_url(values["base_url"])
        if instance is None:
            remedy = "Write the shop's address without user, ? and #, as https://shop.example"
            self.problems.append(table.problem("not an address", "base_url", remedy=remedy))
        auth = self._store_auth(table, values)
        if auth is None or instance is None:
            return None
        plain = {key: values[key] for key in _PLAIN_STORE_KEYS}
        return StoreSettings(
            name=table.name,
            base_url=instance,
            instance=values.get("instance", instance),
            mode=Mode(values["mode"]),
            auth=auth,
            policy=_store_policy(values),
            caps=_caps(values),
            calls_per_second=values.get("calls_per_second"),
            **plain,
        )

    def source(
        self, table: Table, stores: Mapping[str, Table], service: ServiceSettings | None
    ) -> SourceSettings | None:
        values = table.validate(self.problems)
        if values is None:
            return None
        if values["store"] not in stores:
            self.problems.append(table.problem("no such store", "store", remedy=known_stores(values["store"], stores)))
        auth = self._source_auth(table, values, service)
        secrets = self._source_secrets(table, values, auth) if auth is not None else ()
        if service is None or auth is None or not (secrets or isinstance(auth, NoAuth)):
            return None
        policy = values["policy"]
        before = len(self.problems)
        self.problems.extend(source_rules(table, values))
        source_map = self._source_map(table, values, auth)
        if len(self.problems) > before:
            return None
        return SourceSettings(
            name=table.name,
            kind=values["kind"],
            store=values["store"],
            namespace=values.get("namespace", table.name),
            mode=Mode(values["mode"]),
            secrets=secrets,
            auth=auth,
            policy=SourcePolicy(
                refund_on=words(policy["refund_on"]),
                withdraw_on=words(policy["withdraw_on"]),
                quantities=Quantities(policy["quantities"]),
                restock=words(policy["restock"]),
                stock_owner=StockOwner(policy["stock_owner"]),
                amounts=Amounts(policy["amounts"]),
                amounts_include_tax=policy.get("amounts_include_tax"),
                store_credit=StoreCredit(policy["store_credit"]),
                shared_fees=SharedFees(policy["shared_fees"]),
                notify_customer=policy["notify_customer"],
            ),
            map=source_map,
            envelope=EnvelopeFormat(values["envelope"]),
            payload_field=values.get("payload_field"),
            caps=_caps(values),
            max_body_bytes=values.get("max_body_bytes", service.max_body_bytes),
            handshake_origins=tuple(values["handshake_origins"]),
            success_status=values["success_status"],
            success_body=values.get("success_body"),
        )

    def _source_map(self, table: Table, values: Mapping[str, Any], auth: SourceAuth) -> SourceMap | None:
        """None for canonical bodies, and after saying what is wrong."""
        if values["kind"] == CANONICAL:
            return None
        source_map = build_source_map(table, values.get("map", {}), words(values["policy"]["refund_on"]), self.problems)
        if source_map is not None:
            self.problems.extend(secret_headers(table, source_map, auth))
        return source_map

    def _database_url(self, table: Table, values: Mapping[str, Any]) -> str | None:
        if table.is_set("database_url_env") or table.is_set("database_url_file"):
            secret = self._secret(table, "database_url", values)
            return None if secret is None else secret.reveal()
        url = str(values["database_url"])
        written_in = table.places[("database_url",)]
        if written_in.variable is None and urlsplit(url).password:
            remedy = 'Put the URL into an environment variable and name that: database_url_env = "DATABASE_URL"'
            self.problems.append(table.problem("passwords are never written into files", "database_url", remedy=remedy))
            return None
        return url

    def _store_auth(self, table: Table, values: Mapping[str, Any]) -> StoreAuth | None:
        kind = values["auth"]
        self.problems.extend(foreign_credentials(table, kind))
        secrets = {name: self._secret(table, name, values) for name in STORE_CREDENTIALS[kind]}
        held = {name: secret for name, secret in secrets.items() if secret is not None}
        if len(held) < len(secrets):
            return None
        match kind:
            case "bearer":
                return BearerAuth(**held)
            case "admin":
                return AdminAuth(**held)
            case _:
                return OAuth1Auth(**held)

    def _secret(self, table: Table, name: str, values: Mapping[str, Any]) -> Secret | None:
        """The secret that <name>_env or <name>_file names; None after saying what is wrong."""
        key = f"{name}_file" if f"{name}_file" in values else f"{name}_env"
        try:
            return Secret(self._secret_text(name, values.get(f"{name}_env"), values.get(f"{name}_file")))
        except SecretUnusable as missing:
            self.problems.append(table.problem(missing.problem, key, remedy=missing.remedy))
            return None

    def _secret_text(self, name: str, variable: str | None, file: str | None) -> str:
        if variable is not None and file is not None:
            raise SecretUnusable("both _env and _file are given", f"Keep {name}_env or {name}_file")
        if variable is not None:
            return self.places.read_variable(variable)
        if file is not None:
            return self.places.read_file(file)
        raise SecretUnusable(
            "no credentials", f'Name the environment variable that holds it: {name}_env = "MAGENTO_{name.upper()}"'
        )

    def _source_auth(
        self, table: Table, values: Mapping[str, Any], service: ServiceSettings | None
    ) -> SourceAuth | None:
        written: Mapping[str, Any] = values["auth"]
        shape = SOURCE_AUTHS[written["scheme"]]
        before = len(self.problems)
        self.problems.extend(foreign_scheme_keys(table, shape.scheme))
        if service is not None:
            self.problems.extend(scheme_rules(table, values, service))
        for each in fields(shape):
            if each.name not in written and each.default is MISSING:
                remedy = f"Write it; docs/settings.md says what it is, docs/auth.md shows {shape.scheme} whole"
                self.problems.append(table.problem(f"{shape.scheme} needs it", "auth", each.name, remedy=remedy))
        if len(self.problems) > before:
            return None
        given: dict[str, Any] = {
            each.name: tuple(value) if isinstance(value := written[each.name], list) else value
            for each in fields(shape)
            if each.name in written
        }
        if service is not None and shape is ClientCertificateAuth:
            given["proxies"] = service.trusted_proxies
        return shape(**given)

    def _source_secrets(self, table: Table, values: Mapping[str, Any], auth: SourceAuth) -> tuple[Secret, ...]:
        """The keys that are there. While rotating, one may be missing; without any, nothing could be verified."""
        places = [("secrets_env", name, self.places.read_variable) for name in values.get("secrets_env", ())]
        places += [("secrets_file", name, self.places.read_file) for name in values.get("secrets_file", ())]
        if isinstance(auth, MessageSignatureAuth) and len(auth.key_ids) != len(places):
            remedy = "Name each secret once, as the sender does: first those of secrets_env, then those of secrets_file"
            self.problems.append(
                table.problem(
                    f"not one for each secret, of which there are {len(places)}", "auth", "key_ids", remedy=remedy
                )
            )
            return ()
        key_ids = auth.key_ids if isinstance(auth, MessageSignatureAuth) else [""] * len(places)
        secrets: list[Secret] = []
        missing: list[SettingsError] = []
        for (key, name, read), key_id in zip(places, key_ids, strict=True):
            try:
                text = read(name)
            except SecretUnusable as problem:
                missing.append(table.problem(problem.problem, key, remedy=problem.remedy))
                continue
            try:
                secrets.append(decode_key(text, auth, key_id=key_id))
            except SecretUnusable as problem:
                self.problems.append(table.problem(f"{name}: {problem.problem}", key, remedy=problem.remedy))
        if not secrets and not isinstance(auth, NoAuth):
            no_name = table.problem(
                "no secret",
                "secrets_env",
                remedy=f'Name the environment variable that holds it: secrets_env = ["{table.name.upper()}_SECRET"]',
            )
            self.problems.extend(missing or [no_name])
        return tuple(secrets)


_PLAIN_STORE_KEYS = (
    "store_code",
    "settle_seconds",
    "send_deadline_seconds",
    "connect_timeout_seconds",
    "read_timeout_seconds",
    "refund_read_timeout_seconds",
    "max_concurrency",
    "circuit_failures",
    "circuit_seconds",
    "circuit_max_seconds",
    "drift_check_after_seconds",
    "drift_check_again_after_seconds",
)


def _version(text: str) -> tuple[int, ...]:
    """2.4.6-p4 → (2, 4, 6): a patch changes nothing that a plan depends on."""
    return tuple(int(part) for part in text.partition("-")[0].split("."))


def _store_policy(values: Mapping[str, Any]) -> StorePolicy:
    payments = values["payments"]
    return StorePolicy(
        payments=PaymentRules(offline=tuple(payments["offline"]), online=tuple(payments["online"])),
        shipping=dict(values["shipping"]),
        shipping_includes_tax=values["shipping_amounts"] == "including_tax",
        tax_limited_by_invoice=_version(values["magento_version"]) >= _TAX_LIMITED_BY_INVOICE,
        review_amount_over=values["review"].get("amount_over"),
        ignore_returns_before=values.get("ignore_returns_before"),
    )


def _caps(values: Mapping[str, Any]) -> Caps:
    per_day = values["review"].get("per_day", {})
    amount: Decimal | None = per_day.get("amount")
    return Caps(refunds=per_day.get("refunds"), amount=amount)


def words(written: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in written)
