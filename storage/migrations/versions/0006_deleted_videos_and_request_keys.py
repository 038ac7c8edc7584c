"""deleted videos, and keys of requests that are repeated without one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("jobs_deleted_at_check", "jobs", "deleted_at IS NULL OR finished_at IS NOT NULL")
    op.create_table(
        "request_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("repetition", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("request_keys_fingerprint_idx", "request_keys", ["tenant", "fingerprint"], unique=False)
    op.create_index("request_keys_at_idx", "request_keys", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("request_keys")
    op.drop_constraint("jobs_deleted_at_check", "jobs", type_="check")
    op.drop_column("jobs", "deleted_at")
