"""campaigns that are paused, and an index of tags"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "jobs_tags_idx", "jobs", ["tags"], postgresql_using="gin", postgresql_where=sa.text("tags <> '{}'::text[]")
    )


def downgrade() -> None:
    op.drop_index("jobs_tags_idx", table_name="jobs", postgresql_where=sa.text("tags <> '{}'::text[]"))
    op.drop_column("campaigns", "paused_at")
