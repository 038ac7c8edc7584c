"""turns of campaigns, learnt limits of accounts, and generation times"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_states", sa.Column("max_in_flight", sa.Integer(), nullable=True))
    op.add_column("account_states", sa.Column("slot_limit", sa.Integer(), nullable=True))
    op.add_column("account_states", sa.Column("slot_limit_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "account_states", sa.Column("suspensions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_table(
        "account_turns",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Uuid(), nullable=False),
        sa.Column("pin", sa.Text(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account", "tenant"),
    )
    op.create_table(
        "durations",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("duration", sa.Text(), nullable=False),
        sa.Column("seconds", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account", "tier", "resolution", "duration"),
    )
    op.add_column("jobs", sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("jobs_queued_idx", table_name="jobs", postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "jobs_shares_idx",
        "jobs",
        [
            sa.literal_column("priority DESC"),
            "tenant",
            sa.text("coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            sa.text("coalesce(account_pin, ''::text)"),
            "due_at",
            "id",
        ],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )


def downgrade() -> None:
    op.drop_index("jobs_shares_idx", table_name="jobs", postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "jobs_queued_idx",
        "jobs",
        [sa.literal_column("priority DESC"), "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_column("jobs", "polled_at")
    op.drop_table("durations")
    op.drop_table("account_turns")
    op.drop_column("account_states", "suspensions")
    op.drop_column("account_states", "slot_limit_at")
    op.drop_column("account_states", "slot_limit")
    op.drop_column("account_states", "max_in_flight")
