"""The shape of the canonical event: its schema, the names that are aliases, and the body brought into our names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from service.sources.base import Limits
from service.sources.event_fields import (
    amount_field,
    currency_field,
    database_id_field,
    flag_field,
    identifier_field,
    moment_field,
    quantity_field,
    reason_field,
    text_field,
    word_field,
)
from service.sources.unreadable import Body, shown, unreadable

#: Another name → ours. Both with different values is refused: we cannot know which is meant.
EVENT_ALIASES = {"event_id": "id", "event_type": "type"}
LINE_ALIASES = {"qty": "quantity", "qty_refundable": "quantity"}
SPLIT_ALIASES = {"qty": "quantity"}

#: Where a line gives quantities by stage and none of the above: the stage that the event's type speaks of.
STAGE_QUANTITIES = {
    "return.requested": "qty_requested",
    "return.authorized": "qty_authorized",
    "return.received": "qty_received",
    "return.inspected": "qty_accepted",
    "return.approved": "qty_accepted",
    "return.completed": "qty_accepted",
}


class _Lenient(Schema):
    """Keys that we do not know are for others to read."""

    class Meta:
        unknown = EXCLUDE


class _SplitSchema(_Lenient):
    quantity = quantity_field(required=True)
    disposition = word_field()


class _OrderSchema(_Lenient):
    increment_id = text_field()
    entity_id = database_id_field()


def _order_field() -> fields.Nested:
    return fields.Nested(_OrderSchema, metadata={"expects": 'an object, as {"increment_id": "000000264"}'})


class _LineSchema(_Lenient):
    order = _order_field()
    sku = text_field()
    order_item_id = database_id_field()
    external_line_id = identifier_field()
    quantity = quantity_field()
    disposition = word_field()
    splits = fields.List(fields.Nested(_SplitSchema), metadata={"expects": "a list of {quantity, disposition}"})
    reason = reason_field()
    keep_item = flag_field()
    resolution = word_field()
    refund_destination = word_field()


class _ReturnSchema(_Lenient):
    id = identifier_field(required=True)


class _FeeSchema(_Lenient):
    amount = amount_field()
    currency = currency_field()


class _EventSchema(_Lenient):
    id = identifier_field(required=True)
    occurred_at = moment_field()
    returned = fields.Nested(
        _ReturnSchema, required=True, data_key="return", metadata={"expects": 'an object, as {"id": "RMA-1001"}'}
    )
    order = _order_field()
    lines = fields.List(
        fields.Nested(_LineSchema),
        required=True,
        validate=validate.Length(min=1, error="names no line"),
        metadata={"expects": "a list of lines, each with order_item_id, external_line_id or sku"},
    )
    fees = fields.List(fields.Nested(_FeeSchema), metadata={"expects": "a list of {type, amount}, or []"})
    currency = currency_field()
    resolution = word_field()
    refund_destination = word_field()
    quantity_semantics = word_field()


EVENT_SCHEMA = _EventSchema()


def shape_body(body: Body, event_type: str, limits: Limits) -> dict[str, Any]:
    """The body in our names, nulls left out; what has another shape is left for the schema to refuse."""
    shaped = dict(body)
    totals = body.get("totals")
    if isinstance(totals, dict) and totals.get("fees") is not None:
        shaped = renamed({**body, "totals.fees": totals["fees"]}, {"totals.fees": "fees"}, "")
    if isinstance(shaped.get("fees"), list):
        shaped["fees"] = [fee if isinstance(fee, dict) else {"amount": fee} for fee in shaped["fees"]]
    returned = body.get("return")
    if isinstance(returned, dict) and returned.get("id") is None:
        shaped["return"] = {"id": returned.get("number")}
    for key in ("return", "order"):
        if isinstance(shaped.get(key), dict):
            shaped[key] = _without_nulls(shaped[key])
    if isinstance(lines := body.get("lines"), list):
        if len(lines) > limits.lines:
            raise unreadable(
                "lines", lines, f"has {len(lines)} lines", f"Send at most {limits.lines} lines in one event"
            )
        shaped["lines"] = [_shaped_line(line, f"lines[{index}].", event_type) for index, line in enumerate(lines)]
    return shaped


def _shaped_line(line: object, path: str, event_type: str) -> object:
    if not isinstance(line, dict):
        return line
    shaped = renamed(line, LINE_ALIASES, path)
    stage = STAGE_QUANTITIES.get(event_type)
    if "quantity" not in shaped and stage in shaped:
        shaped["quantity"] = shaped[stage]
    if isinstance(shaped.get("order"), dict):
        shaped["order"] = _without_nulls(shaped["order"])
    if isinstance(shaped.get("splits"), list):
        shaped["splits"] = [
            renamed(split, SPLIT_ALIASES, f"{path}splits[{index}].") if isinstance(split, dict) else split
            for index, split in enumerate(shaped["splits"])
        ]
    return shaped


def renamed(given: Body, aliases: Mapping[str, str], path: str) -> dict[str, Any]:
    found = _without_nulls(given)
    for alias, name in aliases.items():
        if alias not in found:
            continue
        value = found.pop(alias)
        if name in found and str(found[name]) != str(value):
            raise unreadable(path + alias, value, f"{name} says {shown(found[name])}", f"Send {name} alone")
        found.setdefault(name, value)
    return found


def _without_nulls(given: Body) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}
