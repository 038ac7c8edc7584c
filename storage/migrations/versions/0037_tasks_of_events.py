"""the Celery task that made a step of a job"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_events", sa.Column("celery_task", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("job_events", "celery_task")
