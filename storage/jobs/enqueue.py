"""Store new jobs, once per idempotency key."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import psycopg
import uuid_utils.compat
from psycopg import Cursor, Pipeline
from psycopg.generators import send

from storage.actors import key_of
from storage.database import Connection, DatabaseUnavailable
from storage.jobs.records import Enqueued, IdempotencyConflict, NewJob
from storage.jsonb import dumps
from storage.logs.context import about
from storage.logs.story import story
from storage.tenants.purses import Charge, charge
from storage.tracing.spans import is_recording, span
from storage.uploads.uses import use_uploads
from storage.waking.hints import Due, note_due

if TYPE_CHECKING:  # `jobs list` does without it
    from storage.jobs.shown.fresh import FreshViews

log = logging.getLogger("reelq.jobs")

_ENQUEUE_CHUNK = 2_000
_BETWEEN_SENDS = 100
CHANGEABLE = ("webhook_url", "metadata", "tags", "priority")
"""Fields beside the request: the same key with other values is still the same job, which keeps its own."""
REQUEST = "request"


class StoredMeanwhile(DatabaseUnavailable):
    """Jobs with these ids were committed while they were being stored. Try the transaction again: it finds them."""


def new_job_id() -> UUID:
    """A new id. Ids grow with time, so new rows are close together in the index (UUIDv7, RFC 9562)."""
    return uuid_utils.compat.uuid7()


# What many jobs have in common is sent once. A share is served in the order of `due_at`. A final's lies far in the
# past, so that those whose draft dies first come first, before jobs of the same share that have no such end.
_ENQUEUE: LiteralString = """
WITH offers AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(offers)s::jsonb) AS o(
        offer int, lane text, gateways text[], estimate jsonb, prices jsonb, least_price numeric, price_currency text)
), input AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS r(
        id uuid, offer int, tenant text, campaign_id uuid, idempotency_key text, request jsonb, request_hash text,
        account_pin text, priority smallint, deadline_at timestamptz, deadline_s float8, webhook_url text,
        metadata jsonb, tags text[], draft jsonb, actor text, kept_back boolean, detail jsonb, ark jsonb,
        traceparent text)
), stored AS (
    INSERT INTO jobs (id, tenant, campaign_id, idempotency_key, request, request_hash, lane, gateways, account_pin,
                      priority, deadline_at, webhook_url, metadata, tags, estimate, prices, least_price, price_currency,
                      draft_of, draft_task_id, draft_model, draft_ends_at, ark, traceparent, due_at, reason)
    SELECT id, tenant, campaign_id, idempotency_key, request, request_hash, lane, gateways, account_pin, priority,
           coalesce(deadline_at, now() + make_interval(secs => deadline_s)), webhook_url, coalesce(metadata, '{}'),
           coalesce(tags, '{}'), estimate, prices, least_price, price_currency,
           (draft->>'job_id')::uuid, draft->>'task_id', draft->>'model', (draft->>'ends_at')::timestamptz,
           ark, traceparent,
           CASE WHEN kept_back THEN timestamptz '9999-01-01 00:00+00'
                ELSE least(now(), (draft->>'ends_at')::timestamptz - interval '30 days') END,
           CASE WHEN kept_back THEN 'kept_back' END
    FROM input JOIN offers USING (offer)
    ON CONFLICT (tenant, idempotency_key) DO NOTHING
    RETURNING id
), logged AS (
    INSERT INTO job_events (job_id, target, reason, detail, actor)
    SELECT s.id, 'queued', 'enqueued', i.detail, i.actor FROM stored s JOIN input i ON i.id = s.id
)
SELECT i.id FROM input i WHERE i.id NOT IN (SELECT id FROM stored)
"""
_OPTIONAL = (
    "campaign_id",
    "idempotency_key",
    "account_pin",
    "deadline_at",
    "deadline_s",
    "webhook_url",
    "draft",
    "actor",
    "detail",
    "ark",
    "traceparent",
)
"""Fields of a job that are not sent when they are None."""
_NAMES: LiteralString = "SELECT id, name FROM campaigns WHERE id = ANY(%s)"


_BY_KEY: LiteralString = """
SELECT tenant, idempotency_key, id, request_hash, webhook_url, metadata, tags, priority FROM jobs
WHERE (tenant, idempotency_key) IN (SELECT * FROM unnest(%(tenants)s::text[], %(keys)s::text[]))
"""


_ASKED_BEFORE: LiteralString = """
SELECT r.id FROM campaign_rows r
WHERE (r.id, r.campaign_id, r.asked_hash) IN (
    SELECT * FROM unnest(%(ids)s::uuid[], %(campaigns)s::uuid[], %(hashes)s::text[]))
