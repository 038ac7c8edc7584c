"""The only writer of `jobs.state`: conditional moves, each with its event in the same transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, LiteralString
from uuid import UUID

from storage.actors import current_actor
from storage.database import Connection
from storage.jobs.claims import NEXT_CLAIM
from storage.jobs.records import MOST_POLLS, Move, Moved, Postponement
from storage.jobs.states import JobState
from storage.jsonb import dumps
from storage.logs.context import about
from storage.logs.story import story
from storage.metrics.ended import COUNT_ENDED
from storage.waking.hints import Due, note_due
from storage.webhooks.outbox import TELL_MOVED

log = logging.getLogger("reelq.jobs")

DUE_IN = {
    JobState.QUEUED: Due.SUBMIT,
    JobState.GENERATING: Due.POLL,
    JobState.UNCONFIRMED: Due.POLL,
    JobState.TRANSFERRING: Due.TRANSFER,
}
"""What is due in each state in which a job can be due at once."""

_MOVE: LiteralString = f"""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(moves)s::jsonb) AS r(
        id uuid, sources text[], target text, reason text, claim bigint, attempt int, due_in float8,
        expires_in float8, patch jsonb, detail jsonb, actor text, celery_task uuid)
), locked AS (
    -- In the order of the ids, so that two batches with the same jobs wait for each other instead of deadlocking.
    -- The ids are an array, too, so that no plan reads the whole table; see `storage.database.Database.begin`.
    SELECT j.id, j.state AS source FROM jobs j JOIN input i ON i.id = j.id
    WHERE j.id = ANY(ARRAY(SELECT id FROM input))
      AND j.state = ANY(i.sources) AND (i.claim IS NULL OR j.claim = i.claim)
      AND (i.attempt IS NULL OR j.attempt = i.attempt)
    ORDER BY j.id FOR UPDATE OF j
), moved AS (
    UPDATE jobs j SET
        state = i.target, reason = i.reason, claim = {NEXT_CLAIM}, updated_at = now(),
        -- A task whose job is no longer wanted must be cancelled before it begins.
        due_at = CASE WHEN i.target = 'generating' AND l.source <> 'generating' AND j.cancel_request IS NOT NULL
                      THEN now() ELSE now() + make_interval(secs => i.due_in) END,
        finished_at = CASE WHEN i.due_in IS NULL THEN now() END,
        missing = NULL, missing_since = NULL, missing_times = 0,
        -- A copy of the video may be running.
        removal_due_at = CASE WHEN i.target = 'cancelled' AND j.generated_at IS NOT NULL
                              THEN now() + interval '10 minutes' ELSE j.removal_due_at END,
        attempt = j.attempt + (i.target = 'submitting')::int,
        submitted_at = CASE WHEN i.target = 'submitting' THEN now() ELSE j.submitted_at END,
        generated_at = CASE WHEN i.target = 'transferring' THEN coalesce(j.generated_at, now()) ELSE j.generated_at END,
        (account, gateway, model, gateway_task_id, refusals, setbacks, polls, video_url, last_frame_url, usage, seed,
         object_key, size_bytes, sha256, video_format, last_frame_key, poster_key, cost, error, cancel_request,
         barred_accounts, draft_ends_at, polled_at, video_expires_at) = (
            SELECT p.account, p.gateway, p.model, p.gateway_task_id, p.refusals, p.setbacks, p.polls, p.video_url,
                   p.last_frame_url, p.usage, p.seed, p.object_key, p.size_bytes, p.sha256, p.video_format,
                   p.last_frame_key,
                   p.poster_key, p.cost, p.error, p.cancel_request, p.barred_accounts,
                   p.draft_ends_at, p.polled_at,
                   coalesce(now() + make_interval(secs => i.expires_in), p.video_expires_at)
            FROM jsonb_populate_record(j, i.patch) p)
    FROM locked l JOIN input i ON i.id = l.id
    WHERE j.id = l.id
    RETURNING j.id, l.source, i.target, j.claim, j.attempt, i.reason, i.detail, i.actor, i.celery_task, j.tenant,
              j.webhook_url, j.ark, j.campaign_id, j.account, j.gateway_task_id, j.cost, j.estimate, j.generated_at
), logged AS (
    INSERT INTO job_events (job_id, source, target, reason, detail, actor, celery_task)
    SELECT id, source, target, reason, detail, actor, celery_task FROM moved
    WHERE source <> target OR detail IS NOT NULL
), notified AS ({TELL_MOVED} RETURNING 1), counted AS ({COUNT_ENDED})
SELECT id, source, target, claim, attempt, reason, celery_task::text, tenant,
       (SELECT name FROM campaigns c WHERE c.id = moved.campaign_id), account, gateway_task_id,
       EXISTS (SELECT FROM notified)
