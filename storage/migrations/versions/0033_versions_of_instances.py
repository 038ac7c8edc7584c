"""the version of each instance, and which programs can work on the schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0031"
branch_labels = None
depends_on = None
oldest_program = "0033"


def upgrade() -> None:
    op.add_column("heartbeats", sa.Column("version", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "schema_compatibility",
        sa.Column("one", sa.Boolean(), primary_key=True, server_default=sa.text("true")),
        sa.Column("oldest_program", sa.Text(), nullable=False),
        sa.CheckConstraint("one", name="schema_compatibility_one_check"),
    )


def downgrade() -> None:
    op.drop_table("schema_compatibility")
    op.drop_column("heartbeats", "version")
