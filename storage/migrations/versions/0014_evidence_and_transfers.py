"""what a gateway keeps saying is missing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("missing", sa.Text()))
    op.add_column("jobs", sa.Column("missing_since", _TIME))
    op.add_column("jobs", sa.Column("missing_times", sa.SmallInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("missing_times", "missing_since", "missing"):
        op.drop_column("jobs", name)
