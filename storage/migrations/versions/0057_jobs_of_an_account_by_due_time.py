"""the index of the jobs at accounts has their due times"""

from __future__ import annotations

from alembic import op

from storage.large_indexes import create_statements

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None
oldest_program = "0037"  # they read the same entries in another order


def upgrade() -> None:
    for statement in create_statements(revision):
        op.execute(statement)
    op.drop_index("jobs_assigned_idx", "jobs")


def downgrade() -> None:
    op.execute(
        """CREATE INDEX jobs_assigned_idx ON jobs (account, state, lane)
           WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'"""
    )
    op.drop_index("jobs_at_accounts_idx", "jobs")
