"""SQL for attempts: begun before the POST, finished after it. A gateway's task belongs to one job.

Storing an acceptance locks the job's row, and so does beginning the next attempt. One of the two comes first, and the
other sees what it wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.open_outcomes import MAY_RUN, NOT_PROVEN
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Begun, Correlation, Move, Moved
from storage.jobs.states import TRANSITIONS, JobState
from storage.jobs.transitions import move
from storage.jobs.walks import OF_TASKS, of_task
from storage.jsonb import dumps
from storage.logs.context import about
from storage.logs.story import Story, stories_of

log = logging.getLogger("reelq.jobs")

TAKEN_CHECK_S = 60.0
"""Delay until a job whose task belongs to another job is checked."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that was not stored for an attempt, because it belongs to another attempt, of the job `holder`."""

    job_id: UUID
    number: int
    task_id: str
    holder: UUID

    def as_error(self) -> dict[str, Any]:
        """The error that the attempt keeps. A tenant who must not see the other job may read the message."""
        message = f"the gateway named task {self.task_id}, which belongs to another job"
        return {
            "code": Reason.TASK_TAKEN,
            "message": message,
            "task_id": self.task_id,
            "holder": str(self.holder),
        }


_BEGIN: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb)
        AS r(id uuid, model_key text, seed bigint, callback_hash text, mark_low int, mark_count int, key_id bigint)
)
INSERT INTO attempts (job_id, number, account, key_id, gateway, model, model_key, seed, mark, callback_hash)
SELECT j.id, j.attempt, j.account, i.key_id, j.gateway, j.model, i.model_key, i.seed,
       CASE WHEN i.mark_count > 0 THEN i.mark_low + mod(nextval('attempt_marks'), i.mark_count)::int END,
       i.callback_hash
FROM jobs j JOIN input i ON j.id = i.id WHERE j.id = ANY(ARRAY(SELECT id FROM input))
RETURNING job_id, mark
"""


def begin_attempts(conn: Connection, moves: Sequence[Move], correlations: Mapping[UUID, Correlation]) -> list[Begun]:
    """Move queued jobs to submitting and store the attempt of each, to be committed before any POST."""
    begun = move(conn, moves)
    if not begun:
        return []
    rows = [_correlation_row(item.id, correlations[item.id]) for item in begun]
    marks: dict[UUID, int | None] = dict(conn.execute(_BEGIN, {"rows": dumps(rows)}).fetchall())
    return [Begun(item.id, item.claim, item.attempt, marks[item.id]) for item in begun]


_LOCK: LiteralString = "SELECT id FROM jobs WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
# An attempt of the same number that began at another time is another worker's.
_COMMITTED: LiteralString = """
SELECT a.job_id FROM attempts a
JOIN unnest(%(ids)s::uuid[], %(numbers)s::int[], %(started)s::timestamptz[]) AS i(id, number, started_at)
  ON a.job_id = i.id AND a.number = i.number AND a.started_at = i.started_at
