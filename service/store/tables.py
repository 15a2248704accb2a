"""The tables. What must never be is refused here, by the database: a second refund in flight for one order above all.

Partial indexes are given for both dialects, columns hold portable types only. The schema itself is made by
`migrations/`; a test keeps the two the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from service.core.lifecycle import PURGEABLE_STATES, SLOT_STATES, DeliveryState, RefundState
from service.core.plan import Route, Verdict
from service.store.columns import Instant, Json, Money, RowId, Widened, Word

#: A worker may take a delivery in these states, once it is due.
CLAIMABLE_STATES = (DeliveryState.RECEIVED, DeliveryState.WAITING)

#: Nothing happens to these by itself: what people look through.
HALTED_STATES = (DeliveryState.NEEDS_PERSON, DeliveryState.UNREADABLE, DeliveryState.SHADOWED)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: Any) -> Table:
    # AUTOINCREMENT: SQLite would give the number of a deleted row to the next one, and a public id a second meaning.
    return Table(name, metadata, Column("id", RowId, primary_key=True), *parts, sqlite_autoincrement=True)


def _in(states: tuple[StrEnum, ...]) -> str:
    return "state IN ({})".format(", ".join(f"'{state}'" for state in states))


def _where(index: str, *columns: str, condition: str, unique: bool = False) -> Index:
    return Index(index, *columns, unique=unique, sqlite_where=text(condition), postgresql_where=text(condition))


returns = _table(
    "returns",
    Column("namespace", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("return_key", Text, nullable=False),
    Column("order_key", Text, nullable=False),  # "#000000012" or "entity 12", as the sender named it
    Column("order_increment_id", Text),
    Column("order_entity_id", RowId),
    Column("first_occurred_at", Instant, nullable=False),
    # events.id, without a foreign key: events already point here, and neither could be inserted first.
    Column("current_event_id", RowId),
    Column("plan", Json),
    Column("plan_fingerprint", Widened),
    Column("plan_verdict", Word(Verdict)),
    Column("planned_at", Instant),
    Column("approved_fingerprint", Widened),
    Column("approved_by", Text),
    Column("approved_at", Instant),
    Column("needs_person", Boolean, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("namespace", "instance", "return_key", "order_key"),
    # What people ask for first, and by far the fewest.
    Index(None, "needs_person", "id"),
    Index(None, "instance", "order_entity_id"),
)

deliveries = _table(
    "deliveries",
    Column("source", Text, nullable=False),
    Column("delivery_key", Text, nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", Json, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("state", Word(DeliveryState), nullable=False),
    Column("due_at", Instant),
    Column("lease_until", Instant),
    Column("worker", Text, nullable=False),
    Column("fence", RowId, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Somebody woke it while a worker held it: due again as soon as that worker is done.
    Column("wake_asked", Boolean, nullable=False),
    Column("event_id", Text),
    Column("return_id", RowId, ForeignKey("returns.id")),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("redeliveries", Integer, nullable=False),
    Column("last_redelivered_at", Instant),
    Column("clashes_with", RowId, ForeignKey("deliveries.id")),
    # NULL: the body is still there.
    Column("purged_at", Instant),
    UniqueConstraint("source", "delivery_key", "body_sha256"),
    # Two bodies under one key that arrive at the same moment must see each other, without a lock.
    _where("uq_deliveries_first_of_key", "source", "delivery_key", condition="clashes_with IS NULL", unique=True),
    # By source first: what may not be claimed now is passed over as a whole, however much of it waits.
    _where("ix_deliveries_due_of_source", "source", "due_at", "id", condition=_in(CLAIMABLE_STATES)),
    _where("ix_deliveries_kept", "received_at", condition=f"purged_at IS NULL AND {_in(PURGEABLE_STATES)}"),
    Index(None, "return_id"),
    _where("ix_deliveries_halted", "state", "id", condition=_in(HALTED_STATES)),
)

events = _table(
    "events",
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("return_id", RowId, ForeignKey("returns.id"), nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("content", Json, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index(None, "return_id", "occurred_at", "id"),
    Index(None, "delivery_id"),
)

refunds = _table(
    "refunds",
    Column("return_id", RowId, ForeignKey("returns.id"), nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("fence", RowId, nullable=False),
    Column("instance", Text, nullable=False),
    Column("order_increment_id", Text),
    Column("order_entity_id", RowId),
    Column("state", Word(RefundState), nullable=False),
    Column("marker", String(64)),
    Column("route", Word(Route)),
    Column("invoice_id", RowId),
    Column("request", Json),
    Column("body", Json),
    Column("predicted_base_total", Money),
    Column("predicted_total", Money),
    Column("base_currency", String(8)),
    Column("currency", String(8)),
    Column("superseded", Boolean, nullable=False),
    Column("needs_person", Boolean, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("sent_at", Instant),
    Column("settle_at", Instant),
    Column("memo_id", RowId),
    Column("memo", Json),
    Column("differences", Json),
    Column("stock_proven", Boolean),
    Column("email_state", Text, nullable=False),
    # What the order said when the call was decided on; drift is told against it.
    Column("order_before", Json),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # The order's slot, by either of its names: where only one is known, the other cannot collide.
    _where("uq_refunds_slot_entity", "instance", "order_entity_id", condition=_in(SLOT_STATES), unique=True),
    _where("uq_refunds_slot_increment", "instance", "order_increment_id", condition=_in(SLOT_STATES), unique=True),
    # A refused call made no memo, so its marker may be used again.
    _where("uq_refunds_marker", "instance", "marker", condition="state <> 'refused'", unique=True),
    Index(None, "return_id"),
    Index(None, "instance", "order_entity_id"),
    Index(None, "sent_at"),
    Index(None, "needs_person", "id"),
)

attempts = _table(
    "attempts",
    Column("refund_id", RowId, ForeignKey("refunds.id"), nullable=False),
    Column("fence", RowId, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("path", Text, nullable=False),
    Column("status", Integer),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "refund_id"),
)

drift_checks = _table(
    "drift_checks",
    Column("refund_id", RowId, ForeignKey("refunds.id"), nullable=False),
    Column("planned_for", Instant, nullable=False),
    # NULL: looked at, or given up.
    Column("due_at", Instant),
    Column("lease_until", Instant),
    Column("fence", RowId, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("looked_at", Instant),
    Column("drifts", Json),
    Column("said", Text, nullable=False),
    _where("ix_drift_checks_due", "due_at", "id", condition="due_at IS NOT NULL"),
    Index(None, "refund_id"),
)

# Without foreign keys: the journal outlives what it tells about.
journal = _table(
    "journal",
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("delivery_id", RowId),
    Column("return_id", RowId),
    Column("refund_id", RowId),
    Index(None, "delivery_id"),
    Index(None, "return_id"),
    Index(None, "refund_id"),
)

memo_answers = Table(
    "memo_answers",
    metadata,
    Column("return_id", RowId, ForeignKey("returns.id"), nullable=False),
    Column("memo_id", RowId, nullable=False),
    Column("is_this_return", Boolean, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("return_id", "memo_id"),
)

refusals = _table(
    "refusals",
    Column("at", Instant, nullable=False),
    Column("source", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("size_bytes", RowId, nullable=False),
)

refusal_counts = Table(
    "refusal_counts",
    metadata,
    Column("source", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("count", RowId, nullable=False),
    PrimaryKeyConstraint("source", "status"),
)

switches = Table(
    "switches",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("stopped_at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

guards = Table(
    "guards",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("set_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    # Memos older than this are in the database for certain; NULL: nothing is certain.
    Column("known_until", Instant),
    Column("reconciled_at", Instant),
    Column("reconciled_by", Text, nullable=False),
)

# Markers that Magento holds and this database never sent: forgotten with the rows that a restored copy lacks.
found_markers = _table(
    "found_markers",
    Column("instance", Text, nullable=False),
    Column("marker", Widened, nullable=False),
    Column("order_entity_id", RowId, nullable=False),
    Column("memo_id", RowId, nullable=False),
    Column("memo_created_at", Instant, nullable=False),
    Column("base_total", Money, nullable=False),
    Column("return_id", RowId, ForeignKey("returns.id")),
    Column("found_at", Instant, nullable=False),
    Column("accepted_at", Instant),
    Column("accepted_by", Text, nullable=False),
    UniqueConstraint("instance", "memo_id", "marker"),
    Index(None, "instance", "order_entity_id"),
)

namespaces = Table(
    "namespaces",
    metadata,
    Column("source", Text, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("frozen_at", Instant, nullable=False),
)

api_keys = _table(
    "api_keys",
    Column("name", Text, nullable=False, unique=True),
    Column("key_hash", String(64), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("store", Text, primary_key=True),
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
)

# What is true of the database as a whole (facts.py).
facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
