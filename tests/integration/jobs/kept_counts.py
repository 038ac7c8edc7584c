"""Compare the kept counts of jobs with their rows."""

from __future__ import annotations

from typing import LiteralString

MISCOUNTED: LiteralString = """
SELECT tenant, campaign_id, state, reason, sum(jobs) FROM (
    SELECT tenant, campaign_id, state, reason, jobs FROM job_counts
    UNION ALL
    SELECT tenant, coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid), state,
           CASE WHEN due_at IS NULL THEN '' ELSE coalesce(reason, 'enqueued') END, -1
    FROM jobs) both_sides
GROUP BY 1, 2, 3, 4 HAVING sum(jobs) <> 0
"""
"""The groups whose kept count is wrong, with the difference."""
