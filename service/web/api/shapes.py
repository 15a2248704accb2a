"""What the API shows of each thing: the store's values, field by field, under names that stay."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from service.core.lifecycle import DeliveryState, RefundState
from service.core.plan import Route, Verdict
from service.core.returns import Quantities
from service.web.api.fields import DecimalText, IdField, Moment, StoredJson


class DeliveryShape(Schema):
    id = IdField("delivery")
    source = fields.String()
    delivery_key = fields.String()
    body_sha256 = fields.String()
    received_at = Moment()
    state = fields.Enum(DeliveryState, by_value=True)
    due_at = Moment()
    lease_until = Moment()
    worker = fields.String()
    attempts = fields.Integer()
    event_id = fields.String()
    return_id = IdField("return")
    reason_code = fields.String()
    reason = fields.String()
    redeliveries = fields.Integer()
    last_redelivered_at = Moment()
    clashes_with = IdField("delivery")
    purged_at = Moment()


class OrderReferenceShape(Schema):
    increment_id = fields.String()
    entity_id = fields.Integer()


class ReturnedPartShape(Schema):
    quantity = DecimalText()
    disposition = fields.String()


class PortalAmountShape(Schema):
    amount = DecimalText()
    includes_tax = fields.Boolean()


class ReturnLineShape(Schema):
    sku = fields.String()
    order_item_id = fields.Integer()
    external_line_id = fields.String()
    parts = fields.List(fields.Nested(ReturnedPartShape))
    reason = fields.String()
    resolution = fields.String()
    refund_destination = fields.String()
    keep_item = fields.Boolean()
    refund_amount = fields.Nested(PortalAmountShape)


class ReceiptShape(Schema):
    id = fields.String()
    lines = fields.List(fields.Nested(ReturnLineShape))


class FeeShape(Schema):
    type = fields.String()
    amount = DecimalText()


class DoubtShape(Schema):
    code = fields.String()
    text = fields.String()


class EventShape(Schema):
    event_id = fields.String()
    type = fields.String()
    return_id = fields.String()
    order = fields.Nested(OrderReferenceShape)
    lines = fields.List(fields.Nested(ReturnLineShape))
    quantities = fields.Enum(Quantities, by_value=True)
    receipts = fields.List(fields.Nested(ReceiptShape))
    together_with = fields.List(fields.String())
    fees = DecimalText()
    fee_items = fields.List(fields.Nested(FeeShape))
    currency = fields.String()
    refund_total = fields.Nested(PortalAmountShape)
    store_credit = DecimalText()
    exchange_credit = DecimalText()
    already_refunded = fields.Boolean()
    discrepancies = fields.List(fields.String())
    occurred_at = Moment()
    unsupported = fields.List(fields.String())
    doubts = fields.List(fields.Nested(DoubtShape))


class StoredEventShape(Schema):
    delivery_id = IdField("delivery")
    source = fields.String()
    occurred_at = Moment()
    event = fields.Nested(EventShape)


class ReturnShape(Schema):
    """`return_key` is the sender's own number of the return; `event_delivery_id` brought what was said last."""

    id = IdField("return")
    return_key = fields.String()
    namespace = fields.String()
    instance = fields.String()
    store = fields.String()
    source = fields.String()
    order_increment_id = fields.String()
    order_entity_id = fields.Integer()
    first_occurred_at = Moment()
    event_delivery_id = IdField("delivery")
    plan_verdict = fields.Enum(Verdict, by_value=True)
    plan_fingerprint = fields.String()
    planned_at = Moment()
    is_approved = fields.Boolean()
    approved_fingerprint = fields.String()
    approved_by = fields.String()
    approved_at = Moment()
    needs_person = fields.Boolean()
    reason_code = fields.String()
    reason = fields.String()
    created_at = Moment()
    updated_at = Moment()


class ReturnInFullShape(ReturnShape):
    """`plan` carries its notes and questions, and beside each request the exact body it becomes."""

    event = fields.Nested(EventShape)
    plan = StoredJson()
    memo_answers = fields.Dict(keys=fields.String(), values=fields.Boolean())


class RefundShape(Schema):
    id = IdField("refund")
    return_id = IdField("return")
    delivery_id = IdField("delivery")
    instance = fields.String()
    order_increment_id = fields.String()
    order_entity_id = fields.Integer()
    state = fields.Enum(RefundState, by_value=True)
    marker = fields.String()
    route = fields.Enum(Route, by_value=True)
    invoice_id = fields.Integer()
    predicted_base_total = DecimalText()
    predicted_total = DecimalText()
    base_currency = fields.String()
    currency = fields.String()
    superseded = fields.Boolean()
    needs_person = fields.Boolean()
    reason_code = fields.String()
    reason = fields.String()
    sends = fields.Integer()
    sent_at = Moment()
    settle_at = Moment()
    memo_id = fields.Integer()
    stock_proven = fields.Boolean()
    email_state = fields.String()
    created_at = Moment()
    updated_at = Moment()


class RefundInFullShape(RefundShape):
    """`body` is what was or would be sent; `memo` is what Magento made of it, `differences` what is not as asked."""

    body = StoredJson()
    memo = StoredJson()
    differences = StoredJson()


class DriftShape(Schema):
    code = fields.String()
    subject = fields.String()
    expected = fields.String()
    found = fields.String()


class DriftCheckShape(Schema):
    """A later look at a refund; `due_at` is null once it was made or given up."""

    planned_for = Moment()
    due_at = Moment()
    looked_at = Moment()
    tries = fields.Integer()
    drifts = fields.List(fields.Nested(DriftShape))
    said = fields.String()


class AttemptShape(Schema):
    started_at = Moment()
    ended_at = Moment()
    path = fields.String()
    status = fields.Integer()
    outcome = fields.String()
    detail = fields.String()


class JournalShape(Schema):
    at = Moment()
    actor = fields.String()
    what = fields.String()
    text = fields.String()
    data = StoredJson()
    delivery_id = IdField("delivery")
    return_id = IdField("return")
    refund_id = IdField("refund")


class RefusalShape(Schema):
    at = Moment()
    source = fields.String()
    status = fields.Integer()
    reason = fields.String()
    size_bytes = fields.Integer()


class RefusalCountShape(Schema):
    source = fields.String()
    status = fields.Integer()
    count = fields.Integer()


class SwitchShape(Schema):
    scope = fields.String()
    stopped_at = Moment()
    actor = fields.String()
    reason = fields.String()


def dump(shape: Schema, value: object) -> dict[str, Any]:
    shown: dict[str, Any] = shape.dump(value)
    return shown


def dump_all(shape: Schema, values: object) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = shape.dump(values, many=True)
    return shown
