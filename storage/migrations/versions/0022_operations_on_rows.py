"""operations on the rows of campaigns, and what the sheet asked for last"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign_rows", sa.Column("asked_hash", sa.Text()))
    op.create_table(
        "campaign_operations",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("campaign_id", sa.Uuid(), sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("actor", sa.Text()),
        sa.Column("result", JSONB()),
    )
    op.create_index("campaign_operations_campaign_idx", "campaign_operations", ["campaign_id", "at"])


def downgrade() -> None:
    op.drop_table("campaign_operations")
    op.drop_column("campaign_rows", "asked_hash")
