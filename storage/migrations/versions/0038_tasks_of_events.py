"""the Celery task that made a step of a job"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
oldest_program = "0037"  # it leaves the column empty


def upgrade() -> None:
    op.add_column("job_events", sa.Column("celery_task", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("job_events", "celery_task")
