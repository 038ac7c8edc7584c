"""webhook endpoints, and the messages to them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _at(name: str, *, default: str | None = None, nullable: bool = True) -> sa.Column[object]:
    server_default = sa.text(default) if default else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=server_default, nullable=nullable)


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("settled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("campaigns", sa.Column("settled_jobs", sa.Integer(), server_default="0", nullable=False))
    op.create_index("campaigns_unsettled_idx", "campaigns", ["id"], postgresql_where=sa.text("NOT settled"))
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        _at("previous_until"),
        _at("disabled_at"),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        _at("created_at", default="now()", nullable=False),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_until IS NULL)", name="webhook_endpoints_previous_check"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "url", name="webhook_endpoints_tenant_url_key"),
    )
    op.create_table(
        "webhook_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("endpoint_id", sa.Uuid(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        _at("due_at", default="now()"),
        sa.Column("claim", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("replays", sa.SmallInteger(), server_default="0", nullable=False),
        _at("first_attempt_at"),
        _at("last_attempt_at"),
        sa.Column("last_status", sa.SmallInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_answer", sa.Text(), nullable=True),
        _at("created_at", default="now()", nullable=False),
        _at("delivered_at"),
        _at("dead_at"),
        sa.CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name="webhook_messages_receiver_check"),
        sa.CheckConstraint("delivered_at IS NULL OR dead_at IS NULL", name="webhook_messages_end_check"),
        sa.CheckConstraint(
            "(due_at IS NULL) = (delivered_at IS NOT NULL OR dead_at IS NOT NULL)", name="webhook_messages_due_check"
        ),
        sa.CheckConstraint("NOT leased OR due_at IS NOT NULL", name="webhook_messages_lease_check"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    for name, columns, where in _INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(f"webhook_messages_{name}_idx", "webhook_messages", columns, postgresql_where=condition)


_INDEXES = (
    ("due", ["target", "due_at"], "due_at IS NOT NULL"),
    ("leased", ["target"], "leased"),
    ("created", ["tenant", "created_at", "id"], None),
    ("job", ["job_id"], "job_id IS NOT NULL"),
)


def downgrade() -> None:
    op.drop_table("webhook_messages")
    op.drop_table("webhook_endpoints")
    op.drop_index("campaigns_unsettled_idx", table_name="campaigns", postgresql_where=sa.text("NOT settled"))
    op.drop_column("campaigns", "settled_jobs")
    op.drop_column("campaigns", "settled")
