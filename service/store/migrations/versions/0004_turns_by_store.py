"""Claims by source, so that a store that is left alone costs nothing to pass over; and which stores are left alone."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    is_claimable = sa.text("state IN ('received', 'waiting')")
    op.create_index(
        "ix_deliveries_due_of_source",
        "deliveries",
        ["source", "due_at", "id"],
        sqlite_where=is_claimable,
        postgresql_where=is_claimable,
    )
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    op.create_table(
        "pauses",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", name=op.f("pk_pauses")),
    )
