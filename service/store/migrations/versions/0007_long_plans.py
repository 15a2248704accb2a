"""What names all calls of a plan, or is copied out of a memo's comment, may be of any length.

SQLite keeps any text in any column, so its tables stay as they are. PostgreSQL takes a length away without writing a
table or an index anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

#: A column that takes more than before is nothing to older programs.
oldest_program = "0005"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    for table, column in (
        ("returns", "plan_fingerprint"),
        ("returns", "approved_fingerprint"),
        ("found_markers", "marker"),
    ):
        op.alter_column(table, column, type_=sa.Text(), existing_type=sa.String(length=64))
