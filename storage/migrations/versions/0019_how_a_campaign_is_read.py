"""how the columns of a campaign's sheet are read"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("reading", JSONB()))


def downgrade() -> None:
    op.drop_column("campaigns", "reading")
