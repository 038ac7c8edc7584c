"""limits seen at refusals"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind, default in (
        ("throttles", sa.SmallInteger(), "0"),
        ("slot_step", sa.Integer(), "1"),
        ("slot_wait_s", sa.REAL(), "10"),
    ):
        op.add_column("account_states", sa.Column(name, kind, server_default=sa.text(default), nullable=False))


def downgrade() -> None:
    for name in ("slot_wait_s", "slot_step", "throttles"):
        op.drop_column("account_states", name)
