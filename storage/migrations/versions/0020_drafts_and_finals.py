"""drafts, and the finals made of them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_CHECK = (
    "draft_of IS NULL OR (account_pin IS NOT NULL AND draft_task_id IS NOT NULL AND draft_model IS NOT NULL"
    " AND draft_ends_at IS NOT NULL)"
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("draft_of", sa.Uuid()))
    op.add_column("jobs", sa.Column("draft_task_id", sa.Text()))
    op.add_column("jobs", sa.Column("draft_model", sa.Text()))
    op.add_column("jobs", sa.Column("draft_ends_at", sa.DateTime(timezone=True)))
    op.execute(f"ALTER TABLE jobs ADD CONSTRAINT jobs_draft_of_check CHECK ({_CHECK}) NOT VALID")
    op.execute("ALTER TABLE jobs VALIDATE CONSTRAINT jobs_draft_of_check")
    op.create_index(
        "jobs_draft_ends_idx",
        "jobs",
        ["draft_ends_at"],
        postgresql_where=sa.text("state = 'queued' AND draft_of IS NOT NULL"),
    )
    op.create_index("jobs_draft_of_idx", "jobs", ["draft_of"], postgresql_where=sa.text("draft_of IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("jobs_draft_of_idx", "jobs")
    op.drop_index("jobs_draft_ends_idx", "jobs")
    op.drop_constraint("jobs_draft_of_check", "jobs")
    for name in ("draft_ends_at", "draft_model", "draft_task_id", "draft_of"):
        op.drop_column("jobs", name)
