"""Settle budgets: replace the reservations of ended attempts with their costs, and free the rest for other jobs."""

from __future__ import annotations

from typing import LiteralString

from storage.admission.spending.billing import BILLED, NOT_BILLED
from storage.admission.spending.budgets import WHOLE_TENANT, lock_budgets
from storage.admission.spending.purse_settlement import settle_purses
from storage.database import Connection
from storage.jobs.prices import bring_back

# A reservation ends with its job, or when its attempt is proven to cost nothing or was never begun. An attempt with an
# unknown outcome keeps its reservation as long as its job lives, also during another attempt. A late message may still
# begin its job a moment after the lease, so a job that was not claimed again keeps its reservation for a minute.
_SETTLE: LiteralString = f"""
WITH over AS (
    SELECT r.job_id, r.attempt, CASE WHEN j.due_at IS NULL THEN {BILLED} ELSE 0 END AS billed
    FROM reservations r JOIN jobs j ON j.id = r.job_id
    LEFT JOIN attempts a ON a.job_id = r.job_id AND a.number = r.attempt
    WHERE j.due_at IS NULL OR {NOT_BILLED} OR (a.job_id IS NULL AND (
        j.state <> 'queued' OR j.account IS NULL OR j.due_at < now() - interval '1 minute'))
), ended AS (
    DELETE FROM reservations r USING over o WHERE r.job_id = o.job_id AND r.attempt = o.attempt
    RETURNING r.tenant, r.campaign_id, r.currency, r.amount, o.billed
), sums AS (
    SELECT tenant, scope, currency, sum(amount) AS amount, sum(billed) AS billed
    FROM ended CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[campaign_id, %(whole)s]) AS scope) s
    GROUP BY tenant, scope, currency
)
UPDATE budgets b SET spent = b.spent + s.billed, reserved = b.reserved - s.amount, held_until = NULL
FROM sums s WHERE b.tenant = s.tenant AND b.campaign_id = s.scope AND b.currency = s.currency
"""  # noqa: S608 - put together from constants


def settle(conn: Connection) -> int:
    """Count the costs of ended attempts, free reservations that are not needed, and release jobs that now fit.

    Returns the number of budgets that changed.
    """
    settle_purses(conn)
    changed = 0
    if conn.execute("SELECT 1 FROM reservations LIMIT 1").fetchone():
        lock_budgets(conn)
        changed = conn.execute(_SETTLE, {"whole": WHOLE_TENANT}).rowcount
    bring_back(conn)
    return changed
