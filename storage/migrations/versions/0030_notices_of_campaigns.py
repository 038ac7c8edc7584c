"""notices of campaigns, who gets mail about them, and an index of jobs that are kept back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaign_notices",
        sa.Column("campaign_id", sa.Uuid(), sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("event", sa.Text(), primary_key=True),
        sa.Column("occasion", sa.Text(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
    op.create_table(
        "mail_recipients",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("campaign_id", sa.Uuid(), primary_key=True),
        sa.Column("addresses", ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("cardinality(addresses) <= 20", name="mail_recipients_addresses_check"),
    )
    op.execute("CREATE INDEX jobs_kept_back_idx ON jobs (campaign_id) WHERE state = 'queued' AND reason = 'kept_back'")


def downgrade() -> None:
    op.drop_index("jobs_kept_back_idx", "jobs")
    op.drop_table("mail_recipients")
    op.drop_table("campaign_notices")
