"""indexes that keep claims, alarms and the cleaning of webhook messages flat as the tables grow"""

from __future__ import annotations

from alembic import op

from storage.large_indexes import create_statements

revision = "0035"
down_revision = "0033"
branch_labels = None
depends_on = None
oldest_program = "0033"  # without these indexes it is slow, not wrong

_SHARES = """
CREATE INDEX jobs_shares_idx ON jobs (
    priority DESC, tenant, coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid),
    coalesce(account_pin, ''::text), lane, due_at, id)
WHERE state = 'queued'
"""


def upgrade() -> None:
    for statement in create_statements(revision):
        op.execute(statement)
    op.drop_index("jobs_shares_idx", "jobs")  # `jobs_routes_idx` begins with the same columns
    op.drop_index("jobs_due_idx", "jobs")


def downgrade() -> None:
    op.execute(_SHARES)
    op.execute(
        "CREATE INDEX jobs_due_idx ON jobs (state, due_at) WHERE state IN ('submitting', 'unconfirmed', 'generating')"
    )
    for name in (
        "jobs_routes_idx",
        "jobs_tried_idx",
        "jobs_urgent_idx",
        "jobs_alarms_idx",
        "jobs_alarmed_idx",
        "jobs_due_at_idx",
    ):
        op.drop_index(name, "jobs")
    for name in ("pending", "delivered", "dead"):
        op.drop_index(f"webhook_messages_{name}_idx", "webhook_messages")
