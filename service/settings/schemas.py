"""What each setting may be: one marshmallow schema per section of config/defaults.toml.

A field's `expects` is used twice: as the type in docs/settings.md, and as the remedy when a value is not that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_network
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from service.core.policy import ShippingRule, ShippingRuleKind
from service.settings.shapes import EnvelopeFormat, Mode
from service.settings.source_auth import (
    SOURCE_AUTHS,
    CertificateForm,
    HashAlgorithm,
    IPNetwork,
    KeyEncoding,
    Pin,
    SignatureAlgorithm,
    SignatureEncoding,
    SignedForm,
)
from service.settings.source_map import ROWS, RowKind
from service.settings.urls import normalised_base_url

#: Lower case, because they are parts of URLs and of environment variables.
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]|_(?!_))*")
ENVIRONMENT_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
#: Twelve digits before the point and four behind are what Magento's columns hold.
_MONEY = re.compile(r"\d{1,12}(?:\.\d{1,4})?", re.ASCII)

STORE_AUTHS = ("bearer", "admin", "oauth1")


class MoneyField(fields.Field[Decimal]):
    """A non-negative amount. Written as a string or a number; TOML's floats arrive here as Decimal, never as float."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        del attr, data, kwargs
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or not _MONEY.fullmatch(str(value)):
            raise ValidationError("not an amount")
        return Decimal(value)


class FlagField(fields.Field[bool]):
    """true or false; marshmallow's own Boolean also takes "yes", 1 and "off"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        del attr, data, kwargs
        if not isinstance(value, bool):
            raise ValidationError("not true or false")
        return value


class MomentField(fields.Field[datetime]):
    """A date or a date with a time, as TOML has them or as ISO 8601 text; aware, in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        del attr, data, kwargs
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            if isinstance(moment, date) and not isinstance(moment, datetime):
                moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
            if not isinstance(moment, datetime):
                raise ValidationError("not a date")
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ValidationError("not a date") from error


