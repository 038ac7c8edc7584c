"""Whether an account's gateway is away: it fails for several jobs in a row. The attempts' rows are the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from storage.admission import accounts
from storage.admission.accounts import Rest
from storage.database import Connection

DOUBTFUL = "outcome_unknown"
ONE_AT_A_TIME = (DOUBTFUL, "not_served")
"""Outcomes after which one job at a time is tried, and rarely: each may leave a doubt, or cost a second generation."""
FAILED = ("not_sent", "gateway_unavailable", *ONE_AT_A_TIME)
"""Outcomes of attempts that may be the gateway's fault as a whole."""
JOBS_IN_A_ROW = 4
"""So many jobs that failed without an acceptance in between are an outage. Those that others were accepted beside fail
by their own fault, and do not count: what is left at a campaign's end must not wait for ever."""
WITHIN_S = 180.0
REST_S, REST_CAP_S, REST_GROWTH = 1.0, 15.0, 1.25
"""How long an account rests at first, at most, and how many times as long after each probe that fails. A POST that is
refused costs nothing, and nobody should wait long for the gateway that is back."""
DOUBTFUL_REST_S, DOUBTFUL_REST_CAP_S, DOUBTFUL_REST_GROWTH = 5.0, 120.0, 2.0
"""The same where one job at a time is tried."""

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
    UNION SELECT unnest(%(ids)s::uuid[])
)
SELECT count(*) FROM failed f
WHERE NOT EXISTS (
    SELECT FROM attempts a WHERE a.account = %(name)s AND a.outcome = 'accepted' AND a.started_at >= (
        SELECT min(own.started_at) FROM attempts own
        WHERE own.job_id = f.job_id AND own.account = %(name)s
          AND (own.outcome = ANY(%(failed)s) OR own.outcome IS NULL)))
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
        return Blame(account=True, rest=_rest(conn, name, error) if again else None)
    if accepted:
        return Blame(account=False)
    told = {"name": name, "within_s": WITHIN_S, "failed": list(FAILED), "ids": ids}
    [count] = conn.execute(_IN_A_ROW, told).fetchone() or (0,)
    if count < JOBS_IN_A_ROW:
        return Blame(account=False)
    return Blame(account=True, rest=_rest(conn, name, error))


def _rest(conn: Connection, name: str, error: Mapping[str, Any]) -> Rest | None:
    if error.get("code") in ONE_AT_A_TIME:
        first_s, cap_s, growth = DOUBTFUL_REST_S, DOUBTFUL_REST_CAP_S, DOUBTFUL_REST_GROWTH
    else:
        first_s, cap_s, growth = REST_S, REST_CAP_S, REST_GROWTH
    return accounts.suspend(conn, name, first_s, error, cap_s=cap_s, growth=growth, outage=True)
