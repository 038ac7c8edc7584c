"""one job for each task, marks of attempts, and counters that do not overflow"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Two installations that share an account do not count through the same marks at the same time.
_FIRST_MARK = 1_000_000
# The oldest attempt keeps a task that several have. Their jobs stay as they are: both videos are the same one.
_LATER_HOLDERS = """
UPDATE attempts a SET
    gateway_task_id = NULL,
    outcome = CASE WHEN a.outcome = 'accepted' THEN 'task_taken' ELSE a.outcome END,
    error = coalesce(a.error, '{}'::jsonb) || jsonb_build_object(
        'code', 'task_taken', 'task_id', a.gateway_task_id, 'holder', o.job_id,
        'message', format('task %s belongs to another job', a.gateway_task_id))
FROM (
    SELECT job_id, number,
           first_value(job_id) OVER same_task AS holder, row_number() OVER same_task AS place
    FROM attempts WHERE gateway_task_id IS NOT NULL
    WINDOW same_task AS (PARTITION BY account, gateway_task_id ORDER BY started_at, job_id, number)
) o(id, number, job_id, place)
WHERE o.id = a.job_id AND o.number = a.number AND o.place > 1
"""
_GATEWAYS = "UPDATE attempts a SET gateway = j.gateway FROM jobs j WHERE j.id = a.job_id AND j.account = a.account"
_COUNTERS = (("attempts", "number"), ("jobs", "attempt"), ("jobs", "refusals"), ("jobs", "setbacks"))


def upgrade() -> None:
    op.execute(_LATER_HOLDERS)
    op.drop_index("attempts_task_idx", "attempts")
    op.create_index(
        "attempts_task_key",
        "attempts",
        ["account", "gateway_task_id"],
        unique=True,
        postgresql_where=sa.text("gateway_task_id IS NOT NULL"),
    )
    op.add_column("attempts", sa.Column("gateway", sa.Text()))
    op.execute(_GATEWAYS)
    op.add_column("attempts", sa.Column("mark", sa.Integer()))
    op.add_column("attempts", sa.Column("look_at", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("surplus", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("attempts", sa.Column("candidates", JSONB()))
    op.create_index("attempts_look_idx", "attempts", ["look_at"], postgresql_where=sa.text("look_at IS NOT NULL"))
    op.create_index("attempts_surplus_idx", "attempts", ["account"], postgresql_where=sa.text("surplus"))
    op.execute(f"CREATE SEQUENCE attempt_marks START WITH {1 + secrets.randbelow(_FIRST_MARK)}")
    for table in ("attempts", "jobs"):  # all columns of a table at once: the table is rewritten
        changes = [f"ALTER COLUMN {column} TYPE integer" for of, column in _COUNTERS if of == table]
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def downgrade() -> None:
    for table in ("attempts", "jobs"):
        changes = [f"ALTER COLUMN {column} TYPE smallint" for of, column in _COUNTERS if of == table]
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
    op.execute("DROP SEQUENCE attempt_marks")
    op.drop_index("attempts_surplus_idx", "attempts")
    op.drop_index("attempts_look_idx", "attempts")
    for column in ("candidates", "surplus", "look_at", "mark", "gateway"):
        op.drop_column("attempts", column)
    op.drop_index("attempts_task_key", "attempts")
    op.create_index("attempts_task_idx", "attempts", ["account", "gateway_task_id"])
