"""functions of the kept sums that count old ends in longer pieces of time"""

from __future__ import annotations

from alembic import op

from storage.counted.campaigns import CAMPAIGN_SUMS
from storage.counted.ended import ENDED_SUMS

revision = "0052"
down_revision = "0050"
branch_labels = None
depends_on = None
oldest_program = "0037"  # older programs see a longer piece as its beginning


def upgrade() -> None:
    for kept in (CAMPAIGN_SUMS, ENDED_SUMS):
        for statement in kept.functions:
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """The functions also fit the schema before."""
