"""what only Ark's door knows of a job, and the requests whose answer may have been lost"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("ark", postgresql.JSONB()))
    op.create_index("request_keys_key_idx", "request_keys", ["key"])


def downgrade() -> None:
    op.drop_index("request_keys_key_idx", "request_keys")
    op.drop_column("jobs", "ark")
