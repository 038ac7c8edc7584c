"""kept counters and histograms of /metrics"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
oldest_program = "0037"  # it does not know the new tables


def upgrade() -> None:
    op.create_table(
        "metric_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("merged", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_index("metric_counts_group_idx", "metric_counts", ["metric", "labels", "part"])
    op.create_index("metric_counts_unmerged_idx", "metric_counts", ["id"], postgresql_where=sa.text("NOT merged"))
    # Rows live for a second: vacuum them soon.
    op.execute("ALTER TABLE metric_counts SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")


def downgrade() -> None:
    op.drop_table("metric_counts")
