"""what an operation on rows asked for, so that another one with its id is refused"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None
oldest_program = "0037"  # it leaves the column empty


def upgrade() -> None:
    op.add_column("campaign_operations", sa.Column("asked_hash", sa.Text()))


def downgrade() -> None:
    op.drop_column("campaign_operations", "asked_hash")
