"""Attempts that may have been accepted although their tasks are unknown: those that a worker checks, and all others of
the same accounts and time, which may own the tasks that a list shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection, reading_in_order
from storage.jobs.open_outcomes import MAY_RUN, MAY_RUN_UNLISTED
from storage.jobs.walks import OF_TASKS
from storage.jsonb import dumps

Standing = Literal["doubt", "in_flight", "given_up"]
"""The job waits for the attempt's task; the POST has not been answered yet; the job no longer waits for it."""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt to compare with the tasks that a gateway lists. `request` is the job's, as canonical JSON: two jobs
    with the same one ask for exactly the same video."""

    job_id: UUID
    number: int
    account: str
    model: str
    started_at: datetime
    seed: int | None
    mark: int | None
    request: dict[str, Any]
    standing: Standing
    draft_task_id: str | None = None
    """The draft's task, for a final."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An unconfirmed job, leased as `claim`, and the attempt that it waits for, which began `age_s` ago.

    `unanswered_s`: seconds since its POST ended without an answer; the same as `age_s` if that end was not written.

    `doubtful` counts the job's attempts without a clear answer, including this one. `taken`: the gateway named a task
    that belongs to another job. `error` is the POST's error, `candidates` the tasks found by earlier checks.
    """

    attempt: OpenAttempt
    claim: int
    age_s: float
    unanswered_s: float
    reported_task_id: str | None
    cancel_request: str | None
    doubtful: int
    taken: bool
    error: Mapping[str, Any] | None
    candidates: Sequence[Mapping[str, Any]] | None
    key_id: int | None = None
    """The stored key that the attempt was sent with; None: the configuration's."""

    @property
    def id(self) -> UUID:
        return self.attempt.job_id


_ATTEMPT: LiteralString = """
a.job_id, a.number, a.account, a.model, a.started_at, a.seed, a.mark, j.draft_task_id, j.request,
CASE WHEN j.attempt <> a.number THEN 'given_up' WHEN j.state = 'unconfirmed' THEN 'doubt'
     WHEN j.state = 'submitting' THEN 'in_flight' ELSE 'given_up' END AS standing
"""
_DOUBTS: LiteralString = f"""
SELECT {_ATTEMPT}, j.claim, extract(epoch FROM now() - a.started_at)::float8 AS age_s,
       extract(epoch FROM now() - coalesce(a.finished_at, a.started_at))::float8 AS unanswered_s, a.reported_task_id,
       j.cancel_request, coalesce(a.outcome = 'task_taken', false) AS taken, a.error, a.candidates, a.key_id,
       (SELECT count(*) FROM attempts WHERE job_id = j.id AND {MAY_RUN_UNLISTED}) AS doubtful
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
WHERE j.state = 'unconfirmed' AND j.due_at > now()
"""  # noqa: S608 - put together from constants
_OPEN: LiteralString = f"""
SELECT {_ATTEMPT}
FROM attempts a JOIN jobs j ON j.id = a.job_id
JOIN unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS t(begins, ends)
    ON a.started_at BETWEEN t.begins AND t.ends
WHERE a.account = ANY(%(accounts)s) AND a.gateway_task_id IS NULL AND {MAY_RUN}
"""  # noqa: S608 - put together from constants
_FIELDS = frozenset(OpenAttempt.__dataclass_fields__)


