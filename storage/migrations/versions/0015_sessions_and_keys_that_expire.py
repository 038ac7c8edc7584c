"""sessions of the page, and keys that expire and are replaced"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", _TIME))
    op.add_column("api_keys", sa.Column("replaced_by", sa.Text()))
    op.create_table(
        "page_sessions",
        sa.Column("id_hash", sa.Text(), primary_key=True),
        sa.Column("key_id", sa.Text(), sa.ForeignKey("api_keys.id", ondelete="CASCADE")),
        sa.Column("configured_hash", sa.Text()),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.CheckConstraint("num_nonnulls(key_id, configured_hash) = 1", name="page_sessions_key_check"),
    )
    op.create_index("page_sessions_key_idx", "page_sessions", ["key_id"])
    op.create_index("page_sessions_expires_idx", "page_sessions", ["expires_at"])


def downgrade() -> None:
    op.drop_table("page_sessions")
    op.drop_column("api_keys", "replaced_by")
    op.drop_column("api_keys", "expires_at")
