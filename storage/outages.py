"""Whether an account's gateway is away: it fails for several jobs in a row. The attempts' rows are the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from storage import accounts
from storage.accounts import Rest
from storage.database import Connection

FAILED = ("not_sent", "gateway_unavailable", "outcome_unknown")
"""Outcomes of attempts that may be the gateway's fault as a whole."""
IN_A_ROW, JOBS_IN_A_ROW = 4, 2
"""So many of them without an acceptance in between, of so many jobs, are an outage: one job alone never is."""
WITHIN_S = 180.0
FIRST_S = 5.0  # doubled for each probe that fails as well

_LOCK: LiteralString = """
SELECT suspended_until IS NOT NULL, coalesce(suspended_until > now(), false) FROM account_states
WHERE name = %(name)s FOR UPDATE
"""
_PROBED: LiteralString = """
SELECT EXISTS (
    SELECT FROM attempts a JOIN unnest(%(ids)s::uuid[], %(numbers)s::int[]) AS i(id, number)
        ON a.job_id = i.id AND a.number = i.number
    JOIN account_states s ON s.name = %(name)s AND a.started_at >= s.suspended_until)
"""
_IN_A_ROW: LiteralString = """
WITH lately AS (
    SELECT job_id, outcome, finished_at FROM attempts
    WHERE account = %(name)s AND started_at > now() - make_interval(secs => %(within_s)s) AND finished_at IS NOT NULL
), failed AS (
    SELECT job_id FROM lately
    WHERE outcome = ANY(%(failed)s)
      AND finished_at > coalesce((SELECT max(finished_at) FROM lately WHERE outcome = 'accepted'), '-infinity')
    UNION ALL SELECT unnest(%(ids)s::uuid[])
)
SELECT count(*), count(DISTINCT job_id) FROM failed
"""


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose fault failures are: the account's, or else each job's own. `rest` is set where the account rests for them
    from now on."""

    account: bool
    rest: Rest | None = None


def blame(
    conn: Connection, name: str, failed: Sequence[tuple[UUID, int | None]], error: Mapping[str, Any], *, accepted: bool
) -> Blame:
    """Judge attempts (job, number) that have just failed and whose outcomes are not written yet, and let the account
    rest if it is to blame. Without a number: what came before a first attempt. `accepted`: others that ended at the
    same moment were.

    The account's row stays locked until the transaction ends, so that of two workers one begins an outage.
    """
    ids, numbers = [job_id for job_id, _ in failed], [number for _, number in failed]
    known, resting = conn.execute(_LOCK, {"name": name}).fetchone() or (False, False)
    if resting:  # POSTs that were made before
        return Blame(account=True)
    if known and not accounts.end_suspension(conn, name):
        [probed] = conn.execute(_PROBED, {"name": name, "ids": ids, "numbers": numbers}).fetchone() or (False,)
        again = (probed or None in numbers) and not accepted
        return Blame(account=True, rest=accounts.suspend(conn, name, FIRST_S, error, outage=True) if again else None)
    if accepted:
        return Blame(account=False)
    told = {"name": name, "within_s": WITHIN_S, "failed": list(FAILED), "ids": ids}
    count, jobs = conn.execute(_IN_A_ROW, told).fetchone() or (0, 0)
    if count < IN_A_ROW or jobs < JOBS_IN_A_ROW:
        return Blame(account=False)
    return Blame(account=True, rest=accounts.suspend(conn, name, FIRST_S, error, outage=True))
