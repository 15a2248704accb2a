"""What is looked at again after a refund, and what holds refunds back after a restore."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("refunds", sa.Column("order_before", sa.Text(), nullable=True))
    op.create_table(
        "drift_checks",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("refund_id", ROW_ID, nullable=False),
        sa.Column("planned_for", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", ROW_ID, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("drifts", sa.Text(), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_drift_checks_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_checks")),
        sqlite_autoincrement=True,
    )
    is_due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_drift_checks_due", "drift_checks", ["due_at", "id"], sqlite_where=is_due, postgresql_where=is_due
    )
    op.create_index(op.f("ix_drift_checks_refund_id"), "drift_checks", ["refund_id"], unique=False)
    op.create_table(
        "guards",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("known_until", sa.BigInteger(), nullable=True),
        sa.Column("reconciled_at", sa.BigInteger(), nullable=True),
        sa.Column("reconciled_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("instance", name=op.f("pk_guards")),
    )
    op.create_table(
        "found_markers",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("marker", sa.String(length=64), nullable=False),
        sa.Column("order_entity_id", ROW_ID, nullable=False),
        sa.Column("memo_id", ROW_ID, nullable=False),
        sa.Column("memo_created_at", sa.BigInteger(), nullable=False),
        sa.Column("base_total", sa.String(length=40), nullable=False),
        sa.Column("return_id", ROW_ID, nullable=True),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_found_markers_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_found_markers")),
        sa.UniqueConstraint("instance", "memo_id", "marker", name=op.f("uq_found_markers_instance_memo_id_marker")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_found_markers_instance_order_entity_id"),
        "found_markers",
        ["instance", "order_entity_id"],
        unique=False,
    )
