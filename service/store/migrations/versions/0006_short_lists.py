"""What waits for a person, and deliveries by state, are found without looking at all the others."""

from alembic import op

revision = "0006"
down_revision = "0005"

#: Indexes are nobody's business but the database's.
oldest_program = "0005"


def upgrade() -> None:
    op.create_index(op.f("ix_deliveries_state_id"), "deliveries", ["state", "id"])
    op.create_index(op.f("ix_returns_needs_person_id"), "returns", ["needs_person", "id"])
    op.create_index(op.f("ix_refunds_needs_person_id"), "refunds", ["needs_person", "id"])
