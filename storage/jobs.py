"""All job SQL that writes or claims (`storage.views` reads).

Every statement takes many jobs, every write of `state` is `move`, and the database's `now()` is the only clock.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, LiteralString, TypeVar, cast
from uuid import UUID

import orjson
import uuid_utils.compat
from psycopg.rows import class_row, dict_row

from storage.database import Connection
from storage.outbox import TELL_MOVED
from storage.records import (
    AttemptMarks,
    AttemptOutcome,
    Claimed,
    Enqueued,
    IdempotencyConflict,
    Move,
    Moved,
    NewJob,
    Work,
)
from storage.states import JobState
from storage.turns import claim_submits as claim_submits

log = logging.getLogger("reelq.jobs")
T = TypeVar("T")

_ENQUEUE_CHUNK = 2_000


def new_job_id() -> UUID:
    """A fresh id. Ids grow with time, so that new rows lie together in the index (UUIDv7, RFC 9562)."""
    return uuid_utils.compat.uuid7()


def _json(value: object) -> str:
    text = orjson.dumps(value).decode()
    if r"\u0000" in text:  # jsonb and text cannot hold NUL, and a gateway may send one
        text = orjson.dumps(_without_nul(orjson.loads(text))).decode()
    return text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def _rows(kind: type[T], conn: Connection, sql: LiteralString, parameters: Mapping[str, Any]) -> list[T]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(sql, parameters).fetchall()


# --- enqueue ---------------------------------------------------------------------------------------------------------

_ENQUEUE: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS r(
        id uuid, tenant text, campaign_id uuid, idempotency_key text, request jsonb, request_hash text, gateways text[],
        account_pin text, priority smallint, deadline_at timestamptz, deadline_s float8, webhook_url text,
        metadata jsonb, tags text[], estimate jsonb)
), stored AS (
    INSERT INTO jobs (id, tenant, campaign_id, idempotency_key, request, request_hash, gateways, account_pin, priority,
                      deadline_at, webhook_url, metadata, tags, estimate)
    SELECT id, tenant, campaign_id, idempotency_key, request, request_hash, gateways, account_pin, priority,
           coalesce(deadline_at, now() + make_interval(secs => deadline_s)), webhook_url, metadata, tags,
           estimate
    FROM input
    ON CONFLICT (tenant, idempotency_key) DO NOTHING
    RETURNING id
), logged AS (
    INSERT INTO job_events (job_id, target, reason) SELECT id, 'queued', 'enqueued' FROM stored
)
SELECT id FROM stored
"""

_BY_KEY: LiteralString = """
SELECT tenant, idempotency_key, id, request_hash FROM jobs
WHERE (tenant, idempotency_key) IN (SELECT * FROM unnest(%(tenants)s::text[], %(keys)s::text[]))
"""


def enqueue(conn: Connection, jobs: Sequence[NewJob]) -> list[Enqueued]:
    """Store jobs, all or none; a job whose key is known is the earlier one, if it asks for the same.

    Raises:
        IdempotencyConflict: a key is known with another request; nothing of the batch must be committed.
    """
    chosen: dict[tuple[str, str], tuple[int, NewJob]] = {}
    fresh: list[NewJob] = []
    for index, job in enumerate(jobs):
        if job.idempotency_key is not None:
            _, first = chosen.setdefault((job.tenant, job.idempotency_key), (index, job))
            if first.request_hash != job.request_hash:
                raise IdempotencyConflict(job.idempotency_key, index, None)
            if first is not job:
                continue
        fresh.append(job)
    stored: set[UUID] = set()
    for start in range(0, len(fresh), _ENQUEUE_CHUNK):
        chunk = fresh[start : start + _ENQUEUE_CHUNK]
        stored.update(row[0] for row in conn.execute(_ENQUEUE, {"jobs": _json(chunk)}))
    known = _known_keys(conn, [key for key, (_, job) in chosen.items() if job.id not in stored])
    for key, (index, job) in chosen.items():
        if key in known and known[key][1] != job.request_hash:
            raise IdempotencyConflict(key[1], index, known[key][0])
    results = []
    for job in jobs:
        if job.id in stored:
            results.append(Enqueued(job.id, created=True))
            continue
        key = (job.tenant, job.idempotency_key or "")
        first_id = known[key][0] if key in known else chosen[key][1].id
        results.append(Enqueued(first_id, created=False))
    return results


def _known_keys(conn: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[UUID, str]]:
    if not keys:
        return {}
    parameters = {"tenants": [tenant for tenant, _ in keys], "keys": [key for _, key in keys]}
    return {(row[0], row[1]): (row[2], row[3]) for row in conn.execute(_BY_KEY, parameters)}


