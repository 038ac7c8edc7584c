"""outages of accounts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_states", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account_states", sa.Column("outage", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("account_states", "outage")
    op.drop_column("account_states", "suspended_at")
