"""health and limits of each model of an account"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_NOW = sa.text("now()")
_CAUSES = "cause IN ('account', 'model', 'route', 'outage', 'throttled')"
_SHARES = """
CREATE INDEX jobs_shares_idx ON jobs (
    priority DESC, tenant, coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid),
    coalesce(account_pin, ''::text), {lane}due_at, id)
WHERE state = 'queued'
"""
_ASSIGNED = """
CREATE INDEX jobs_assigned_idx ON jobs (account, state{lane})
WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
"""
# As `seedance.lanes.lane_of`; jobs that have ended need none.
_LANES = """
UPDATE jobs SET lane = coalesce(request ->> 'tier', 'standard') || '/' || CASE
    WHEN request ? 'last_frame' THEN 'first_last_frame'
    WHEN request ? 'first_frame' THEN 'first_frame'
    WHEN request ?| ARRAY['reference_images', 'reference_videos', 'reference_audios'] THEN 'reference'
    ELSE 'text' END || '/' || coalesce(request ->> 'resolution', '')
WHERE due_at IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "circuit_breakers",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("model", sa.Text(), primary_key=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("doubtful", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("open_until", _TIME, nullable=False),
        sa.Column("opened_at", _TIME, server_default=_NOW, nullable=False),
        sa.Column("since", _TIME, server_default=_NOW, nullable=False),
        sa.Column("tried_from", _TIME, server_default=_NOW, nullable=False),
        sa.Column("judged", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("openings", sa.Integer(), server_default="1", nullable=False),
        sa.Column("error", JSONB()),
        sa.CheckConstraint(_CAUSES, name="circuit_breakers_cause_check"),
    )
    op.create_table(
        "model_limits",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("model", sa.Text(), primary_key=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), server_default="1", nullable=False),
        sa.Column("wait_s", sa.REAL(), server_default="2", nullable=False),
        sa.Column("since", _TIME, server_default=_NOW, nullable=False),
    )
    op.execute(
        """INSERT INTO circuit_breakers (account, model, cause, open_until, since, openings, error)
           SELECT name, '', CASE WHEN outage THEN 'outage' ELSE 'account' END, suspended_until,
                  coalesce(suspended_at, now()), greatest(suspensions, 1), error
           FROM account_states WHERE suspended_until IS NOT NULL"""
    )
    for name in (
        *("suspended_until", "throttled_until", "suspensions", "suspended_at", "outage", "error", "throttles"),
        *("max_in_flight", "slot_limit", "slot_limit_at", "slot_step", "slot_wait_s", "updated_at"),
    ):
        op.drop_column("account_states", name)
    op.add_column("attempts", sa.Column("model_key", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("jobs", sa.Column("lane", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(_LANES)
    for name, sql in (
        ("jobs_shares_idx", _SHARES.format(lane="lane, ")),
        ("jobs_assigned_idx", _ASSIGNED.format(lane=", lane")),
    ):
        op.drop_index(name, "jobs")
        op.execute(sql)


def downgrade() -> None:
    for name, sql in (("jobs_shares_idx", _SHARES.format(lane="")), ("jobs_assigned_idx", _ASSIGNED.format(lane=""))):
        op.drop_index(name, "jobs")
        op.execute(sql)
    op.drop_column("jobs", "lane")
    op.drop_column("attempts", "model_key")
    for column in (
        sa.Column("suspended_until", _TIME),
        sa.Column("throttled_until", _TIME),
        sa.Column("suspensions", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("suspended_at", _TIME),
        sa.Column("outage", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("error", JSONB()),
        sa.Column("throttles", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("max_in_flight", sa.Integer()),
        sa.Column("slot_limit", sa.Integer()),
        sa.Column("slot_limit_at", _TIME),
        sa.Column("slot_step", sa.Integer(), server_default="1", nullable=False),
        sa.Column("slot_wait_s", sa.REAL(), server_default="10", nullable=False),
        sa.Column("updated_at", _TIME, server_default=_NOW, nullable=False),
    ):
        op.add_column("account_states", column)
    op.drop_table("model_limits")
    op.drop_table("circuit_breakers")
