"""what a gateway keeps saying is missing, files to be removed, source hosts, and barred accounts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_TRANSFERRING = sa.text("state = 'transferring'")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("missing", sa.Text()))
    op.add_column("jobs", sa.Column("missing_since", _TIME))
    op.add_column("jobs", sa.Column("missing_times", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("removal_due_at", _TIME))
    op.create_index(
        "jobs_removal_idx", "jobs", ["removal_due_at"], postgresql_where=sa.text("removal_due_at IS NOT NULL")
    )
    op.add_column("jobs", sa.Column("barred_accounts", ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.create_index(
        "jobs_barred_idx",
        "jobs",
        ["id"],
        postgresql_where=sa.text("state = 'queued' AND barred_accounts <> '{}'::text[]"),
    )
    op.drop_index("jobs_transferring_idx", "jobs")
    op.create_index(
        "jobs_transferring_idx",
        "jobs",
        [sa.text("split_part(video_url, '/'::text, 3)"), "video_expires_at", "due_at"],
        postgresql_where=_TRANSFERRING,
    )


def downgrade() -> None:
    op.drop_index("jobs_transferring_idx", "jobs")
    op.create_index("jobs_transferring_idx", "jobs", ["video_expires_at", "due_at"], postgresql_where=_TRANSFERRING)
    op.drop_index("jobs_removal_idx", "jobs")
    op.drop_index("jobs_barred_idx", "jobs")
    for name in ("barred_accounts", "removal_due_at", "missing_times", "missing_since", "missing"):
        op.drop_column("jobs", name)
