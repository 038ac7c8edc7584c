"""Estimated and reported costs of jobs, summed by currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, LiteralString

from psycopg.rows import class_row

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class CostSum:
    """The costs of a campaign or another set of jobs in one currency.

    `estimated_low` and `estimated_high` are sums over `estimated_jobs`, of which `by_list_price` are priced by the
    maker's list, because their gateways publish no price. `reported` is the sum over `reported_jobs`. For the jobs that
    have both, `compared` is the reported sum, `compared_low` and `compared_high` are the estimated ones.
    """

    currency: str
    estimated_jobs: int
    estimated_low: Decimal
    estimated_high: Decimal
    reported_jobs: int
    reported: Decimal
    compared: Decimal
    compared_low: Decimal
    compared_high: Decimal
    by_list_price: int

    @property
    def drift(self) -> Decimal:
        """How far the reported sum is above the estimated range (below it: negative); 0 within it."""
        return self.compared - min(max(self.compared, self.compared_low), self.compared_high)

    def as_dict(self) -> dict[str, Any]:
        """The sums as JSON, with plain numbers."""
        values = {name: float(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}
        return values | {"drift": float(self.drift)}


_PRICED: LiteralString = """
SELECT j.estimate, j.cost, coalesce(j.cost ->> 'currency' = j.estimate ->> 'currency', false) AS both_known FROM jobs j
"""
_FINISHED_LATELY: LiteralString = """
WHERE j.tenant = %(tenant)s AND j.finished_at >= now() - make_interval(secs => %(seconds)s)
  AND (j.estimate IS NOT NULL OR j.cost IS NOT NULL)
"""
_SUMS: LiteralString = """
), parts AS (
    SELECT estimate ->> 'currency' AS currency, (estimate ->> 'low')::numeric AS low,
           (estimate ->> 'high')::numeric AS high, NULL::numeric AS amount, both_known,
           estimate ->> 'basis' = 'list' AS listed
    FROM priced WHERE estimate IS NOT NULL
    UNION ALL
    SELECT cost ->> 'currency', NULL, NULL, (cost ->> 'amount')::numeric, both_known, false
    FROM priced WHERE cost IS NOT NULL
)
SELECT currency,
       count(low) AS estimated_jobs, coalesce(sum(low), 0) AS estimated_low, coalesce(sum(high), 0) AS estimated_high,
       count(amount) AS reported_jobs, coalesce(sum(amount), 0) AS reported,
       coalesce(sum(amount) FILTER (WHERE both_known), 0) AS compared,
       coalesce(sum(low) FILTER (WHERE both_known), 0) AS compared_low,
       coalesce(sum(high) FILTER (WHERE both_known), 0) AS compared_high,
       count(*) FILTER (WHERE listed) AS by_list_price
FROM parts GROUP BY currency ORDER BY currency
"""

# Kept, because a campaign may have very many jobs.
_KEPT: LiteralString = """
WITH kept AS (
    SELECT s.kind, s.labels[1] AS currency, s.labels[2] AS label, sum(s.jobs) AS jobs, sum(s.low) AS low,
           sum(s.high) AS high, sum(s.amount) AS amount
    FROM campaigns c JOIN campaign_sums s ON s.campaign_id = c.id AND s.kind IN ('estimated', 'reported')
    WHERE c.tenant = %(tenant)s AND c.name = %(campaign)s
    GROUP BY 1, 2, 3 HAVING sum(s.jobs) <> 0
)
SELECT currency,
       coalesce(sum(jobs) FILTER (WHERE kind = 'estimated'), 0)::bigint AS estimated_jobs,
       coalesce(sum(low) FILTER (WHERE kind = 'estimated'), 0) AS estimated_low,
       coalesce(sum(high) FILTER (WHERE kind = 'estimated'), 0) AS estimated_high,
       coalesce(sum(jobs) FILTER (WHERE kind = 'reported'), 0)::bigint AS reported_jobs,
       coalesce(sum(amount) FILTER (WHERE kind = 'reported'), 0) AS reported,
       coalesce(sum(amount) FILTER (WHERE label = 'compared'), 0) AS compared,
       coalesce(sum(low) FILTER (WHERE label = 'compared'), 0) AS compared_low,
       coalesce(sum(high) FILTER (WHERE label = 'compared'), 0) AS compared_high,
       coalesce(sum(jobs) FILTER (WHERE label = 'list'), 0)::bigint AS by_list_price
FROM kept GROUP BY currency ORDER BY currency
"""


def campaign_costs(conn: Connection, tenant: str, campaign: str) -> list[CostSum]:
    """The sums of a campaign, one per currency; empty where no price is known."""
    with conn.cursor(row_factory=class_row(CostSum)) as cursor:
        return cursor.execute(_KEPT, {"tenant": tenant, "campaign": campaign}).fetchall()


def recent_costs(conn: Connection, tenant: str, seconds: float) -> list[CostSum]:
    """The same for all jobs of a tenant that ended within the last `seconds`."""
    return _sums(conn, _FINISHED_LATELY, {"tenant": tenant, "seconds": seconds})


def _sums(conn: Connection, which: LiteralString, parameters: Mapping[str, Any]) -> list[CostSum]:
    with conn.cursor(row_factory=class_row(CostSum)) as cursor:
        return cursor.execute("WITH priced AS (" + _PRICED + which + _SUMS, parameters).fetchall()
