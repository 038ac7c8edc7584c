"""when a campaign submits and how much at once, and rows that are proofs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default: PostgreSQL writes no row.
    op.add_column("campaigns", sa.Column("proof", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("campaigns", sa.Column("start_at", sa.DateTime(timezone=True)))
    op.add_column("campaigns", sa.Column("quiet_hours", sa.Text()))
    op.add_column("campaigns", sa.Column("quiet_zone", sa.Text()))
    op.add_column("campaigns", sa.Column("quiet_begins_at", sa.DateTime(timezone=True)))
    op.add_column("campaigns", sa.Column("quiet_ends_at", sa.DateTime(timezone=True)))
    op.add_column("campaigns", sa.Column("max_concurrent", sa.Integer()))
    op.create_check_constraint("campaigns_max_concurrent_check", "campaigns", "max_concurrent > 0")
    op.create_index(
        "campaigns_quiet_idx", "campaigns", ["quiet_ends_at"], postgresql_where=sa.text("quiet_ends_at IS NOT NULL")
    )
    op.add_column("campaigns", sa.Column("drafts_announced_until", sa.DateTime(timezone=True)))
    op.execute(
        "CREATE INDEX jobs_drafts_idx ON jobs (draft_ends_at) "
        "WHERE state = 'succeeded' AND draft_of IS NULL AND draft_ends_at IS NOT NULL"
    )
    op.add_column("campaign_rows", sa.Column("proof", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("campaign_rows", sa.Column("final", JSONB()))


def downgrade() -> None:
    op.drop_column("campaign_rows", "final")
    op.drop_column("campaign_rows", "proof")
    op.drop_index("jobs_drafts_idx", "jobs")
    op.drop_column("campaigns", "drafts_announced_until")
    op.drop_index("campaigns_quiet_idx", "campaigns")
    for name in (
        "max_concurrent",
        "quiet_ends_at",
        "quiet_begins_at",
        "quiet_zone",
        "quiet_hours",
        "start_at",
        "proof",
    ):
        op.drop_column("campaigns", name)
