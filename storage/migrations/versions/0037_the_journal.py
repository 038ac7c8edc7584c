"""the journal of submits in the bucket, and jobs that a restore has lost"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None
oldest_program = "0037"  # an older one would submit what is held after a restore, and note no POST in the journal


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("lineage", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("place", sa.Text()),
        sa.Column("through", sa.DateTime(timezone=True)),
        sa.Column("hold", JSONB()),
        sa.Column("problem", JSONB()),
        sa.Column("restored", JSONB()),
        sa.Column("behind_at", sa.DateTime(timezone=True)),
        sa.Column("behind_error", sa.Text()),
        sa.CheckConstraint("id = 1", name="journal_one_row_check"),
    )
    op.execute("INSERT INTO journal (id) VALUES (1)")
    op.create_table(
        "lost_jobs",
        sa.Column("job_id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("account", sa.Text()),
        sa.Column("gateway_task_id", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("object_key", sa.Text()),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )


def downgrade() -> None:
    op.drop_table("lost_jobs")
    op.drop_table("journal")
