"""rows of campaigns, their versions and reviews, and the sheets that they come from

The rows of campaigns that exist already are made when they are first read; see `storage.campaigns.completion`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "campaign_sheets",
        sa.Column("campaign_id", sa.Uuid(), sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sheet", sa.Text()),
        sa.Column("columns", JSONB(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("actor", sa.Text()),
    )
    op.create_table(
        "campaign_rows",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("campaign_id", sa.Uuid(), sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("key", sa.Text()),
        sa.Column("cells", JSONB(), nullable=False, server_default=sa.text("'[]'::jsonb")),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kept_job_id", sa.Uuid()),
        sa.Column("versions", sa.SmallInteger(), nullable=False, server_default="1"),
        sa.Column("review", sa.Text(), nullable=False, server_default="open"),
        sa.Column("reviewed_at", sa.DateTime(timezone=True)),
        sa.Column("reviewed_by", sa.Text()),
        sa.Column("review_comment", sa.Text()),
        sa.Column("edit", JSONB()),
        sa.CheckConstraint("review IN ('open', 'approved', 'rejected')", name="campaign_rows_review_check"),
        sa.CheckConstraint("versions > 0", name="campaign_rows_versions_check"),
    )
    op.create_index("campaign_rows_number_idx", "campaign_rows", ["campaign_id", "number", "id"])
    op.create_table(
        "campaign_versions",
        sa.Column("row_id", sa.Uuid(), sa.ForeignKey("campaign_rows.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
    )
    op.create_index("campaign_versions_job_idx", "campaign_versions", ["job_id"], unique=True)


def downgrade() -> None:
    op.drop_table("campaign_versions")
    op.drop_table("campaign_rows")
    op.drop_table("campaign_sheets")
