"""indexes for lists of jobs, and for what ended when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("jobs_campaign_idx", table_name="jobs")
    op.create_index(
        "jobs_campaign_idx", "jobs", ["campaign_id", "state", "id"], unique=False, postgresql_include=["finished_at"]
    )
    op.drop_index("jobs_state_idx", table_name="jobs")
    op.create_index("jobs_state_idx", "jobs", ["tenant", "state", "id"], unique=False)
    op.create_index(
        "jobs_finished_idx",
        "jobs",
        ["tenant", "finished_at"],
        unique=False,
        postgresql_include=["state"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("jobs_finished_idx", table_name="jobs", postgresql_where=sa.text("finished_at IS NOT NULL"))
    op.drop_index("jobs_state_idx", table_name="jobs")
    op.create_index("jobs_state_idx", "jobs", ["state", "id"], unique=False)
    op.drop_index("jobs_campaign_idx", table_name="jobs")
    op.create_index("jobs_campaign_idx", "jobs", ["campaign_id", "state"], unique=False)
