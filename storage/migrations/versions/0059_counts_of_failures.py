"""kept counts of why jobs of a campaign failed, with an index of these jobs"""

from __future__ import annotations

from alembic import op

from storage.counted.ahead import create, drop
from storage.counted.moves import ADD_FAILURES, REMOVE_FAILURES
from storage.large_indexes import create_statements

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None
oldest_program = "0037"  # triggers keep the counts


def upgrade() -> None:
    create(revision, op.get_bind())
    for statement in ADD_FAILURES:
        op.get_bind().exec_driver_sql(statement)
    for statement in create_statements(revision):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("jobs_failures_idx", "jobs")
    for statement in REMOVE_FAILURES:
        op.get_bind().exec_driver_sql(statement)
    drop(revision, op.get_bind())
