"""Estimated and reported costs of jobs, summed by currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.counted.ended import PIECE_S
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


# Kept, because many jobs may have ended.
_LATELY: LiteralString = f"""
WITH kept AS (
    SELECT labels, sum(jobs) AS jobs, sum(low) AS low, sum(high) AS high, sum(amount) AS amount FROM ended_sums
    WHERE tenant = %(tenant)s
      AND ended >= to_timestamp(floor(extract(epoch FROM now() - make_interval(secs => %(seconds)s)) / {PIECE_S})
                                * {PIECE_S})
    GROUP BY 1 HAVING sum(jobs) <> 0
), parts AS (
    SELECT substr(labels[2], 2) AS currency, jobs AS estimated_jobs, low, high,
           CASE WHEN labels[3] = 'list' THEN jobs ELSE 0 END AS listed, 0 AS reported_jobs, 0 AS amount,
           0 AS compared, 0 AS compared_low, 0 AS compared_high
    FROM kept WHERE labels[2] <> ''
    UNION ALL
    SELECT substr(labels[4], 2), 0, 0, 0, 0, jobs, amount,
           CASE WHEN labels[5] <> '' THEN amount ELSE 0 END, CASE WHEN labels[5] <> '' THEN low ELSE 0 END,
           CASE WHEN labels[5] <> '' THEN high ELSE 0 END
    FROM kept WHERE labels[4] <> ''
)
SELECT currency, sum(estimated_jobs)::bigint AS estimated_jobs, sum(low) AS estimated_low, sum(high) AS estimated_high,
       sum(reported_jobs)::bigint AS reported_jobs, sum(amount) AS reported, sum(compared) AS compared,
       sum(compared_low) AS compared_low, sum(compared_high) AS compared_high, sum(listed)::bigint AS by_list_price
FROM parts GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - put together from constants
# Kept, because a campaign may have very many jobs.
_KEPT: LiteralString = """
WITH kept AS (
    SELECT c.id AS campaign, k.* FROM campaigns c CROSS JOIN LATERAL (
        SELECT kind, labels[1] AS currency, labels[2] AS label, sum(jobs) AS jobs, sum(low) AS low, sum(high) AS high,
               sum(amount) AS amount
        FROM campaign_sums WHERE campaign_id = c.id AND kind IN ('estimated', 'reported')
        GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0) k
    WHERE {of}
)
SELECT campaign, currency,
       coalesce(sum(jobs) FILTER (WHERE kind = 'estimated'), 0)::bigint AS estimated_jobs,
       coalesce(sum(low) FILTER (WHERE kind = 'estimated'), 0) AS estimated_low,
       coalesce(sum(high) FILTER (WHERE kind = 'estimated'), 0) AS estimated_high,
       coalesce(sum(jobs) FILTER (WHERE kind = 'reported'), 0)::bigint AS reported_jobs,
       coalesce(sum(amount) FILTER (WHERE kind = 'reported'), 0) AS reported,
       coalesce(sum(amount) FILTER (WHERE label = 'compared'), 0) AS compared,
       coalesce(sum(low) FILTER (WHERE label = 'compared'), 0) AS compared_low,
       coalesce(sum(high) FILTER (WHERE label = 'compared'), 0) AS compared_high,
       coalesce(sum(jobs) FILTER (WHERE label = 'list'), 0)::bigint AS by_list_price
FROM kept GROUP BY campaign, currency ORDER BY campaign, currency
"""
_OF_NAME: LiteralString = _KEPT.format(of="c.tenant = %(tenant)s AND c.name = %(campaign)s")
_OF_CAMPAIGNS: LiteralString = _KEPT.format(of="c.id = ANY(%(campaigns)s)")


def campaign_costs(conn: Connection, tenant: str, campaign: str) -> list[CostSum]:
    """The sums of a campaign, one per currency; empty where no price is known."""
    rows = conn.execute(_OF_NAME, {"tenant": tenant, "campaign": campaign})
    return [CostSum(*sums) for _, *sums in rows]


def costs_of_campaigns(conn: Connection, campaign_ids: Sequence[UUID]) -> dict[UUID, list[CostSum]]:
    """The same for each of these campaigns; campaigns without a known price are missing."""
    found: dict[UUID, list[CostSum]] = {}
    for campaign, *sums in conn.execute(_OF_CAMPAIGNS, {"campaigns": list(campaign_ids)}):
        found.setdefault(campaign, []).append(CostSum(*sums))
    return found


def recent_costs(conn: Connection, tenant: str, seconds: float) -> list[CostSum]:
    """The same for all jobs of a tenant that ended within the last `seconds`, and in the ten minutes in which these
    begin."""
    with conn.cursor(row_factory=class_row(CostSum)) as cursor:
        return cursor.execute(_LATELY, {"tenant": tenant, "seconds": seconds}).fetchall()