WHERE a.job_id = ANY(%(ids)s)
"""


def committed(conn: Connection, begun: Sequence[tuple[UUID, int, datetime]]) -> set[UUID]:
    """The jobs whose attempts (job, number, start) are in the database, after a commit without an answer. Waits for a
    commit that is still being carried out."""
    ids, numbers, started = map(list, zip(*begun, strict=True))
    conn.execute(_LOCK, {"ids": ids})
    parameters = {"ids": ids, "numbers": numbers, "started": started}
    return {row[0] for row in conn.execute(_COMMITTED, parameters)}


def _correlation_row(job_id: UUID, correlation: Correlation) -> dict[str, Any]:
    band = correlation.marks
    return {
        "id": job_id,
        "model_key": correlation.model_key,
        "seed": correlation.seed,
        "callback_hash": correlation.callback_hash,
        "key_id": correlation.key_id,
        "mark_low": None if band is None else band.low,
        "mark_count": None if band is None else band.count,
    }


# Jobs are locked before anything is written, always in the order of their ids.
_OUTCOME: LiteralString = f"""
WITH held AS MATERIALIZED (
    SELECT id FROM jobs WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE
), input AS (
    SELECT i.*, a.account,
           row_number() OVER (PARTITION BY a.account, i.gateway_task_id ORDER BY i.job_id, i.number) AS place
    FROM jsonb_to_recordset(%(outcomes)s::jsonb) AS i(job_id uuid, number int, outcome text, http_status smallint,
                                                      gateway_task_id text, error jsonb)
    JOIN held h ON h.id = i.job_id
    JOIN attempts a ON a.job_id = i.job_id AND a.number = i.number WHERE a.job_id = ANY(%(ids)s)
), checked AS (
    SELECT i.*, CASE WHEN i.gateway_task_id IS NOT NULL THEN coalesce(
        (SELECT o.job_id FROM attempts o WHERE (o.job_id, o.number) <> (i.job_id, i.number)
           AND {of_task("o", "i.account", "i.gateway_task_id")}),
        CASE WHEN i.place > 1 THEN first_value(i.job_id) OVER (
            PARTITION BY i.account, i.gateway_task_id ORDER BY i.place) END) END AS holder
    FROM input i
), written AS (
    UPDATE attempts a SET outcome = c.outcome, gateway_task_id = c.gateway_task_id, finished_at = now(),
                          candidates = NULL, look_at = NULL,
                          -- An outcome proven by other means keeps the gateway's answer.
                          http_status = coalesce(c.http_status,
                                                 CASE WHEN c.outcome <> 'accepted' THEN a.http_status END),
                          error = coalesce(c.error, CASE WHEN c.outcome <> 'accepted' THEN a.error END)
    FROM checked c
    WHERE c.holder IS NULL AND a.job_id = ANY(%(ids)s) AND a.job_id = c.job_id AND a.number = c.number
      -- A later, less certain outcome must not remove the task id.
      AND a.outcome IS DISTINCT FROM 'accepted'
    RETURNING a.job_id, a.number
)
SELECT job_id, number, gateway_task_id, holder FROM checked LEFT JOIN written w USING (job_id, number)
WHERE gateway_task_id IS NOT NULL AND (holder IS NOT NULL OR w.job_id IS NULL)
"""  # noqa: S608 - put together from constants
# One POST and two tasks: check the second one, like a task that a callback names. A statement of its own: the first
# acceptance may have been committed while the other statement waited for the job.
_CONTRADICTED: LiteralString = """
UPDATE attempts a SET reported_task_id = i.task_id, look_at = now()
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(tasks)s::text[]) AS i(job_id, number, task_id)
WHERE a.job_id = ANY(%(ids)s) AND a.job_id = i.job_id AND a.number = i.number AND a.outcome = 'accepted'
  AND a.gateway_task_id <> i.task_id
"""


def store_outcomes(conn: Connection, outcomes: Sequence[AttemptOutcome]) -> list[Taken]:
    """Store the outcomes of POSTs, except those whose task already belongs to another attempt; returns these."""
    if not outcomes:
        return []
    parameters = {
        "ids": list({item.job_id for item in outcomes}),
        "outcomes": dumps(list(outcomes)),
    }
    unwritten = conn.execute(_OUTCOME, parameters).fetchall()
    if again := [row[:3] for row in unwritten if row[3] is None]:
        columns = zip(("ids", "numbers", "tasks"), map(list, zip(*again, strict=True)), strict=True)
        conn.execute(_CONTRADICTED, dict(columns))
    return [Taken(*row) for row in unwritten if row[3] is not None]


def finish_attempts(conn: Connection, outcomes: Sequence[AttemptOutcome], moves: Sequence[Move]) -> list[Moved]:
    """Store the outcomes of POSTs and move their jobs. The attempt keeps its outcome even if the job has moved on.

    If the gateway named a task that another job has, the job becomes unconfirmed instead, for a person to check.
    """
    taken = store_outcomes(conn, outcomes)
    if taken:
        known = stories_of(conn, [item.job_id for item in taken])
        store_outcomes(conn, [_without_task(item, known[item.job_id]) for item in taken])
        by_job = {item.job_id: item for item in taken if item.holder != item.job_id}
        moves = [_held(item, by_job[item.id]) if item.id in by_job else item for item in moves]
    return move(conn, moves)


def _without_task(taken: Taken, known: Story) -> AttemptOutcome:
    said = (taken.job_id, taken.task_id, taken.holder)
    log.error("job.task_taken job_id=%s task_id=%s holder=%s", *said, extra=about(known | {"attempt": taken.number}))
    return AttemptOutcome(taken.job_id, taken.number, Reason.TASK_TAKEN, error=taken.as_error())


def _held(wanted: Move, taken: Taken) -> Move:
    target = JobState.UNCONFIRMED
    return replace(
        wanted,
        sources=tuple(source for source in wanted.sources if source is target or target in TRANSITIONS[source]),
        target=target,
        reason=Reason.TASK_TAKEN,
        due_in_s=TAKEN_CHECK_S,
        expires_in_s=None,
        patch={},
        detail={"message": taken.as_error()["message"], "task_id": taken.task_id},
    )


_LOCK_QUEUED: LiteralString = """
SELECT j.id FROM jobs j
JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
WHERE j.id = ANY(%(ids)s) AND j.state = 'queued' ORDER BY j.id FOR UPDATE OF j
"""
# The outcome of an attempt that a person or the policy gave up is still open, and so is one that only a missing route
# or a list ruled out. `look_at` is set if a callback named its task and the gateway was not queried about it yet.
_EARLIER: LiteralString = f"""
SELECT job_id,
       bool_or(outcome = 'accepted') IS TRUE AS accepted,
       bool_or(look_at IS NOT NULL) AS reported,
       bool_or{NOT_PROVEN} AS doubtful
