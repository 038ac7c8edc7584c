"""what a video is, and copies that every browser plays"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("video_format", JSONB()))
    op.add_column("jobs", sa.Column("playable_key", sa.Text()))
    op.create_table(
        "playable_copies",
        sa.Column("job_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("claim", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint("(due_at IS NULL) = (error IS NOT NULL)", name="playable_copies_due_at_check"),
    )
    op.create_index(
        "playable_copies_due_idx", "playable_copies", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_table("playable_copies")
    for column in ("playable_key", "video_format"):
        op.drop_column("jobs", column)