class ShippingRuleField(fields.Field[ShippingRule]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> ShippingRule:
        del attr, data, kwargs
        word, _, amount = value.partition(":") if isinstance(value, str) else ("", "", "")
        if word == ShippingRuleKind.PER_UNIT and _MONEY.fullmatch(amount):
            return ShippingRule(kind=ShippingRuleKind.PER_UNIT, amount=Decimal(amount))
        if amount == "" and value in {ShippingRuleKind.NONE, ShippingRuleKind.REMAINING_ON_FULL_RETURN}:
            return ShippingRule(kind=ShippingRuleKind(word))
        raise ValidationError("not a shipping rule")


class JsonTextField(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValidationError("not JSON") from error
        return text


class NetworkField(fields.Field[IPNetwork]):
    """An address or a network; one with host bits set is a slip of the hand."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> IPNetwork:
        del attr, data, kwargs
        try:
            return ip_network(value if isinstance(value, str) else "")
        except ValueError as error:
            raise ValidationError("not an address or network") from error


class PublicUrlField(fields.String):
    """An address under which the service is reached; one spelling for each, as in normalised_base_url."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        url = normalised_base_url(text)
        if url is None:
            raise ValidationError("not an address")
        return url


class LookupField(fields.Dict):
    def __init__(self) -> None:
        words = fields.String(validate=validate.Length(max=255))
        super().__init__(keys=words, values=words)


class RowSchema(Schema):
    """A row of [map] with its steps; `from` is a word of Python's."""

    class Meta:
        unknown = RAISE

    strip_prefix = fields.String(validate=validate.Length(min=1, max=50))
    regex = fields.String(validate=validate.Length(min=1, max=200))
    lookup = LookupField()
    scale = fields.Integer(strict=True, validate=validate.Range(-6, 6))
    default = fields.String(validate=validate.Length(min=1, max=255))


_STEPS = RowSchema.from_dict({"from": fields.String()})()


class RowField(fields.Field[Mapping[str, Any] | None]):
    """An expression, or a table with one and its steps; "" takes a preset's row away: None."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, Any] | None:
        del attr, data, kwargs
        if isinstance(value, str):
            return {"from": value} if value.strip() else None
        if not isinstance(value, Mapping):
            raise ValidationError("neither an expression nor a table")
        try:
            steps: Mapping[str, Any] = _STEPS.load(value)
        except ValidationError as error:
            step, told = next(iter(error.messages_dict.items()))
            while isinstance(told, Mapping):
                told = next(iter(told.values()))
            raise ValidationError(f"{step}: {told[0]}") from error
        return steps


def _whole(at_least: int, at_most: int, unit: str = "") -> fields.Integer:
    return fields.Integer(
        strict=True,
        validate=validate.Range(at_least, at_most),
        metadata={"expects": f"a whole number{unit and f' of {unit}'} from {at_least} to {at_most}"},
    )


def _number(at_least: float, at_most: float, unit: str = "") -> fields.Float:
    return fields.Float(
        validate=validate.Range(at_least, at_most),
        metadata={"expects": f"a number{unit and f' of {unit}'} from {at_least:g} to {at_most:g}"},
    )


def _flag() -> FlagField:
    return FlagField(metadata={"expects": "true or false"})


def _money(meaning: str) -> MoneyField:
    return MoneyField(metadata={"expects": f'{meaning} in the base currency, as "500.00"'})


def _one_of(*words: str) -> fields.String:
    return fields.String(
        validate=validate.OneOf(words), metadata={"expects": " or ".join(f'"{word}"' for word in words)}
    )


def _member(words: type[StrEnum]) -> fields.Enum[StrEnum]:
    return fields.Enum(words, by_value=True, metadata={"expects": " or ".join(f'"{word}"' for word in words)})


def _text(expects: str, pattern: str = r"[^\x00-\x1f\x7f]+", *, required: bool = False) -> fields.String:
    return fields.String(
        required=required,
        validate=[validate.Length(max=500), validate.Regexp(rf"(?:{pattern})\Z", error="not written as it must be")],
        metadata={"expects": expects},
    )


def _texts(expects: str, pattern: str = r"[^\x00-\x1f\x7f]+", *, at_least: int = 0) -> fields.List[Any]:
    return fields.List(
        _text(expects, pattern), validate=validate.Length(min=at_least), metadata={"expects": f"a list: {expects}"}
    )


def _variable() -> fields.String:
    return _text("the name of an environment variable", ENVIRONMENT_VARIABLE)


def _file() -> fields.String:
    return _text("the path of a file, absolute or from the configuration directory")


class _Strict(Schema):
    class Meta:
        unknown = RAISE


class PerDaySchema(_Strict):
    refunds = _whole(0, 1_000_000)
    amount = _money("an amount")


class ServiceSchema(_Strict):
    database_url = _text('"sqlite:///<file>" or "postgresql://…"', r"(?:sqlite|postgresql(?:\+[a-z0-9_]+)?)://\S*")
    database_url_env = _variable()
    database_url_file = _file()
    log_level = _one_of("DEBUG", "INFO", "WARNING", "ERROR")
    api = _flag()
    host = _text("an address or host name", r"[A-Za-z0-9_.:-]+")
    port = _whole(1, 65535)
    public_url = PublicUrlField(metadata={"expects": "an address without ? and #, as https://hooks.example"})
    trusted_proxies = fields.List(
        NetworkField(), metadata={"expects": 'a list of addresses or networks, as "10.0.0.5" or "10.0.0.0/24"'}
    )
    web_workers = _whole(1, 64)
    web_threads = _whole(1, 256)
    max_body_bytes = _whole(1024, 67_108_864, "bytes")
    max_json_depth = _whole(8, 200)
    worker_threads = _whole(1, 128)
    poll_seconds = _number(0.05, 60, "seconds")
    lease_seconds = _whole(30, 3600, "seconds")
    keep_bodies_days = _whole(0, 36_500, "days")
    retry_first_seconds = _whole(1, 3600, "seconds")
    retry_factor = _number(1, 10)
    retry_max_seconds = _whole(1, 86_400, "seconds")
    retry_give_up_after_seconds = _whole(60, 2_592_000, "seconds")


class PaymentsSchema(_Strict):
    offline = _texts("payment method codes, * for any run of characters", r"[A-Za-z0-9_.*-]+")
    online = _texts("payment method codes, * for any run of characters", r"[A-Za-z0-9_.*-]+")


class StoreReviewSchema(_Strict):
    amount_over = _money("an amount")
    per_day = fields.Nested(PerDaySchema)


class StoreSchema(_Strict):
    base_url = _text("the shop's address, as https://shop.example", r"(?i:https?)://\S+", required=True)
    store_code = _text("a store view's code: letters, digits and _", r"[A-Za-z0-9_]+")
    instance = _text("a name")
    mode = _one_of(*Mode)
    ignore_returns_before = MomentField(metadata={"expects": 'a date, as "2026-11-01" or "2026-11-01T09:00:00Z"'})
    auth = _one_of(*STORE_AUTHS)
    token_env = _variable()
    token_file = _file()
    username_env = _variable()
    username_file = _file()
    password_env = _variable()
    password_file = _file()
    consumer_key_env = _variable()
    consumer_key_file = _file()
    consumer_secret_env = _variable()
    consumer_secret_file = _file()
    access_token_env = _variable()
    access_token_file = _file()
    access_token_secret_env = _variable()
    access_token_secret_file = _file()
    # Below two minutes a client gives up on gateways that do answer: recordings/gateway-slow-client-timeout.json.
    refund_read_timeout_seconds = _whole(120, 3600, "seconds")
    settle_seconds = _whole(1, 86_400, "seconds")
    send_deadline_seconds = _whole(1, 60, "seconds")
    connect_timeout_seconds = _whole(1, 60, "seconds")
    read_timeout_seconds = _whole(1, 300, "seconds")
    max_concurrency = _whole(1, 64)
    # Slower than once a second, an order's reading would be too old before its refund could be sent.
    calls_per_second = _number(1, 1000)
    circuit_failures = _whole(1, 100)
    circuit_seconds = _whole(1, 3600, "seconds")
    circuit_max_seconds = _whole(1, 3600, "seconds")
    drift_check_after_seconds = _whole(0, 604_800, "seconds")
    drift_check_again_after_seconds = _whole(0, 2_592_000, "seconds")
    shipping_amounts = _one_of("excluding_tax", "including_tax")
    magento_version = _text('a version, as "2.4.6" or "2.4.6-p4"', r"\d+\.\d+\.\d+(-p\d+)?")
    payments = fields.Nested(PaymentsSchema)
    shipping = fields.Dict(
        keys=fields.String(),
        values=ShippingRuleField(),
        metadata={"expects": '"none", "remaining_on_full_return" or "per_unit:<amount>"'},
    )
    review = fields.Nested(StoreReviewSchema)


class SourceAuthSchema(_Strict):
    scheme = _one_of(*SOURCE_AUTHS)
    # A quarter of an hour is the most that a badly set clock explains; more would only help a replay.
    tolerance_seconds = _whole(1, 900, "seconds")
    header = _text("a header's name", HEADER_NAME)
    algorithm = _member(HashAlgorithm)
    encoding = _member(SignatureEncoding)
    prefix = _text('printable ASCII, as "sha256="', r"[\x21-\x7e]*")
    key_encoding = _member(KeyEncoding)
    signed_form = _member(SignedForm)
    delivery_id_header = _text("a header's name", HEADER_NAME)
    recipient_client_id = _text("a client id", r"[\x21-\x7e]+")
    key_ids = _texts("names of keys", r"[\x20-\x7e]+", at_least=1)
    signature_algorithm = _member(SignatureAlgorithm)
    components = _texts('header names in lower case, as "content-type"', r"[a-z0-9!#$%&'*+.^_`|~-]+")
    certificate_form = _member(CertificateForm)
    pin = _member(Pin)


class SourcePolicySchema(_Strict):
    refund_on = _texts('event types, as "return.approved"', at_least=1)
    withdraw_on = _texts('event types, as "return.approved"')
    quantities = _one_of("cumulative", "delta")
    restock = _texts('dispositions, as "sellable"')
    stock_owner = _one_of("magento", "wms", "none")
    amounts = _one_of("compute", "cap", "exact")
    amounts_include_tax = _flag()
    store_credit = _one_of("person", "ignore")
    shared_fees = _one_of("person", "largest")
    notify_customer = _flag()


def _map_schema() -> type[Schema]:
    """One field for each of ROWS; a name with a point is a field of a table within."""
    tree: dict[str, Any] = {}
    for name, kind in ROWS.items():
        *within, key = name.split(".")
        table = tree
        for part in within:
            table = table.setdefault(part, {})
        table[key] = RowField(
            metadata={"expects": f"a JMESPath expression of {_ROW_VALUES[kind]}, or a table with from and steps"}
        )
    tree["aggregate_by"] = _texts("names of line rows", r"[a-z_.]+")
    tree["timezone"] = _text('"UTC", an offset as "+01:00", or a name as "Europe/Berlin"')
    return _schema_of(tree)


_ROW_VALUES = {
    RowKind.TEXT: "a text",
    RowKind.NUMBER: "a number",
    RowKind.MOMENT: "a time",
    RowKind.FLAG: "true or false",
    RowKind.LIST: "a list",
}


def _schema_of(tree: Mapping[str, Any]) -> type[Schema]:
    known = {key: fields.Nested(_schema_of(inner)) if isinstance(inner, dict) else inner for key, inner in tree.items()}
    return _Strict.from_dict(known)


class SourceReviewSchema(_Strict):
    per_day = fields.Nested(PerDaySchema)


class SourceSchema(_Strict):
    kind = _text('"canonical", "generic", or a preset: the name of a file in config/presets/', NAME.pattern)
    store = _text("the name of a store in config/stores/", NAME.pattern, required=True)
    namespace = _text("a name", r"[\x20-\x7e]+")
    mode = _one_of(*Mode)
    secrets_env = _texts("names of environment variables", ENVIRONMENT_VARIABLE)
    secrets_file = _texts("paths of files, absolute or from the configuration directory")
    insecure = _flag()
    handshake_origins = _texts('origins, as "eventgrid.azure.net", or "*"', r"[A-Za-z0-9.:*-]+")
    max_body_bytes = _whole(1024, 67_108_864, "bytes")
    success_status = _whole(200, 299)
    success_body = JsonTextField(metadata={"expects": "JSON text"})
    envelope = _one_of(*EnvelopeFormat)
    payload_field = _text("a form field's name")
    auth = fields.Nested(SourceAuthSchema)
    policy = fields.Nested(SourcePolicySchema)
    map = fields.Nested(_map_schema())
    review = fields.Nested(SourceReviewSchema)


#: Section of defaults.toml → what it may hold.
SCHEMAS: Mapping[str, type[Schema]] = {"service": ServiceSchema, "store": StoreSchema, "source": SourceSchema}
