"""accounts that are added, changed and paused while everything runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("removing_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "account_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
    )
    op.create_index("account_keys_account_idx", "account_keys", ["account"])
    op.create_table(
        "accounts_version",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("one", name="accounts_version_one_check"),
    )
    op.execute("INSERT INTO accounts_version (version) VALUES (0)")
    op.add_column("account_states", sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("account_states", sa.Column("paused_at", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("key_id", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("attempts", "key_id")
    op.drop_column("account_states", "paused_at")
    op.drop_column("account_states", "version")
    op.drop_table("accounts_version")
    op.drop_index("account_keys_account_idx", "account_keys")
    op.drop_table("account_keys")
    op.drop_table("accounts")
