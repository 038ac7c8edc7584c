"""one trigger counts what an update of jobs changes, once for all its rows"""

from __future__ import annotations

from alembic import op

from storage.counted.moves import CREATE, DROP

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None
oldest_program = "0037"  # the trigger keeps the counts, whatever program writes


def upgrade() -> None:
    for statement in CREATE:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for statement in DROP:
        op.get_bind().exec_driver_sql(statement)
