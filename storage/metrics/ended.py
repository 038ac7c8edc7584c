"""Count the jobs that end, in the statement that moves them. A job ends once, so it is counted once."""

from __future__ import annotations

from typing import LiteralString

from storage.metrics.families import JOBS_FINISHED, SPEND, STORE_SECONDS
from storage.metrics.parts import SUM, WHOLE, bucket_sql

_STORED_S: LiteralString = "greatest(extract(epoch FROM now() - m.generated_at)::float8, 0)"
_STORED: LiteralString = "m.target = 'succeeded' AND isfinite(m.generated_at)"
# Without a reported cost, what was generated counts at its highest possible cost, as in budgets.
_ESTIMATED: LiteralString = """m.cost IS NULL AND m.generated_at IS NOT NULL
            AND jsonb_typeof(m.estimate -> 'high') = 'number'"""
# Nothing here may fail, whatever a row holds: a job that cannot be counted must still end.
_ACCOUNT: LiteralString = "coalesce(m.account, '')"

COUNT_ENDED: LiteralString = f"""
    INSERT INTO metric_counts (metric, labels, part, value)
    SELECT n.metric, n.labels, n.part, sum(n.value) FROM moved m CROSS JOIN LATERAL (
        SELECT '{JOBS_FINISHED.name}' AS metric, ARRAY[m.target, coalesce(m.reason, '')] AS labels,
               '{WHOLE}' AS part, 1::numeric AS value
        UNION ALL SELECT '{STORE_SECONDS.name}', ARRAY[{_ACCOUNT}], {bucket_sql(STORE_SECONDS, _STORED_S)}, 1
        WHERE {_STORED}
        UNION ALL SELECT '{STORE_SECONDS.name}', ARRAY[{_ACCOUNT}], '{SUM}', {_STORED_S}::numeric(20, 6)
        WHERE {_STORED}
        UNION ALL SELECT '{SPEND.name}', ARRAY[{_ACCOUNT}, coalesce(m.cost ->> 'currency', ''), 'reported'],
                         '{WHOLE}', (m.cost ->> 'amount')::numeric
        WHERE jsonb_typeof(m.cost -> 'amount') = 'number'
        UNION ALL SELECT '{SPEND.name}', ARRAY[{_ACCOUNT}, coalesce(m.estimate ->> 'currency', ''), 'estimated'],
                         '{WHOLE}', (m.estimate ->> 'high')::numeric
        WHERE {_ESTIMATED}
    ) n
    WHERE m.source <> m.target AND m.target IN ('succeeded', 'failed', 'cancelled')
    GROUP BY 1, 2, 3
"""  # noqa: S608 - put together from constants
"""A part of a statement with the CTE `moved`: `source`, `target`, `reason`, and columns of `jobs`."""
