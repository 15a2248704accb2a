"""Bodies are purged by age: when one was, and a short way to those that may be."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("purged_at", sa.BigInteger(), nullable=True))
    is_kept = sa.text("purged_at IS NULL AND state IN ('done', 'ignored', 'unreadable', 'shadowed')")
    op.create_index("ix_deliveries_kept", "deliveries", ["received_at"], sqlite_where=is_kept, postgresql_where=is_kept)
