"""Attempts that may have been accepted without our knowing their tasks: those that a worker looks into, and all others
of the same accounts and time, which may be the owners of what a list shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection
from storage.jsonb import dumps

Standing = Literal["doubt", "in_flight", "given_up"]
"""A job waits for the attempt's task; its POST has not been answered yet; its job waits for it no more."""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt as it is compared with what a gateway lists. `request` is the job's, as canonical JSON: two jobs with
    the same one ask for the very same thing."""

    job_id: UUID
    number: int
    account: str
    model: str
    started_at: datetime
    seed: int | None
    mark: int | None
    request: dict[str, Any]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Doubt:
    """An unconfirmed job, leased as `claim`, and the attempt that it waits for, which began `age_s` ago.

    `doubtful` counts its attempts that had no clear answer, this one included. `taken`: the gateway named a task that
    is another job's. `error` is what the POST was answered with, `candidates` what was found before.
    """

    attempt: OpenAttempt
    claim: int
    age_s: float
    reported_task_id: str | None
    cancel_request: str | None
    doubtful: int
    taken: bool
    error: Mapping[str, Any] | None
    candidates: Sequence[Mapping[str, Any]] | None

    @property
    def id(self) -> UUID:
        return self.attempt.job_id


_ATTEMPT: LiteralString = """
a.job_id, a.number, a.account, a.model, a.started_at, a.seed, a.mark, j.request,
CASE WHEN j.attempt <> a.number THEN 'given_up' WHEN j.state = 'unconfirmed' THEN 'doubt'
     WHEN j.state = 'submitting' THEN 'in_flight' ELSE 'given_up' END AS standing
"""
_DOUBTFUL: LiteralString = "(a.outcome IS NULL OR a.outcome IN ('outcome_unknown', 'task_taken'))"
_DOUBTS: LiteralString = f"""
SELECT {_ATTEMPT}, j.claim, extract(epoch FROM now() - a.started_at)::float8 AS age_s, a.reported_task_id,
       j.cancel_request, coalesce(a.outcome = 'task_taken', false) AS taken, a.error, a.candidates,
       (SELECT count(*) FROM attempts b WHERE b.job_id = j.id
          AND (b.outcome IS NULL OR b.outcome IN ('outcome_unknown', 'task_taken', 'not_submitted'))) AS doubtful
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
WHERE j.state = 'unconfirmed' AND j.due_at > now()
"""  # noqa: S608 - put together from constants
_OPEN: LiteralString = f"""
SELECT {_ATTEMPT}
FROM attempts a JOIN jobs j ON j.id = a.job_id
JOIN unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS t(begins, ends)
    ON a.started_at BETWEEN t.begins AND t.ends
WHERE a.account = ANY(%(accounts)s) AND a.gateway_task_id IS NULL AND {_DOUBTFUL}
"""  # noqa: S608 - put together from constants
_FIELDS = frozenset(OpenAttempt.__dataclass_fields__)


def doubts(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> list[Doubt]:
    """The unconfirmed jobs of a batch that are still ours."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_doubt(row) for row in cursor.execute(_DOUBTS, parameters)]


def _doubt(row: dict[str, Any]) -> Doubt:
    attempt = OpenAttempt(**{name: row.pop(name) for name in _FIELDS})
    return Doubt(attempt, **row)


def open_attempts(
    conn: Connection, accounts: Sequence[str], times: Sequence[datetime], span_s: float
) -> list[OpenAttempt]:
    """Every attempt at these accounts whose task is not known and that began within `span_s` of one of the times."""
    stretches = _around(times, timedelta(seconds=span_s))
    parameters = {
        "accounts": list(accounts),
        "begins": [begin for begin, _ in stretches],
        "ends": [end for _, end in stretches],
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        return [OpenAttempt(**row) for row in cursor.execute(_OPEN, parameters)]


def _around(times: Sequence[datetime], span: timedelta) -> list[tuple[datetime, datetime]]:
    """The stretches of time that lie within `span` of one of the times; none overlap."""
    found: list[tuple[datetime, datetime]] = []
    for at in sorted(times):
        if found and at - span <= found[-1][1]:
            found[-1] = (found[-1][0], at + span)
        else:
            found.append((at - span, at + span))
    return found


_KNOWN: LiteralString = """
SELECT gateway_task_id, job_id FROM attempts WHERE account = ANY(%(accounts)s) AND gateway_task_id = ANY(%(ids)s)
"""


def holders(conn: Connection, accounts: Sequence[str], task_ids: Sequence[str]) -> dict[str, UUID]:
    """Which of these tasks an attempt at these accounts has, and the job of each."""
    return dict(conn.execute(_KNOWN, {"accounts": list(accounts), "ids": list(task_ids)}).fetchall())


def lock_tasks(conn: Connection, accounts: Sequence[str]) -> None:
    """Until the transaction ends, let no other give tasks at these accounts to jobs by what a list or a person says.

    The index that gives a task to one job is by account, and several keys of one user see the same tasks. Taken before
    any job is locked.
    """
    if len(accounts) > 1:
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('tasks of ' || %s, 0))", [min(accounts)])


_OWNERS: LiteralString = f"""
SELECT a.gateway_task_id, {_ATTEMPT}
FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE a.account = ANY(%(accounts)s) AND a.gateway_task_id = ANY(%(ids)s)
"""  # noqa: S608 - put together from constants


def owners(conn: Connection, accounts: Sequence[str], task_ids: Sequence[str]) -> dict[str, OpenAttempt]:
    """The attempts that have these tasks; tasks that no attempt at these accounts has are missing."""
    parameters = {"accounts": list(accounts), "ids": list(task_ids)}
    with conn.cursor(row_factory=dict_row) as cursor:
        return {row.pop("gateway_task_id"): OpenAttempt(**row) for row in cursor.execute(_OWNERS, parameters)}


_CANDIDATES: LiteralString = """
UPDATE attempts a SET candidates = i.candidates
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(job_id uuid, number int, candidates jsonb)
WHERE a.job_id = i.job_id AND a.number = i.number AND a.gateway_task_id IS NULL
"""


def store_candidates(conn: Connection, found: Sequence[tuple[OpenAttempt, Sequence[Mapping[str, Any]]]]) -> None:
    """Keep the tasks that may be an attempt's, for a person to choose from."""
    if found:
        rows = [{"job_id": a.job_id, "number": a.number, "candidates": candidates} for a, candidates in found]
        conn.execute(_CANDIDATES, {"rows": dumps(rows)})
