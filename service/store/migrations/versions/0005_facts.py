"""What is true of the database as a whole: which programs may run on it, and where it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

#: The oldest program, by the version that it makes, that may run on this one; docs/postgresql.md says when it may stay.
oldest_program = "0005"


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
    )
