"""SQL about attempts in doubt: what callbacks say of them, and what is known for finding their tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.records import (
    AttemptOutcome,
    Correlation,
    Doubt,
    Move,
    Moved,
)
from storage.jobs.transitions import move
from storage.jsonb import dumps


@dataclass(frozen=True, slots=True)
class Accepted:
    """An attempt that the gateway took."""

    job_id: UUID
    number: int
    account: str
    model: str
    gateway_task_id: str


def hash_token(token: str) -> str:
    """What is stored of a callback token: who reads the table cannot call back."""
    return hashlib.sha256(token.encode()).hexdigest()


_HINT: LiteralString = """
WITH named AS (
    UPDATE attempts a SET reported_task_id = coalesce(a.reported_task_id, %(task_id)s)
    FROM jobs j
    WHERE a.callback_hash = %(hash)s AND j.id = a.job_id AND j.gateway = %(gateway)s
    RETURNING a.job_id, a.number
), hurried AS (
    UPDATE jobs j SET due_at = now()
    FROM named n
    WHERE j.id = n.job_id AND j.attempt = n.number AND j.due_at > now()
      AND (j.state = 'unconfirmed' OR (j.state = 'generating' AND NOT %(unfinished)s))
)
SELECT job_id FROM named
"""


def hint(conn: Connection, gateway: str, token: str, task_id: str | None, *, unfinished: bool = False) -> UUID | None:
    """A gateway called back: its job is looked at now, unless the call only tells that a known task is `unfinished`.
    None: no attempt has that token.

    `task_id` is what the body claims; it is noted once and believed only after the gateway was asked.
    """
    told = {"hash": hash_token(token), "gateway": gateway, "task_id": task_id, "unfinished": unfinished}
    row = conn.execute(_HINT, told).fetchone()
    return None if row is None else row[0]


_DOUBTS: LiteralString = """
SELECT j.id, j.claim, j.attempt, a.model, a.started_at, a.seed, NOT (j.request ? 'seed') AS seed_is_own,
       a.reported_task_id, extract(epoch FROM now() - a.started_at)::float8 AS age_s, j.cancel_request
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
WHERE j.state = 'unconfirmed' AND j.due_at > now()
"""


def doubts(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> list[Doubt]:
    """The unconfirmed jobs of a batch that are still ours."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
    with conn.cursor(row_factory=class_row(Doubt)) as cursor:
        return cursor.execute(_DOUBTS, parameters).fetchall()


_KNOWN: LiteralString = """
SELECT gateway_task_id FROM attempts WHERE account = %(account)s AND gateway_task_id = ANY(%(ids)s)
"""


def known_tasks(conn: Connection, account: str, task_ids: Sequence[str]) -> set[str]:
    """Those of the task ids that an attempt of this account already has."""
    return {row[0] for row in conn.execute(_KNOWN, {"account": account, "ids": list(task_ids)})}


_ACCEPTED: LiteralString = """
SELECT DISTINCT ON (job_id) job_id, number, account, model, gateway_task_id FROM attempts
WHERE job_id = ANY(%(ids)s) AND outcome = 'accepted' ORDER BY job_id, number DESC
"""


def accepted(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Accepted]:
    """The newest accepted attempt of each job that has one."""
    with conn.cursor(row_factory=class_row(Accepted)) as cursor:
        return {found.job_id: found for found in cursor.execute(_ACCEPTED, {"ids": list(job_ids)})}


_BEGIN: LiteralString = """
INSERT INTO attempts (job_id, number, account, model, model_key, seed, callback_hash)
SELECT j.id, j.attempt, j.account, j.model, i.model_key, i.seed, i.callback_hash
FROM jobs j
JOIN jsonb_to_recordset(%(rows)s::jsonb) AS i(id uuid, model_key text, seed bigint, callback_hash text) ON j.id = i.id
"""


def begin_attempts(conn: Connection, moves: Sequence[Move], correlations: Mapping[UUID, Correlation]) -> list[Moved]:
    """Move queued jobs to submitting and store the attempt of each, to be committed before any POST."""
    begun = move(conn, moves)
    if begun:
        conn.execute(_BEGIN, {"rows": dumps([{"id": item.id, **asdict(correlations[item.id])} for item in begun])})
    return begun


_OUTCOME: LiteralString = """
UPDATE attempts a SET outcome = i.outcome, http_status = i.http_status, gateway_task_id = i.gateway_task_id,
                      error = i.error, finished_at = now()
FROM jsonb_to_recordset(%(outcomes)s::jsonb) AS i(job_id uuid, number smallint, outcome text, http_status smallint,
                                                  gateway_task_id text, error jsonb)
WHERE a.job_id = i.job_id AND a.number = i.number
  -- Who comes later and knows less must not take the task id away again.
  AND (a.outcome IS DISTINCT FROM 'accepted' OR i.outcome = 'accepted')
"""


def finish_attempts(conn: Connection, outcomes: Sequence[AttemptOutcome], moves: Sequence[Move]) -> list[Moved]:
    """Store what became of POSTs. The attempt keeps its outcome even where the job has moved on without us."""
    if outcomes:
        conn.execute(_OUTCOME, {"outcomes": dumps([asdict(item) for item in outcomes])})
    return move(conn, moves)


def holder_of_task(conn: Connection, account: str, task_id: str) -> UUID | None:
    """The job that a gateway's task belongs to, None when no attempt of ours is known to have started it."""
    row = conn.execute(
        "SELECT job_id FROM attempts WHERE account = %(account)s AND gateway_task_id = %(task_id)s LIMIT 1",
        {"account": account, "task_id": task_id},
    ).fetchone()
    return None if row is None else row[0]
