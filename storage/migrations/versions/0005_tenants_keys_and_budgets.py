"""tenants, their keys, budgets, and weights of turns"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("jobs_per_minute", sa.Integer(), nullable=True),
        _at("created_at"),
        sa.CheckConstraint("name <> ''", name="tenants_name_check"),
        sa.CheckConstraint("weight BETWEEN 1 AND 100", name="tenants_weight_check"),
        sa.CheckConstraint("jobs_per_minute > 0", name="tenants_jobs_per_minute_check"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute("INSERT INTO tenants (name) VALUES ('default')")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        _at("created_at"),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "scopes <@ ARRAY['enqueue', 'read', 'admin', 'metrics'] AND cardinality(scopes) > 0",
            name="api_keys_scopes_check",
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_keys_tenant_idx", "api_keys", ["tenant"], unique=False)
    op.create_table(
        "budgets",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("spent", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        _at("created_at"),
        sa.CheckConstraint("amount >= 0", name="budgets_amount_check"),
        sa.PrimaryKeyConstraint("tenant", "campaign_id"),
    )
    op.create_table(
        "reservations",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.add_column("campaigns", sa.Column("weight", sa.SmallInteger(), server_default="1", nullable=False))
    op.create_check_constraint("campaigns_weight_check", "campaigns", "weight BETWEEN 1 AND 100")
    op.add_column("account_turns", sa.Column("taken", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("account_turns", sa.Column("share_taken", sa.SmallInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("account_turns", "share_taken")
    op.drop_column("account_turns", "taken")
    op.drop_constraint("campaigns_weight_check", "campaigns", type_="check")
    op.drop_column("campaigns", "weight")
    op.drop_table("reservations")
    op.drop_table("budgets")
    op.drop_index("api_keys_tenant_idx", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("tenants")
