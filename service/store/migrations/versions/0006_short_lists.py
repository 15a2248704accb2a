"""What waits for a person, and deliveries that halted, are found without looking at all the others."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

#: Indexes are nobody's business but the database's.
oldest_program = "0005"


def upgrade() -> None:
    is_halted = sa.text("state IN ('needs_person', 'unreadable', 'shadowed')")
    op.create_index(
        "ix_deliveries_halted", "deliveries", ["state", "id"], sqlite_where=is_halted, postgresql_where=is_halted
    )
    op.create_index(op.f("ix_returns_needs_person_id"), "returns", ["needs_person", "id"])
    op.create_index(op.f("ix_refunds_needs_person_id"), "refunds", ["needs_person", "id"])
