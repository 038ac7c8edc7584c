"""kept counts of batches and of rows of sheets; indexes of labelled and of reviewed rows, and of a file's newest jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.large_indexes import create_statements

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None
oldest_program = "0037"  # older programs count themselves

_COUNTS = ("stored", "completed", "failed")


def upgrade() -> None:
    for name in _COUNTS:
        op.add_column("batches", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("batches", sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "batches_uncounted_idx",
        "batches",
        ["id"],
        postgresql_where=sa.text("ended_at IS NOT NULL AND (counted_at IS NULL OR counted_at < ended_at)"),
    )
    op.create_table(
        "sheet_row_counts",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False),
        sa.Column("sheet_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id"),
    )
    for statement in create_statements(revision):
        op.execute(statement)
    op.drop_index("upload_uses_upload_idx", "upload_uses")


def downgrade() -> None:
    op.create_index("upload_uses_upload_idx", "upload_uses", ["upload_id"])
    op.drop_index("upload_uses_newest_idx", "upload_uses")
    op.drop_index("campaign_rows_proofs_idx", "campaign_rows")
    op.drop_index("campaign_rows_reviewed_idx", "campaign_rows")
    op.drop_index("campaign_rows_labels_idx", "campaign_rows")
    op.drop_table("sheet_row_counts")
    op.drop_index("batches_uncounted_idx", "batches")
    for name in (*_COUNTS, "counted_at"):
        op.drop_column("batches", name)