"""


def enqueue_jobs(conn: Connection, jobs: Sequence[NewJob], views: FreshViews | None = None) -> list[Enqueued]:
    """Store jobs, all or none. A job with a known key and the same request gives the earlier job. So does one that is
    `replaceable` with another request, and the row of a campaign whose sheet asks for the same as before; the result
    then `differs` in `REQUEST`. `views`: of new jobs, which are made while PostgreSQL stores others.

    Raises:
        IdempotencyConflict: a key is known with another request; the caller must not commit any of the batch.
        PurseExhausted: the jobs cost more than the purse of the key that enqueues them still has; as before.
        UploadUnknown: a job names a file that its tenant does not have; likewise.
        StoredMeanwhile: an earlier transaction had the same ids, and was committed while this one waited for it.
    """
    fresh, chosen = _distinct(jobs)
    try:
        made = _store(conn, fresh, views)
    except psycopg.errors.UniqueViolation as exc:
        raise StoredMeanwhile("an earlier try has stored these jobs; try again") from exc
    if made:
        note_due(conn, Due.SUBMIT)
    charge(conn, [charge_of(job) for job in made if key_of(job.actor) is not None])
    use_uploads(conn, [(job.id, job.tenant, job.request) for job in made])
    if len(made) == len(jobs):
        return [Enqueued(job.id, created=True) for job in jobs]
    stored = {job.id for job in made}
    known = _known_keys(conn, [key for key, (_, job) in chosen.items() if job.id not in stored])
    others = {
        key: (index, job)
        for key, (index, job) in chosen.items()
        if key in known and known[key][1] != job.request_hash and not job.replaceable
    }
    changed = _changed_since(conn, [(known[key][0], job) for key, (_, job) in others.items()])
    for key, (index, _) in others.items():
        if known[key][0] not in changed:
            raise IdempotencyConflict(key[1], index, known[key][0])
    results = []
    for job in jobs:
        if job.id in stored:
            results.append(Enqueued(job.id, created=True))
            continue
        key = (job.tenant, job.idempotency_key or "")
        if key in known:
            differs = _differing(job, known[key][2:])
            if known[key][1] != job.request_hash:
                differs = (REQUEST, *differs)
            results.append(Enqueued(known[key][0], created=False, differs=differs))
        else:
            first = chosen[key][1]
            values = (first.webhook_url, first.metadata, first.tags, first.priority)
            results.append(Enqueued(first.id, created=False, differs=_differing(job, values)))
    return results


def _distinct(jobs: Sequence[NewJob]) -> tuple[list[NewJob], dict[tuple[str, str], tuple[int, NewJob]]]:
    """The jobs without those that repeat a key; and by tenant and key the first that has it, with its place."""
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
    return fresh, chosen


def _store(conn: Connection, jobs: Sequence[NewJob], views: FreshViews | None) -> list[NewJob]:
    """Send jobs in chunks; returns those whose keys are new. While PostgreSQL stores a chunk, the `views` of its jobs
    are made and the next one is prepared. No answer is read before the last chunk is sent: psycopg waits for all."""
    names, several, made = _names(conn, jobs), len(jobs) > _ENQUEUE_CHUNK, list[NewJob]()
    sent: list[tuple[Sequence[NewJob], Cursor[Any]]] = []
    if views is not None and several:
        views.begin(conn)
    with conn.pipeline() if several and Pipeline.is_supported() else nullcontext():
        for start in range(0, len(jobs), _ENQUEUE_CHUNK):
            chunk = jobs[start : start + _ENQUEUE_CHUNK]
            if is_recording():
                chunk = [_traced(job) for job in chunk]
            parameters = _as_parameters(chunk)
            if several:
                conn.wait(send(conn.pgconn))  # until PostgreSQL takes the one before, so that few wait in memory
            sent.append((chunk, conn.execute(_ENQUEUE, parameters)))
            if views is not None and several:
                _make_views(conn, views, chunk)
        for chunk, cursor in sent:
            known_before = {row[0] for row in cursor}
            new = [job for job in chunk if job.id not in known_before] if known_before else chunk
            _log(new, names)
            made.extend(new)
    return made


def _make_views(conn: Connection, views: FreshViews, chunk: Sequence[NewJob]) -> None:
    """Make the views of a chunk that was sent as far as it fitted into the socket, and send the rest in between."""
    for start in range(0, len(chunk), _BETWEEN_SENDS):
        conn.pgconn.flush()
        views.make(chunk[start : start + _BETWEEN_SENDS])


def _as_parameters(jobs: Sequence[NewJob]) -> dict[str, str]:
    """The parameters of `_ENQUEUE`."""
    # Jobs that were checked together share these objects.
    numbers: dict[tuple[int, int, int, str], int] = {}
    offers: list[dict[str, Any]] = []
    rows = []
    for job in jobs:
        key = (id(job.gateways), id(job.estimate), id(job.prices), job.lane)
        number = numbers.setdefault(key, len(offers))
        if number == len(offers):
            offer = {
                "offer": number,
                "lane": job.lane,
                "gateways": job.gateways,
                "estimate": job.estimate,
                "prices": job.prices,
                "least_price": job.least_price,
                "price_currency": job.price_currency,
            }
            offers.append({name: value for name, value in offer.items() if value is not None})
        row: dict[str, Any] = {
            "id": job.id,
            "offer": number,
            "tenant": job.tenant,
            "request": job.request,
            "request_hash": job.request_hash,
            "priority": job.priority,
        }
        for name in _OPTIONAL:
            if (value := getattr(job, name)) is not None:
                row[name] = value
        if job.metadata:
            row["metadata"] = job.metadata
        if job.tags:
            row["tags"] = job.tags
        if job.kept_back:
            row["kept_back"] = True
        rows.append(row)
    return {"jobs": dumps(rows), "offers": dumps(offers)}


def _names(conn: Connection, jobs: Sequence[NewJob]) -> dict[UUID, str]:
    """The names of the campaigns of these jobs, for the log."""
    campaigns = list({job.campaign_id for job in jobs if job.campaign_id is not None})
    if not campaigns or not log.isEnabledFor(logging.INFO):
        return {}
    return dict(conn.execute(_NAMES, [campaigns]).fetchall())


def _log(made: Sequence[NewJob], names: Mapping[UUID, str]) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    for job in made:
        name = None if job.campaign_id is None else names[job.campaign_id]
        fields = {**job.log_fields, **story(job.id, job.tenant, name, None, None, 0)}
        log.info("job.enqueued job_id=%s", job.id, extra=about(fields))


def _traced(job: NewJob) -> NewJob:
    """The job with a span for its enqueue, below which everything else that is done for it belongs."""
    with span("enqueue", job.traceparent, job_id=str(job.id), tenant=job.tenant) as recorded:
        return replace(job, traceparent=recorded.traceparent)


def _changed_since(conn: Connection, known: Sequence[tuple[UUID, NewJob]]) -> set[UUID]:
    """Known jobs whose sheet asks for the same as when it was read last: a person has changed them since, and that
    stays."""
    asked = [(job_id, job) for job_id, job in known if job.campaign_id is not None and job.asked_hash is not None]
    if not asked:
        return set()
    parameters = {
        "ids": [job_id for job_id, _ in asked],
        "campaigns": [job.campaign_id for _, job in asked],
        "hashes": [job.asked_hash for _, job in asked],
    }
    return {row[0] for row in conn.execute(_ASKED_BEFORE, parameters)}


def charge_of(job: NewJob) -> Charge:
    """The most that a job costs, by currency: at its dearest account, because any may serve it. A currency in which one
    of them has no known price is missing."""
    prices = list((job.prices or {}).values())
    currencies = set(prices[0]).intersection(*prices) if prices else set[str]()
    return Charge(
        job.id, key_of(job.actor), {name: max(Decimal(str(of[name])) for of in prices) for name in currencies}
    )


def _differing(job: NewJob, earlier: Sequence[Any]) -> tuple[str, ...]:
    own = (job.webhook_url, job.metadata, list(job.tags), job.priority)
    theirs = (earlier[0], earlier[1], list(earlier[2]), earlier[3])
    return tuple(name for name, one, other in zip(CHANGEABLE, own, theirs, strict=True) if one != other)


def _known_keys(conn: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    if not keys:
        return {}
    parameters = {"tenants": [tenant for tenant, _ in keys], "keys": [key for _, key in keys]}
    return {(row[0], row[1]): tuple(row[2:]) for row in conn.execute(_BY_KEY, parameters)}