_CAMPAIGN: LiteralString = """
INSERT INTO campaigns (id, tenant, name) VALUES (%(id)s, %(tenant)s, %(name)s)
ON CONFLICT (tenant, name) DO UPDATE SET settled = false
RETURNING id
"""


def ensure_campaign(conn: Connection, tenant: str, name: str) -> UUID:
    """The campaign of that name, made if there is none."""
    row = conn.execute(_CAMPAIGN, {"id": new_job_id(), "tenant": tenant, "name": name}).fetchone()
    assert row is not None  # noqa: S101 - DO UPDATE returns the row either way
    return cast(UUID, row[0])


# --- move: the only writer of `state` --------------------------------------------------------------------------------

_MOVE: LiteralString = f"""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(moves)s::jsonb) AS r(
        id uuid, sources text[], target text, reason text, claim bigint, attempt smallint, due_in float8,
        expires_in float8, patch jsonb, detail jsonb)
), locked AS (
    -- In the order of the ids, so that two batches with the same jobs wait for each other instead of deadlocking.
    SELECT j.id, j.state AS source FROM jobs j JOIN input i ON i.id = j.id
    WHERE j.state = ANY(i.sources) AND (i.claim IS NULL OR j.claim = i.claim)
      AND (i.attempt IS NULL OR j.attempt = i.attempt)
    ORDER BY j.id FOR UPDATE OF j
), moved AS (
    UPDATE jobs j SET
        state = i.target, reason = i.reason, claim = j.claim + 1, updated_at = now(),
        due_at = now() + make_interval(secs => i.due_in),
        finished_at = CASE WHEN i.due_in IS NULL THEN now() END,
        attempt = j.attempt + (i.target = 'submitting')::int::smallint,
        submitted_at = CASE WHEN i.target = 'submitting' THEN now() ELSE j.submitted_at END,
        generated_at = CASE WHEN i.target = 'transferring' THEN coalesce(j.generated_at, now()) ELSE j.generated_at END,
        (account, gateway, model, gateway_task_id, refusals, setbacks, polls, video_url, last_frame_url, usage, seed,
         object_key, size_bytes, sha256, last_frame_key, poster_key, cost, error, cancel_request,
         video_expires_at) = (
            SELECT p.account, p.gateway, p.model, p.gateway_task_id, p.refusals, p.setbacks, p.polls, p.video_url,
                   p.last_frame_url, p.usage, p.seed, p.object_key, p.size_bytes, p.sha256, p.last_frame_key,
                   p.poster_key, p.cost, p.error, p.cancel_request,
                   coalesce(now() + make_interval(secs => i.expires_in), p.video_expires_at)
            FROM jsonb_populate_record(j, i.patch) p)
    FROM locked l JOIN input i ON i.id = l.id
    WHERE j.id = l.id
    RETURNING j.id, l.source, i.target, j.claim, j.attempt, i.reason, i.detail, j.tenant, j.webhook_url
), logged AS (
    INSERT INTO job_events (job_id, source, target, reason, detail)
    SELECT id, source, target, reason, detail FROM moved WHERE source <> target OR detail IS NOT NULL
), told AS ({TELL_MOVED})
SELECT id, source, target, claim, attempt, reason FROM moved
"""  # noqa: S608 - put together from constants


def move(conn: Connection, moves: Sequence[Move]) -> list[Moved]:
    """Write state changes, each only where its row still is as the move expects.

    What is missing from the result was moved by somebody else meanwhile, or its lease was given away: their word
    stands.
    """
    if not moves:
        return []
    done = [
        Moved(row[0], JobState(row[1]), JobState(row[2]), row[3], row[4], row[5])
        for row in conn.execute(_MOVE, {"moves": _json([item.as_row() for item in moves])})
    ]
    for item in done:
        if item.source is not item.target:
            log.info(
                "job.moved job_id=%s from=%s to=%s reason=%s attempt=%d",
                item.id,
                item.source,
                item.target,
                item.reason,
                item.attempt,
            )
    return done


_POSTPONE: LiteralString = """
UPDATE jobs j SET due_at = now() + make_interval(secs => i.due_in), reason = i.reason, setbacks = i.setbacks,
                  polls = j.polls + i.polls,
                  polled_at = CASE WHEN i.reason = 'generating' THEN now() ELSE j.polled_at END
FROM jsonb_to_recordset(%(items)s::jsonb) AS i(id uuid, claim bigint, due_in float8, reason text, setbacks smallint,
                                               polls int)
WHERE j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL
"""


