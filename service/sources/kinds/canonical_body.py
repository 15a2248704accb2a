"""The shape of the canonical event: its schema, the names that are aliases, and the body brought into our names.

docs/canonical-event.md tells every field's meaning; a test holds it against the tables here.
"""

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
    words_field,
)
from service.sources.unreadable import Body, shown, unreadable

#: Another name → ours. Both with different values is refused: we cannot know which is meant.
EVENT_ALIASES = {"event_id": "id", "event_type": "type", "quantity_semantics": "quantities"}
LINE_ALIASES = {"qty": "quantity", "qty_refundable": "quantity"}
SPLIT_ALIASES = {"qty": "quantity"}
RECEIPT_ALIASES = {"items": "lines"}

#: Where a line gives quantities by stage and none of the above: the stage that the event's type speaks of.
STAGE_QUANTITIES = {
    "return.requested": "qty_requested",
    "return.authorized": "qty_authorized",
    "return.received": "qty_received",
    "return.inspected": "qty_accepted",
    "return.approved": "qty_accepted",
    "return.completed": "qty_accepted",
}
#: The stage of a line whose goods stay with the customer: nobody will ever receive or inspect them.
KEPT_STAGE = "qty_authorized"


class _Lenient(Schema):
    """Keys that we do not know are for others to read."""

    class Meta:
        unknown = EXCLUDE


class SplitSchema(_Lenient):
    quantity = quantity_field(required=True)
    disposition = word_field()


class OrderSchema(_Lenient):
    increment_id = text_field()
    entity_id = database_id_field()


def _order_field() -> fields.Nested:
    return fields.Nested(OrderSchema, metadata={"expects": 'an object, as {"increment_id": "000000264"}'})


class LineSchema(_Lenient):
    order = _order_field()
    sku = text_field()
    order_item_id = database_id_field()
    external_line_id = identifier_field()
    quantity = quantity_field()
    qty_authorized = quantity_field()
    qty_received = quantity_field()
    qty_restock = quantity_field()
    disposition = word_field()
    splits = fields.List(fields.Nested(SplitSchema), metadata={"expects": "a list of {quantity, disposition}"})
    reason = reason_field()
    keep_item = flag_field()
    resolution = word_field()
    refund_destination = word_field()
    refund_amount = amount_field()
    amount_includes_tax = flag_field()
    amount_scope = word_field()


class ReturnSchema(_Lenient):
    id = identifier_field(required=True)


class FeeSchema(_Lenient):
    type = word_field()
    amount = amount_field(required=True)
    currency = currency_field()
    includes_tax = flag_field()


class TotalsSchema(_Lenient):
    refund = amount_field()
    includes_tax = flag_field()
    store_credit = amount_field()
    exchange_credit = amount_field()


class ReceiptSchema(_Lenient):
    id = identifier_field()
    lines = fields.List(
        fields.Nested(LineSchema),
        required=True,
        metadata={"expects": "a list of lines, each with order_item_id, external_line_id or sku"},
    )


class EventSchema(_Lenient):
    id = identifier_field()
    occurred_at = moment_field()
    returned = fields.Nested(
        ReturnSchema, required=True, data_key="return", metadata={"expects": 'an object, as {"id": "RMA-1001"}'}
    )
    order = _order_field()
    lines = fields.List(
        fields.Nested(LineSchema),
        metadata={"expects": "a list of lines, each with order_item_id, external_line_id or sku"},
    )
    receipt_id = identifier_field()
    receipts = fields.List(fields.Nested(ReceiptSchema), metadata={"expects": "a list of {id, items}"})
    fees = fields.List(fields.Nested(FeeSchema), metadata={"expects": "a list of {type, amount}, or []"})
    totals = fields.Nested(TotalsSchema, metadata={"expects": "an object of amounts"})
    currency = currency_field()
    quantities = fields.String(
        validate=validate.OneOf(("cumulative", "delta"), error="not a way to count"),
        metadata={"expects": '"cumulative" or "delta"'},
    )
    resolution = word_field()
    refund_destination = word_field()
    keep_item = flag_field()
    amounts_include_tax = flag_field()
    already_refunded = flag_field()
    discrepancies = words_field()


EVENT_SCHEMA = EventSchema()