FROM moved
"""  # noqa: S608 - put together from constants


def move(conn: Connection, moves: Sequence[Move]) -> list[Moved]:
    """Write state changes, each only if its row is still as the move expects. Returns the moves that were written.

    A missing job has been moved by another process, or its lease has passed to one; that process decides.
    """
    if not moves:
        return []
    done = []
    at_once = {item.id for item in moves if item.due_in_s == 0.0}
    for job_id, source, target, claim, attempt, reason, celery_task, *place, notifies in conn.execute(
        _MOVE, {"moves": dumps([item.as_row() for item in moves])}
    ):
        done.append(Moved(job_id, JobState(source), JobState(target), claim, attempt, reason))
        if job_id in at_once and target in DUE_IN:
            note_due(conn, DUE_IN[target])
        if notifies:
            note_due(conn, Due.NOTIFY)
        if source != target:
            by = {} if celery_task is None else {"celery_task": celery_task}
            tenant, campaign, account, task_id = place
            job = by | story(job_id, tenant, campaign, account, task_id, attempt)
            said = (job["job_id"], source, target, reason)
            log.info("job.moved job_id=%s from=%s to=%s reason=%s", *said, extra=about(job))
    return done


_POSTPONE: LiteralString = f"""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(items)s::jsonb) AS i(
        id uuid, claim bigint, due_in_s float8, reason text, setbacks int, polls int, missing text,
        polled_at timestamptz)
)
UPDATE jobs j SET due_at = now() + make_interval(secs => i.due_in_s), reason = i.reason, setbacks = i.setbacks,
                  polls = least(j.polls, {MOST_POLLS}) + i.polls,
                  polled_at = coalesce(i.polled_at, CASE WHEN i.reason = 'generating' THEN now() ELSE j.polled_at END),
                  missing = CASE WHEN i.missing IS NULL THEN j.missing ELSE nullif(i.missing, '') END,
                  missing_since = CASE WHEN i.missing IS NULL OR i.missing = j.missing THEN j.missing_since
                                       WHEN i.missing <> '' THEN now() END,
                  missing_times = CASE WHEN i.missing IS NULL THEN j.missing_times
                                       WHEN i.missing = j.missing THEN least(j.missing_times + 1, 30000)
                                       WHEN i.missing <> '' THEN 1 ELSE 0 END
FROM input i WHERE j.id = ANY(ARRAY(SELECT id FROM input))
  AND j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL
RETURNING j.id
"""  # noqa: S608 - as above


def postpone(conn: Connection, items: Sequence[Postponement]) -> set[UUID]:
    """Make jobs due later, in the same state. A job whose lease has passed to another process stays unchanged and is
    missing from the result."""
    if not items:
        return set()
    return {row[0] for row in conn.execute(_POSTPONE, {"items": dumps(list(items))})}


_REQUEST_CANCEL: LiteralString = f"""
WITH requested AS (
UPDATE jobs j SET cancel_request = CASE WHEN cancel_request = 'discard' THEN cancel_request ELSE %(how)s END,
                -- In submitting, due_at is the end of the lease, which reveals a lost POST.
                due_at = CASE WHEN state = 'submitting' THEN due_at ELSE now() END,
                -- A poll or a look that began before the request must not write any more. In submitting it is a POST.
                claim = CASE WHEN state = 'submitting' THEN claim ELSE {NEXT_CLAIM} END
WHERE id = %(id)s AND state IN ('submitting', 'unconfirmed', 'generating')
RETURNING id, state
)
INSERT INTO job_events (job_id, source, target, reason, detail, actor)
SELECT id, state, state, 'cancelling', jsonb_build_object('how', %(how)s::text), %(actor)s::text FROM requested
RETURNING job_id
"""  # noqa: S608 - as above


def request_cancel(conn: Connection, job_id: UUID, how: Literal["keep", "discard"]) -> bool:
    """Request that a worker cancel a submitted job; the timeline says who did. False: it is not at a gateway. A later
    request to keep does not replace one to discard."""
    requested = conn.execute(_REQUEST_CANCEL, {"id": job_id, "how": how, "actor": current_actor()}).fetchone()
    if requested is not None:
        note_due(conn, Due.POLL)
    return requested is not None


_MARK_DELETED: LiteralString = """
UPDATE jobs SET deleted_at = now(), updated_at = now(),
                removal_due_at = CASE WHEN submitted_at IS NOT NULL THEN now() END
WHERE id = %(id)s AND finished_at IS NOT NULL AND deleted_at IS NULL
"""


def mark_deleted(conn: Connection, job_id: UUID) -> None:
    """Note that a terminal job has no files from now on; a job that is already marked stays unchanged."""
    conn.execute(_MARK_DELETED, {"id": job_id})
