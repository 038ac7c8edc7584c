"""how the columns of a campaign's sheets look"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign_sheets", sa.Column("formats", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("campaign_sheets", "formats")
