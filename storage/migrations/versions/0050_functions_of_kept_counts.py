"""functions of the kept counts that find their tables, and that wait for a merge before they clear one"""

from __future__ import annotations

from alembic import op

from storage.counted.ahead import KEPT_COUNTS

revision = "0050"
down_revision = "0047"
branch_labels = None
depends_on = None
oldest_program = "0037"  # programs do not call them


def upgrade() -> None:
    for kept in KEPT_COUNTS:
        if kept.revision < revision:
            for statement in kept.functions:
                op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """The functions also fit the schema before."""
