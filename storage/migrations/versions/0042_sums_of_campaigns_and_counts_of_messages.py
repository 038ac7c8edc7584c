"""kept sums of campaigns, and kept counts of webhook messages"""

from __future__ import annotations

from alembic import op

from storage.counted.ahead import create, drop
from storage.large_indexes import create_statements

revision = "0042"
down_revision = "0040"
branch_labels = None
depends_on = None
oldest_program = "0037"  # triggers keep the sums


def upgrade() -> None:
    create(revision, op.get_bind())
    for statement in create_statements(revision):
        op.execute(statement)


def downgrade() -> None:
    drop(revision, op.get_bind())
    op.drop_index("webhook_messages_waiting_idx", "webhook_messages")
