"""an index of deleted jobs, so that those that are left can be counted"""

from __future__ import annotations

from alembic import op

from storage.large_indexes import create_statements

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None
oldest_program = "0037"  # they count without it


def upgrade() -> None:
    for statement in create_statements(revision):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("jobs_deleted_idx", "jobs")
