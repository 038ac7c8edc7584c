"""kept counts of slots in use"""

from __future__ import annotations

from alembic import op

from storage.counted.ahead import create, drop

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None
oldest_program = "0037"  # triggers keep the counts


def upgrade() -> None:
    create(revision, op.get_bind())


def downgrade() -> None:
    drop(revision, op.get_bind())