def postpone(conn: Connection, items: Iterable[tuple[UUID, int, float, str, int, int]]) -> None:
    """Give jobs back until later, in the state they have: (id, claim, seconds, reason, setbacks, polls made)."""
    names = ("id", "claim", "due_in", "reason", "setbacks", "polls")
    rows = [dict(zip(names, item, strict=True)) for item in items]
    if rows:
        conn.execute(_POSTPONE, {"items": _json(rows)})


_RENEW: LiteralString = """
UPDATE jobs j SET due_at = now() + make_interval(secs => %(lease_s)s)
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL
RETURNING j.id
"""


def renew(conn: Connection, leases: Sequence[tuple[UUID, int]], lease_s: float) -> set[UUID]:
    """Extend leases; what is missing from the result is not ours any more."""
    if not leases:
        return set()
    parameters = {"ids": [i for i, _ in leases], "claims": [c for _, c in leases], "lease_s": lease_s}
    return {row[0] for row in conn.execute(_RENEW, parameters)}


_RELEASE: LiteralString = """
UPDATE jobs j SET due_at = now(), account = CASE WHEN j.state = 'queued' THEN NULL ELSE j.account END
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL AND j.state <> 'submitting'
"""


def release(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Make claimed jobs due at once: nobody works on them after all."""
    if claimed:
        conn.execute(_RELEASE, {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]})


# --- claims: leases for the scheduler --------------------------------------------------------------------------------

# CTEs, not sub-selects: PostgreSQL may run a LIMITed sub-select again inside a nested loop and claim more than asked.
_CLAIM_POLLS: LiteralString = """
WITH due AS (
    SELECT id FROM jobs WHERE state = 'generating' AND due_at <= now()
      AND (%(account)s::text IS NULL OR account = %(account)s) AND account <> ALL(%(besides)s::text[])
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET claim = j.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING j.id, j.claim, j.account
"""

_CLAIM_UNCONFIRMED: LiteralString = """
WITH due AS (
    SELECT id FROM jobs WHERE state = 'unconfirmed' AND due_at <= now()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET claim = j.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING j.id, j.claim, j.account
"""

_CLAIM_TRANSFERS: LiteralString = """
WITH due AS (
    SELECT id FROM jobs
    WHERE state = 'transferring' AND due_at <= now()
      AND (%(share)s::float8 IS NULL OR video_expires_at - now() < (video_expires_at - generated_at) * %(share)s)
    ORDER BY video_expires_at, due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE jobs j SET claim = j.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
    FROM due WHERE j.id = due.id RETURNING j.id, j.claim, j.account, j.video_expires_at
)
SELECT id, claim, account FROM leased ORDER BY video_expires_at
"""


def claim_polls(
    conn: Connection, limit: int, lease_s: float, account: str | None = None, besides: Sequence[str] = ()
) -> list[Claimed]:
    """Lease generating jobs whose next poll is due, the longest overdue first; of one account, or of all `besides`
    some."""
    parameters = {"limit": limit, "lease_s": lease_s, "account": account, "besides": list(besides)}
    return _rows(Claimed, conn, _CLAIM_POLLS, parameters)


def claim_unconfirmed(conn: Connection, limit: int, lease_s: float) -> list[Claimed]:
    """Lease jobs whose POST may have been accepted, to look for their tasks."""
    return _rows(Claimed, conn, _CLAIM_UNCONFIRMED, {"limit": limit, "lease_s": lease_s})


def claim_transfers(conn: Connection, limit: int, lease_s: float, share: float | None = None) -> list[Claimed]:
    """Lease videos to copy, the one whose URL dies first in front.

    `share`: only those that have less than this share of their URL's life left; None: all.
    """
    return _rows(Claimed, conn, _CLAIM_TRANSFERS, {"limit": limit, "lease_s": lease_s, "share": share})


_IN_FLIGHT: LiteralString = """
SELECT account, count(*) FROM jobs
WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
  AND (state <> 'queued' OR due_at > now())
  AND (state <> 'unconfirmed' OR updated_at > now() - make_interval(secs => %(grace_s)s))
GROUP BY account
"""
_STARTED: LiteralString = """
SELECT account, count(*) FROM attempts WHERE started_at > now() - interval '60 s' GROUP BY account
"""


def in_flight(conn: Connection, grace_s: float) -> dict[str, int]:
    """Slots in use per account: claimed, being submitted, generating, and unconfirmed for less than the grace."""
    return dict(conn.execute(_IN_FLIGHT, {"grace_s": grace_s}).fetchall())


def started_last_minute(conn: Connection) -> dict[str, int]:
    """POSTs begun per account in the last 60 s."""
    return dict(conn.execute(_STARTED).fetchall())


# --- work: what a worker reads and writes about the jobs it holds ----------------------------------------------------

_WORK: LiteralString = """
SELECT j.id, j.claim, j.attempt, j.refusals, j.setbacks, j.polls, j.reason, j.account, j.request,
       j.gateway_task_id, j.video_url, j.last_frame_url, j.created_at,
       extract(epoch FROM now() - j.submitted_at)::float8 AS submitted_age_s,
       extract(epoch FROM now() - j.generated_at)::float8 AS generated_age_s,
       extract(epoch FROM j.deadline_at - now())::float8 AS deadline_in_s,
       extract(epoch FROM j.video_expires_at - now())::float8 AS expires_in_s, j.cancel_request
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
WHERE j.state = %(state)s AND j.account IS NOT NULL AND j.due_at > now()
"""


def load(conn: Connection, state: JobState, claimed: Sequence[tuple[UUID, int]]) -> list[Work]:
    """The jobs of a batch that are still ours and in the state the batch is for."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed], "state": state}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [Work(state=state, **row) for row in cursor.execute(_WORK, parameters)]


_BEGIN: LiteralString = """
INSERT INTO attempts (job_id, number, account, model, seed, callback_hash)
SELECT j.id, j.attempt, j.account, j.model, i.seed, i.callback_hash
FROM jobs j JOIN jsonb_to_recordset(%(marks)s::jsonb) AS i(id uuid, seed bigint, callback_hash text) ON j.id = i.id
"""


def begin_attempts(conn: Connection, moves: Sequence[Move], marks: Mapping[UUID, AttemptMarks]) -> list[Moved]:
    """Move queued jobs to submitting and store the attempt of each, to be committed before any POST."""
    begun = move(conn, moves)
    if begun:
        conn.execute(_BEGIN, {"marks": _json([{"id": item.id, **asdict(marks[item.id])} for item in begun])})
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
        conn.execute(_OUTCOME, {"outcomes": _json([asdict(item) for item in outcomes])})
    return move(conn, moves)


_DUE: LiteralString = """
SELECT id, claim FROM jobs WHERE state = %(state)s AND due_at <= now() ORDER BY due_at LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""
_CANCEL_WANTED: LiteralString = """
SELECT id, claim FROM jobs WHERE state = 'queued' AND cancel_request IS NOT NULL AND due_at IS NOT NULL
LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_PAST_DEADLINE: LiteralString = """
SELECT id, claim FROM jobs
WHERE deadline_at <= now() AND due_at IS NOT NULL AND state = 'queued'
ORDER BY deadline_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def due(conn: Connection, state: JobState, limit: int) -> list[tuple[UUID, int]]:
    """Jobs (id, claim) of a state whose time has come; locked until the transaction ends."""
    return cast(list[tuple[UUID, int]], conn.execute(_DUE, {"state": state, "limit": limit}).fetchall())


def cancel_wanted(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued jobs (id, claim) that somebody wanted cancelled while they were being submitted; locked as `due`."""
    return cast(list[tuple[UUID, int]], conn.execute(_CANCEL_WANTED, {"limit": limit}).fetchall())


def past_deadline(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued jobs (id, claim) whose deadline has passed; locked until the transaction ends."""
    return cast(list[tuple[UUID, int]], conn.execute(_PAST_DEADLINE, {"limit": limit}).fetchall())


_REQUEST_CANCEL: LiteralString = """
UPDATE jobs SET cancel_request = %(how)s,
                -- While it is being submitted, due_at is the lease that tells a lost POST.
                due_at = CASE WHEN state = 'submitting' THEN due_at ELSE now() END
WHERE id = %(id)s AND state IN ('submitting', 'unconfirmed', 'generating')
RETURNING id
"""


def request_cancel(conn: Connection, job_id: UUID, how: Literal["keep", "discard"]) -> bool:
    """Note that somebody wants a submitted job cancelled; a worker does it. False: it is not at a gateway."""
    return conn.execute(_REQUEST_CANCEL, {"id": job_id, "how": how}).fetchone() is not None


_MARK_DELETED: LiteralString = """
UPDATE jobs SET deleted_at = now(), updated_at = now()
WHERE id = %(id)s AND finished_at IS NOT NULL AND deleted_at IS NULL
"""


def mark_deleted(conn: Connection, job_id: UUID) -> None:
    """Note that the files of a terminal job are gone from the bucket; one that is marked already stays as it is."""
    conn.execute(_MARK_DELETED, {"id": job_id})
