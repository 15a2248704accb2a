"""The returns of an order and what a delivery said are found without looking at all the others."""

from alembic import op

revision = "0008"
down_revision = "0007"

#: Indexes are nobody's business but the database's.
oldest_program = "0005"


def upgrade() -> None:
    op.create_index(
        op.f("ix_returns_instance_order_entity_id"), "returns", ["instance", "order_entity_id"], if_not_exists=True
    )
    op.create_index(op.f("ix_events_delivery_id"), "events", ["delivery_id"], if_not_exists=True)
