"""How many jobs there are by tenant, campaign, state and reason."""

from __future__ import annotations

from typing import LiteralString

from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql

_KEYS: LiteralString = "tenant, campaign_id, state, reason"
# Of a row `r`.
_GROUP: LiteralString = """r.tenant, coalesce(r.campaign_id, '00000000-0000-0000-0000-000000000000'::uuid), r.state,
    CASE WHEN r.due_at IS NULL THEN '' ELSE coalesce(r.reason, 'enqueued') END"""
_INSERT: LiteralString = f"INSERT INTO job_counts ({_KEYS}, jobs)"
_OF_CHANGED: LiteralString = "FROM changed r GROUP BY 1, 2, 3, 4"
_OLD, _NEW = _GROUP.replace("r.", "OLD."), _GROUP.replace("r.", "NEW.")

JOB_MOVED: LiteralString = """OLD.state <> NEW.state
    OR OLD.reason IS DISTINCT FROM NEW.reason AND NEW.due_at IS NOT NULL
    OR OLD.tenant <> NEW.tenant OR OLD.campaign_id IS DISTINCT FROM NEW.campaign_id"""

JOB_COUNTS = KeptCount(
    revision="0036",
    counted="jobs",
    table="job_counts",
    keys=_KEYS,
    numbers=("jobs",),
    rows="""SELECT r.tenant, coalesce(r.campaign_id, '00000000-0000-0000-0000-000000000000'::uuid) AS campaign_id,
                   r.state, CASE WHEN r.due_at IS NULL THEN '' ELSE coalesce(r.reason, 'enqueued') END AS reason,
                   1 AS jobs
            FROM jobs r WHERE true""",
    create=(
        *table_sql(
            "job_counts",
            """tenant text NOT NULL, campaign_id uuid NOT NULL, state text NOT NULL, reason text NOT NULL,
               jobs bigint NOT NULL""",
            _KEYS,
        ),
        function_sql("job_counts_add", f"{_INSERT} SELECT {_GROUP}, count(*) {_OF_CHANGED}"),
        function_sql("job_counts_take", f"{_INSERT} SELECT {_GROUP}, -count(*) {_OF_CHANGED}"),
        function_sql("job_counts_move", f"{_INSERT} VALUES ({_OLD}, -1), ({_NEW}, 1)"),
        clear_sql("job_counts"),
        *triggers_sql(
            "job_counts",
            "jobs",
            JOB_MOVED,
        ),
    ),
    drop=drop_sql("job_counts", "jobs"),
    of_tenant=("r.tenant = %(tenant)s", "tenant = %(tenant)s"),
)
