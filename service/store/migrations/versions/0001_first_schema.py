"""The first schema.

A migration says what was true on its day and imports nothing of ours: tables.py goes on without it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "journal",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("delivery_id", ROW_ID, nullable=True),
        sa.Column("return_id", ROW_ID, nullable=True),
        sa.Column("refund_id", ROW_ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_journal_delivery_id"), "journal", ["delivery_id"], unique=False)
    op.create_index(op.f("ix_journal_refund_id"), "journal", ["refund_id"], unique=False)
    op.create_index(op.f("ix_journal_return_id"), "journal", ["return_id"], unique=False)
    op.create_table(
        "namespaces",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("frozen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_namespaces")),
    )
    op.create_table(
        "refusal_counts",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("count", ROW_ID, nullable=False),
        sa.PrimaryKeyConstraint("source", "status", name=op.f("pk_refusal_counts")),
    )
    op.create_table(
        "refusals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size_bytes", ROW_ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "returns",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("return_key", sa.Text(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("order_increment_id", sa.Text(), nullable=True),
        sa.Column("order_entity_id", ROW_ID, nullable=True),
        sa.Column("first_occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("current_event_id", ROW_ID, nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("plan_fingerprint", sa.String(length=64), nullable=True),
        sa.Column("plan_verdict", sa.String(length=32), nullable=True),
        sa.Column("planned_at", sa.BigInteger(), nullable=True),
        sa.Column("approved_fingerprint", sa.String(length=64), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("needs_person", sa.Boolean(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
        sa.UniqueConstraint(
            "namespace",
            "instance",
            "return_key",
            "order_key",
            name=op.f("uq_returns_namespace_instance_return_key_order_key"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "switches",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_switches")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("delivery_key", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("fence", ROW_ID, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("wake_asked", sa.Boolean(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("return_id", ROW_ID, nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("redeliveries", sa.Integer(), nullable=False),
        sa.Column("last_redelivered_at", sa.BigInteger(), nullable=True),
        sa.Column("clashes_with", ROW_ID, nullable=True),
        sa.ForeignKeyConstraint(["clashes_with"], ["deliveries.id"], name=op.f("fk_deliveries_clashes_with")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_deliveries_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "source", "delivery_key", "body_sha256", name=op.f("uq_deliveries_source_delivery_key_body_sha256")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('received', 'waiting')"),
        postgresql_where=sa.text("state IN ('received', 'waiting')"),
    )
    op.create_index(op.f("ix_deliveries_return_id"), "deliveries", ["return_id"], unique=False)
    op.create_index(
        "uq_deliveries_first_of_key",
        "deliveries",
        ["source", "delivery_key"],
        unique=True,
        sqlite_where=sa.text("clashes_with IS NULL"),
        postgresql_where=sa.text("clashes_with IS NULL"),
    )
    op.create_table(
        "memo_answers",
        sa.Column("return_id", ROW_ID, nullable=False),
        sa.Column("memo_id", ROW_ID, nullable=False),
        sa.Column("is_this_return", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_memo_answers_return_id")),
        sa.PrimaryKeyConstraint("return_id", "memo_id", name=op.f("pk_memo_answers")),
    )
    op.create_table(
        "events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("delivery_id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("return_id", ROW_ID, nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_events_delivery_id")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_events_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("source", "event_id", name=op.f("uq_events_source_event_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_events_return_id_occurred_at_id"), "events", ["return_id", "occurred_at", "id"], unique=False
    )
    op.create_table(
        "refunds",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("return_id", ROW_ID, nullable=False),
        sa.Column("delivery_id", ROW_ID, nullable=False),
        sa.Column("fence", ROW_ID, nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("order_increment_id", sa.Text(), nullable=True),
        sa.Column("order_entity_id", ROW_ID, nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("marker", sa.String(length=64), nullable=True),
        sa.Column("route", sa.String(length=32), nullable=True),
        sa.Column("invoice_id", ROW_ID, nullable=True),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("predicted_base_total", sa.String(length=40), nullable=True),
        sa.Column("predicted_total", sa.String(length=40), nullable=True),
        sa.Column("base_currency", sa.String(length=8), nullable=True),
        sa.Column("currency", sa.String(length=8), nullable=True),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("needs_person", sa.Boolean(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("settle_at", sa.BigInteger(), nullable=True),
        sa.Column("memo_id", ROW_ID, nullable=True),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("differences", sa.Text(), nullable=True),
        sa.Column("stock_proven", sa.Boolean(), nullable=True),
        sa.Column("email_state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_refunds_delivery_id")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_refunds_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_refunds_instance_order_entity_id"), "refunds", ["instance", "order_entity_id"], unique=False
    )
    op.create_index(op.f("ix_refunds_return_id"), "refunds", ["return_id"], unique=False)
    op.create_index(op.f("ix_refunds_sent_at"), "refunds", ["sent_at"], unique=False)
    op.create_index(
        "uq_refunds_marker",
        "refunds",
        ["instance", "marker"],
        unique=True,
        sqlite_where=sa.text("state <> 'refused'"),
        postgresql_where=sa.text("state <> 'refused'"),
    )
    op.create_index(
        "uq_refunds_slot_entity",
        "refunds",
        ["instance", "order_entity_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('checking', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('checking', 'sending', 'unknown')"),
    )
    op.create_index(
        "uq_refunds_slot_increment",
        "refunds",
        ["instance", "order_increment_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('checking', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('checking', 'sending', 'unknown')"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("refund_id", ROW_ID, nullable=False),
        sa.Column("fence", ROW_ID, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_attempts_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_attempts_refund_id"), "attempts", ["refund_id"], unique=False)
