"""prices by account, and reservations by attempt"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEX = """
CREATE INDEX {name} ON jobs (
    tenant, coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid), price_currency, least_price)
WHERE {where}
"""
# Until now one account's estimate was everybody's; jobs that have ended need no prices.
_PRICES = """
UPDATE jobs SET least_price = (estimate ->> 'high')::numeric, price_currency = estimate ->> 'currency',
    prices = jsonb_build_object(estimate ->> 'account',
                                jsonb_build_object(estimate ->> 'currency', estimate -> 'high'))
WHERE due_at IS NOT NULL AND estimate ->> 'account' IS NOT NULL
"""
# One that waits in the queue is for the attempt to come.
_ATTEMPTS = """
UPDATE reservations r SET attempt = j.attempt + (j.state = 'queued')::int FROM jobs j WHERE j.id = r.job_id
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("prices", JSONB()))
    op.add_column("jobs", sa.Column("least_price", sa.Numeric(), server_default=sa.text("0"), nullable=False))
    op.add_column("jobs", sa.Column("price_currency", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(_PRICES)
    waiting = "state = 'queued' AND coalesce(reason, '') NOT IN ('over_budget', 'no_price')"
    op.execute(_INDEX.format(name="jobs_prices_idx", where=waiting))
    op.execute(_INDEX.format(name="jobs_set_aside_idx", where="state = 'queued' AND reason = 'over_budget'"))
    op.add_column("reservations", sa.Column("attempt", sa.Integer(), server_default="0", nullable=False))
    op.execute(_ATTEMPTS)
    op.drop_constraint("reservations_pkey", "reservations")
    op.create_primary_key("reservations_pkey", "reservations", ["job_id", "attempt"])
    op.alter_column("reservations", "attempt", server_default=None)
    op.execute("UPDATE budgets SET held_until = NULL")


def downgrade() -> None:
    op.execute(
        """DELETE FROM reservations r USING reservations newer
           WHERE newer.job_id = r.job_id AND newer.attempt > r.attempt"""
    )
    op.drop_constraint("reservations_pkey", "reservations")
    op.create_primary_key("reservations_pkey", "reservations", ["job_id"])
    op.drop_column("reservations", "attempt")
    op.drop_index("jobs_set_aside_idx", "jobs")
    op.drop_index("jobs_prices_idx", "jobs")
    for column in ("price_currency", "least_price", "prices"):
        op.drop_column("jobs", column)