#: The sender's figures. Where nobody goes by them, they are not read: nonsense in them need not stop a return.
EVENT_FIGURES = ("refund", "includes_tax")
LINE_FIGURES = ("refund_amount", "amount_includes_tax", "amount_scope")


def shape_body(body: Body, event_type: str, limits: Limits) -> dict[str, Any]:
    """The body in our names, nulls left out; what has another shape is left for the schema to refuse."""
    shaped = dict(body)
    totals = body.get("totals")
    if isinstance(totals, dict):
        shaped["totals"] = _without_nulls(totals)
        if totals.get("fees") is not None:
            shaped = renamed({**shaped, "totals.fees": totals["fees"]}, {"totals.fees": "fees"}, "")
    if isinstance(shaped.get("fees"), list):
        shaped["fees"] = [_without_nulls(fee) if isinstance(fee, dict) else {"amount": fee} for fee in shaped["fees"]]
    returned = body.get("return")
    if isinstance(returned, dict) and returned.get("id") is None:
        shaped["return"] = {"id": returned.get("number")}
    for key in ("return", "order"):
        if isinstance(shaped.get(key), dict):
            shaped[key] = _without_nulls(shaped[key])
    if isinstance(lines := body.get("lines"), list):
        shaped["lines"] = _shaped_lines(lines, "lines", event_type, limits)
    if isinstance(receipts := body.get("receipts"), list):
        _check_length(receipts, "receipts", limits)
        shaped["receipts"] = [
            _shaped_receipt(receipt, f"receipts[{index}].", event_type, limits)
            for index, receipt in enumerate(receipts)
        ]
        items = [line for each in shaped["receipts"] if isinstance(each, dict) for line in _listed(each.get("lines"))]
        _check_length(items, "receipts", limits)
    return shaped


def without_figures(shaped: Body) -> dict[str, Any]:
    """A shaped body without what the sender computed."""
    bare = dict(shaped)
    if isinstance(totals := bare.get("totals"), dict):
        bare["totals"] = _without(totals, EVENT_FIGURES)
    if lines := _listed(bare.get("lines")):
        bare["lines"] = [_without(line, LINE_FIGURES) for line in lines]
    if receipts := _listed(bare.get("receipts")):
        bare["receipts"] = [
            {**each, "lines": [_without(line, LINE_FIGURES) for line in each["lines"]]}
            if isinstance(each, dict) and _listed(each.get("lines"))
            else each
            for each in receipts
        ]
    return bare


def _without(given: object, keys: tuple[str, ...]) -> object:
    return {key: value for key, value in given.items() if key not in keys} if isinstance(given, dict) else given


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _shaped_receipt(receipt: object, path: str, event_type: str, limits: Limits) -> object:
    if not isinstance(receipt, dict):
        return receipt
    shaped = renamed(receipt, RECEIPT_ALIASES, path)
    if isinstance(lines := shaped.get("lines"), list):
        shaped["lines"] = _shaped_lines(lines, f"{path}lines", event_type, limits)
    return shaped


def _shaped_lines(lines: list[Any], path: str, event_type: str, limits: Limits) -> list[object]:
    _check_length(lines, path, limits)
    return [_shaped_line(line, f"{path}[{index}].", event_type) for index, line in enumerate(lines)]


def _check_length(given: list[Any], path: str, limits: Limits) -> None:
    if len(given) > limits.lines:
        what = path.rpartition(".")[2]
        raise unreadable(path, given, f"has {len(given)} {what}", f"Send at most {limits.lines} {what} in one event")


def _shaped_line(line: object, path: str, event_type: str) -> object:
    if not isinstance(line, dict):
        return line
    shaped = renamed(line, LINE_ALIASES, path)
    stage = STAGE_QUANTITIES.get(event_type)
    if shaped.get("keep_item") is True and KEPT_STAGE in shaped:
        stage = KEPT_STAGE
    if "quantity" not in shaped and stage in shaped:
        shaped["quantity"] = shaped[stage]
    # A quantity by itself says nothing of the shelf: "restock": true says that all of it goes there.
    if isinstance(restock := shaped.get("restock"), bool) and "qty_restock" not in shaped and "quantity" in shaped:
        shaped["qty_restock"] = shaped["quantity"] if restock else "0"
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
