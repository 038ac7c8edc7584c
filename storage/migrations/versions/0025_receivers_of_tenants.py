"""receivers of webhooks by tenant, and which of them do not answer"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_receivers",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "target"),
    )
    op.drop_index("webhook_messages_due_idx", table_name="webhook_messages")
    op.drop_index("webhook_messages_leased_idx", table_name="webhook_messages")
    op.create_index(
        "webhook_messages_due_idx",
        "webhook_messages",
        ["tenant", "target", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "webhook_messages_leased_idx", "webhook_messages", ["tenant", "target"], postgresql_where=sa.text("leased")
    )


def downgrade() -> None:
    op.drop_index("webhook_messages_leased_idx", table_name="webhook_messages")
    op.drop_index("webhook_messages_due_idx", table_name="webhook_messages")
    op.create_index(
        "webhook_messages_due_idx",
        "webhook_messages",
        ["target", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("webhook_messages_leased_idx", "webhook_messages", ["target"], postgresql_where=sa.text("leased"))
    op.drop_table("webhook_receivers")
