"""kept counts of the rows of campaigns, with an index of those with several versions, and sums of ended jobs"""

from __future__ import annotations

from alembic import op

from storage.counted.ahead import create, drop
from storage.large_indexes import create_statements

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None
oldest_program = "0037"  # triggers keep the counts


def upgrade() -> None:
    create(revision, op.get_bind())
    for statement in create_statements(revision):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("campaign_rows_several_idx", "campaign_rows")
    drop(revision, op.get_bind())
