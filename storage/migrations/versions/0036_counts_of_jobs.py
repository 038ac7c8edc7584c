"""kept counts of jobs by tenant, campaign, state and reason"""

from __future__ import annotations

from alembic import op

from storage.counted.ahead import create, drop

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
oldest_program = "0033"  # triggers keep the counts


def upgrade() -> None:
    create(revision, op.get_bind())


def downgrade() -> None:
    drop(revision, op.get_bind())