FROM attempts WHERE job_id = ANY(%(ids)s) GROUP BY job_id
"""  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True)
class Earlier:
    """The earlier attempts of a job. `accepted`: one was accepted; `reported`: a callback named the task of one, which
    must be checked; `doubtful`: one may have been accepted."""

    job_id: UUID
    accepted: bool
    reported: bool
    doubtful: bool


_COUNT_ON: LiteralString = """
UPDATE jobs j SET attempt = a.latest
FROM (SELECT max(number) AS latest FROM attempts WHERE job_id = %(id)s) a
WHERE j.id = %(id)s AND j.claim = %(claim)s AND j.state = 'queued' AND a.latest > j.attempt
RETURNING j.attempt
"""


def count_on(conn: Connection, job_id: UUID, claim: int) -> int | None:
    """Let a queued job whose `attempt` was set back go on from the latest attempt that it has; returns its number.
    None: it is already there, or has none."""
    row = conn.execute(_COUNT_ON, {"id": job_id, "claim": claim}).fetchone()
    return None if row is None else int(row[0])


_RETURN_TO_DOUBT: LiteralString = f"""
UPDATE jobs j SET attempt = a.number
FROM (SELECT number, account, gateway, model FROM attempts
      WHERE job_id = %(id)s AND {MAY_RUN}
      ORDER BY number DESC LIMIT 1) a
WHERE j.id = %(id)s AND j.claim = %(claim)s AND j.state = 'queued'
RETURNING a.number, a.account, a.gateway, a.model
"""  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An attempt that may have been accepted, and where it was sent."""

    number: int
    account: str
    gateway: str
    model: str


def return_to_doubt(conn: Connection, job_id: UUID, claim: int) -> InDoubt | None:
    """Make the latest attempt without a clear answer the current one of a queued job, so that the job can wait for its
    task. None: the job has none, or is no longer held under this claim."""
    row = conn.execute(_RETURN_TO_DOUBT, {"id": job_id, "claim": claim}).fetchone()
    return None if row is None else InDoubt(*row)


def lock_queued(conn: Connection, leases: Sequence[tuple[UUID, int]]) -> dict[UUID, Earlier]:
    """Lock the queued jobs of these leases until the transaction ends. Returns the earlier attempts of those that have
    any.

    Waits for an acceptance that is being written; a later one waits for this transaction.
    """
    parameters = {"ids": [i for i, _ in leases], "claims": [c for _, c in leases]}
    ids = [row[0] for row in conn.execute(_LOCK_QUEUED, parameters)]
    return earlier_attempts(conn, ids) if ids else {}


def lock_jobs(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Earlier]:
    """The same for jobs in any state."""
    conn.execute(_LOCK, {"ids": list(job_ids)})
    return earlier_attempts(conn, job_ids)


def earlier_attempts(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Earlier]:
    """The attempts of these jobs, summarized; jobs without attempts are missing."""
    with conn.cursor(row_factory=class_row(Earlier)) as cursor:
        return {row.job_id: row for row in cursor.execute(_EARLIER, {"ids": list(job_ids)})}


_HOLDER: LiteralString = f"SELECT a.job_id FROM {OF_TASKS} LIMIT 1"  # noqa: S608 - put together from constants


def holder_of_task(conn: Connection, accounts: Sequence[str], task_id: str) -> UUID | None:
    """The job that a gateway's task belongs to; None: no attempt at these accounts is known to have it."""
    row = conn.execute(_HOLDER, {"accounts": list(accounts), "ids": [task_id]}).fetchone()
    return None if row is None else row[0]
