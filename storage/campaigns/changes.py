"""Change the request of jobs that wait in the queue, and note in timelines what people decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from storage.actors import current_actor
from storage.admission.spending.billing import NOT_BILLED
from storage.database import Connection
from storage.jobs.claims import NEXT_CLAIM
from storage.jobs.enqueue import charge_of
from storage.jobs.reasons import Reason
from storage.jobs.records import NewJob
from storage.jsonb import dumps
from storage.tenants.purses import recharge
from storage.uploads.uses import use_uploads

# The claim changes, so that a worker that has read the old request cannot begin its attempt. An earlier attempt that
# may have been accepted was made from the old request: such a job stays as it is.
_CHANGE: LiteralString = f"""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS r(
        id uuid, request jsonb, request_hash text, lane text, gateways text[], account_pin text, priority smallint,
        deadline_at timestamptz, deadline_s float8, webhook_url text, metadata jsonb, tags text[], estimate jsonb,
        prices jsonb, least_price numeric, price_currency text, draft jsonb, detail jsonb)
), held AS (
    SELECT j.id FROM jobs j JOIN input i ON i.id = j.id
    WHERE j.state = 'queued' AND NOT EXISTS (
        SELECT FROM attempts a WHERE a.job_id = j.id AND NOT {NOT_BILLED})
    ORDER BY j.id FOR UPDATE OF j
), changed AS (
    UPDATE jobs j SET
        request = i.request, request_hash = i.request_hash, lane = i.lane, gateways = i.gateways,
        account_pin = i.account_pin, priority = i.priority, webhook_url = i.webhook_url, metadata = i.metadata,
        tags = i.tags, estimate = i.estimate, prices = i.prices, least_price = i.least_price,
        price_currency = i.price_currency,
        draft_of = (i.draft->>'job_id')::uuid, draft_task_id = i.draft->>'task_id', draft_model = i.draft->>'model',
        draft_ends_at = (i.draft->>'ends_at')::timestamptz,
        deadline_at = coalesce(i.deadline_at, now() + make_interval(secs => i.deadline_s), j.deadline_at),
        claim = {NEXT_CLAIM}, account = NULL, barred_accounts = '{{}}', updated_at = now(),
        reason = CASE WHEN j.reason = 'kept_back' THEN j.reason END,
        due_at = CASE WHEN j.reason = 'kept_back' THEN j.due_at
                      ELSE least(j.created_at, (i.draft->>'ends_at')::timestamptz - interval '30 days') END
    FROM input i, held h WHERE j.id = i.id AND h.id = j.id
    RETURNING j.id, i.detail
), logged AS (
    INSERT INTO job_events (job_id, source, target, reason, detail, actor)
    SELECT id, 'queued', 'queued', 'changed', nullif(detail, 'null'), %(actor)s::text FROM changed
)
SELECT id FROM changed
"""  # noqa: S608 - put together from constants
_NOTE: LiteralString = """
INSERT INTO job_events (job_id, source, target, reason, detail, actor)
SELECT id, state, state, %(reason)s::text, %(detail)s::jsonb, %(actor)s::text FROM jobs WHERE id = ANY(%(ids)s)
"""


def change_queued(conn: Connection, jobs: Sequence[NewJob]) -> set[UUID]:
    """Give queued jobs, by their ids, the request, the draft and the fields of these; returns those that were changed.
    A job that was submitted since, or may have been, stays as it is. A deadline that is not given stays too.

    Raises:
        PurseExhausted: the jobs now cost more than the purse that pays for them still has; the caller must not commit.
        UploadUnknown: a job now names a file that its tenant does not have; likewise.
    """
    if not jobs:
        return set()
    changed = {row[0] for row in conn.execute(_CHANGE, {"jobs": dumps(list(jobs)), "actor": current_actor()})}
    recharge(conn, [charge_of(job) for job in jobs if job.id in changed])
    use_uploads(conn, [(job.id, job.tenant, job.request) for job in jobs if job.id in changed])
    return changed


def note_decision(conn: Connection, job_ids: Sequence[UUID], reason: Reason, detail: Mapping[str, Any]) -> None:
    """Write what the current actor decided about jobs into their timelines."""
    if job_ids:
        values = {"ids": list(job_ids), "reason": reason, "detail": dumps(dict(detail)), "actor": current_actor()}
        conn.execute(_NOTE, values)
