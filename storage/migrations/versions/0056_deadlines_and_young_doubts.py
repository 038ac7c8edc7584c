"""indexes of young doubts, and of the deadlines of queued jobs alone"""

from __future__ import annotations

from alembic import op

from storage.large_indexes import create_statements

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None
oldest_program = "0037"  # they look for deadlines without an index, until they are replaced


def upgrade() -> None:
    for statement in create_statements(revision):
        op.execute(statement)
    op.drop_index("jobs_deadline_idx", "jobs")


def downgrade() -> None:
    op.execute(
        "CREATE INDEX jobs_deadline_idx ON jobs (deadline_at) WHERE deadline_at IS NOT NULL AND due_at IS NOT NULL"
    )
    op.drop_index("jobs_queued_deadline_idx", "jobs")
    op.drop_index("jobs_doubts_idx", "jobs")
