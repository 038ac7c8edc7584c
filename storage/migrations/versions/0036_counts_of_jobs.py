"""kept counts of jobs by tenant, campaign, state and reason"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
oldest_program = "0033"  # triggers keep the counts

# Of a row `r`.
_GROUP = """r.tenant, coalesce(r.campaign_id, '00000000-0000-0000-0000-000000000000'::uuid), r.state,
    CASE WHEN r.due_at IS NULL THEN '' ELSE coalesce(r.reason, 'enqueued') END"""
_INSERT = "INSERT INTO job_counts (tenant, campaign_id, state, reason, jobs)"
_SEVERAL = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {insert} SELECT {group}, {sign}count(*) FROM changed r GROUP BY 1, 2, 3, 4;
    RETURN NULL;
END $$
"""
# Row by row: most updates change neither state nor reason, and the condition of the trigger costs them nothing.
_ONE = f"""
CREATE FUNCTION job_counts_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {_INSERT} VALUES ({_GROUP.replace("r.", "OLD.")}, -1), ({_GROUP.replace("r.", "NEW.")}, 1);
    RETURN NULL;
END $$
"""
_NONE = """
CREATE FUNCTION job_counts_clear() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM job_counts;
    RETURN NULL;
END $$
"""
_TRIGGERS = (
    """CREATE TRIGGER job_counts_truncate AFTER TRUNCATE ON jobs
       FOR EACH STATEMENT EXECUTE FUNCTION job_counts_clear()""",
    """CREATE TRIGGER job_counts_insert AFTER INSERT ON jobs REFERENCING NEW TABLE AS changed
       FOR EACH STATEMENT EXECUTE FUNCTION job_counts_add()""",
    """CREATE TRIGGER job_counts_delete AFTER DELETE ON jobs REFERENCING OLD TABLE AS changed
       FOR EACH STATEMENT EXECUTE FUNCTION job_counts_take()""",
    """CREATE TRIGGER job_counts_update AFTER UPDATE ON jobs FOR EACH ROW
       WHEN (OLD.state <> NEW.state OR OLD.reason IS DISTINCT FROM NEW.reason AND NEW.due_at IS NOT NULL
             OR OLD.tenant <> NEW.tenant OR OLD.campaign_id IS DISTINCT FROM NEW.campaign_id)
       EXECUTE FUNCTION job_counts_move()""",
)


def upgrade() -> None:
    op.create_table(
        "job_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("merged", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_index("job_counts_group_idx", "job_counts", ["tenant", "campaign_id", "state", "reason"])
    op.create_index("job_counts_unmerged_idx", "job_counts", ["id"], postgresql_where=sa.text("NOT merged"))
    # Rows live for a second: vacuum them soon.
    op.execute("ALTER TABLE job_counts SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
    op.execute(_SEVERAL.format(name="job_counts_add", insert=_INSERT, group=_GROUP, sign=""))
    op.execute(_SEVERAL.format(name="job_counts_take", insert=_INSERT, group=_GROUP, sign="-"))
    op.execute(_ONE)
    op.execute(_NONE)
    # The triggers lock the table against writers until the transaction ends, so nothing changes while it is counted.
    for trigger in _TRIGGERS:
        op.execute(trigger)
    op.execute(f"{_INSERT} SELECT {_GROUP}, count(*) FROM jobs r GROUP BY 1, 2, 3, 4")  # noqa: S608 - put together from constants


def downgrade() -> None:
    for name in ("insert", "delete", "update", "truncate"):
        op.execute(f"DROP TRIGGER job_counts_{name} ON jobs")
    for name in ("add", "take", "move", "clear"):
        op.execute(f"DROP FUNCTION job_counts_{name}()")
    op.drop_table("job_counts")