def doubts(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> list[Doubt]:
    """The unconfirmed jobs of a batch whose leases this worker still holds."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_doubt(row) for row in cursor.execute(_DOUBTS, parameters)]


def _doubt(row: dict[str, Any]) -> Doubt:
    attempt = OpenAttempt(**{name: row.pop(name) for name in _FIELDS})
    return Doubt(attempt, **row)


def open_attempts(
    conn: Connection, accounts: Sequence[str], times: Sequence[datetime], span_s: float
) -> list[OpenAttempt]:
    """Every attempt at these accounts whose task is unknown and that began within `span_s` seconds of one of the
    times."""
    intervals = _intervals_around(times, timedelta(seconds=span_s))
    parameters = {
        "accounts": list(accounts),
        "begins": [begin for begin, _ in intervals],
        "ends": [end for _, end in intervals],
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        return [OpenAttempt(**row) for row in cursor.execute(_OPEN, parameters)]


def _intervals_around(times: Sequence[datetime], span: timedelta) -> list[tuple[datetime, datetime]]:
    """The intervals within `span` of one of the times; none overlap."""
    intervals: list[tuple[datetime, datetime]] = []
    for at in sorted(times):
        if intervals and at - span <= intervals[-1][1]:
            intervals[-1] = (intervals[-1][0], at + span)
        else:
            intervals.append((at - span, at + span))
    return intervals


# A task that was cancelled, or that its gateway has forgotten, may be missing in its list.
_ACCEPTED_SINCE: LiteralString = """
SELECT a.gateway_task_id FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE a.account = %(account)s AND a.started_at >= %(since)s AND a.outcome = 'accepted'
  AND a.key_id IS NOT DISTINCT FROM %(key_id)s
  AND a.finished_at <= %(until)s AND NOT a.surplus AND j.state <> 'cancelled' AND j.error IS NULL
ORDER BY a.started_at LIMIT %(limit)s
"""


def accepted_between(
    conn: Connection, account: str, key_id: int | None, since: datetime, until: datetime, limit: int = 500
) -> frozenset[str]:
    """Tasks of ours that a whole list must show to a key of an account: of attempts with that key, which began from
    `since` on and had their answers by `until`."""
    parameters = {"account": account, "key_id": key_id, "since": since, "until": until, "limit": limit}
    return frozenset(row[0] for row in conn.execute(_ACCEPTED_SINCE, parameters))


_KNOWN: LiteralString = f"SELECT a.gateway_task_id, a.job_id FROM {OF_TASKS}"  # noqa: S608 - put together from constants


def holders(conn: Connection, accounts: Sequence[str], task_ids: Sequence[str]) -> dict[str, UUID]:
    """The job of each of these tasks; tasks that no attempt at these accounts has are missing."""
    with reading_in_order(conn):
        return dict(conn.execute(_KNOWN, {"accounts": list(accounts), "ids": list(task_ids)}).fetchall())


def lock_tasks(conn: Connection, accounts: Sequence[str]) -> None:
    """Until the transaction ends, keep other sessions from giving listed or resolved tasks of these accounts to jobs.

    The index that keeps a task to one job is per account, but several keys of one user see the same tasks. Take this
    lock before locking any job.
    """
    if len(accounts) > 1:
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('tasks of ' || %s, 0))", [min(accounts)])


_OWNERS: LiteralString = f"""
SELECT a.gateway_task_id, {_ATTEMPT}
FROM {OF_TASKS} JOIN jobs j ON j.id = a.job_id
"""  # noqa: S608 - put together from constants


def owners(conn: Connection, accounts: Sequence[str], task_ids: Sequence[str]) -> dict[str, OpenAttempt]:
    """The attempts that have these tasks; tasks that no attempt at these accounts has are missing."""
    parameters = {"accounts": list(accounts), "ids": list(task_ids)}
    with reading_in_order(conn), conn.cursor(row_factory=dict_row) as cursor:
        return {row.pop("gateway_task_id"): OpenAttempt(**row) for row in cursor.execute(_OWNERS, parameters)}


_CANDIDATES: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(job_id uuid, number int, candidates jsonb)
)
UPDATE attempts a SET candidates = i.candidates FROM input i
WHERE a.job_id = ANY(ARRAY(SELECT job_id FROM input))
  AND a.job_id = i.job_id AND a.number = i.number AND a.gateway_task_id IS NULL
"""


def store_candidates(conn: Connection, found: Sequence[tuple[OpenAttempt, Sequence[Mapping[str, Any]]]]) -> None:
    """Store the tasks that may belong to an attempt, for a person to choose from."""
    if found:
        rows = [{"job_id": a.job_id, "number": a.number, "candidates": candidates} for a, candidates in found]
        conn.execute(_CANDIDATES, {"rows": dumps(rows)})
