"""Settle purses: once a job has ended, its charge is what it did cost."""

from __future__ import annotations

from typing import LiteralString

from storage.admission.spending.billing import BILLED
from storage.database import Connection

AT_ONCE = 500

_SETTLE: LiteralString = f"""
WITH ended AS MATERIALIZED (
    SELECT c.job_id, c.amount, p.currency FROM purse_charges c
    JOIN purses p ON p.id = c.purse_id JOIN jobs j ON j.id = c.job_id
    WHERE NOT c.settled AND j.finished_at IS NOT NULL LIMIT {AT_ONCE} FOR UPDATE OF c SKIP LOCKED
), costs AS (
    SELECT r.job_id, (SELECT coalesce(sum({BILLED}), 0) FROM attempts a WHERE a.job_id = j.id) AS cost
    FROM ended r JOIN jobs j ON j.id = r.job_id
)
UPDATE purse_charges c SET amount = costs.cost, settled = true FROM costs WHERE c.job_id = costs.job_id
"""  # noqa: S608 - put together from constants


def settle_purses(conn: Connection) -> int:
    """Count the costs of ended jobs, a limited number at a time; returns how many."""
    return conn.execute(_SETTLE).rowcount
