"""`/v1/jobs`: enqueue, look up, wait, and decide about jobs. `files` has the routes of their files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from producer.api.openapi.document import IDEMPOTENCY_KEY, IF_NONE_MATCH, also, headers, job_body, json_body, problems
from producer.api.parameters import Cursor, Instant
from producer.api.request_bodies import CancelBody, FinalizeBody, ResolveBody
from producer.api.resources.jobs import JobPage, JobResource, as_resource, shortened
from producer.campaigns.names import MAX_NAME_CHARS
from producer.client import as_job_id
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import is_still_allowed, principal_of, require_scope, unauthorized
from producer.http.events import rung
from producer.http.leaving import ringing_when_left
from producer.http.paging import cursor_id
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.intake.job_spec import MAX_ACCOUNT_CHARS, MAX_KEY_CHARS, MAX_TAG_CHARS, MAX_TAGS, parse_job
from producer.operator_actions import job_actions
from producer.operator_actions.adoption import adopt_checked
from producer.operator_actions.finals import finalize
from producer.operator_actions.waiting import with_obstacles
from storage.database import Connection, Database
from storage.jobs import queries, search
from storage.jobs.enqueue import CHANGEABLE
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.keys import Scope

MAX_WAIT_S = 60.0
MAX_PAGE = 200
_FALLBACK_S = 5.0
"""A long poll reads the job again after this long even if no bell rang."""

LongPoll = Annotated[
    float,
    Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Wait for news for at most this many seconds."),
]
Tag = Annotated[str, Field(max_length=MAX_TAG_CHARS)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Jobs per page.")]


def job_routes(service: Service) -> APIRouter:
    """The routes of single jobs and the list."""
    router = APIRouter(tags=["jobs"])
    _enqueue_routes(router, service)
    _look_routes(router, service)
    _decide_routes(router, service)
    return router


def _enqueue_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/jobs",
        status_code=202,
        response_model=JobResource,
        response_description="The job is stored. `Idempotency-Replayed: true`: it was stored before, under its key.",
        responses=problems(413, 415, 422, 429, 503),
        openapi_extra=headers(IDEMPOTENCY_KEY) | job_body(),
    )
    async def enqueue(request: Request) -> Response:
        """Store one job. A stored job always reaches a terminal state."""
        fields = with_key(await bodies.json_object(request), request)
        producer = service.producer_for(request)
        await service.count_job(request)
        job, created = await service.together.enqueue(producer, fields)
        return _accepted(job, created, () if created else differing(job, fields))

    @router.post(
        "/v1/jobs/{job_id}/retry",
        status_code=202,
        response_model=JobResource,
        response_description="The new job.",
        responses=problems(404, 409, 422, 429, 503),
    )
    async def retry(request: Request, job_id: str) -> Response:
        """Enqueue a failed or cancelled job again, as a new job whose metadata names the old one as `retry_of`. The
        same request again returns the same new job."""
        wanted, tenant = as_job_id(job_id), principal_of(request).tenant
        database = service.producer.database
        await service.count_job(request)
        job, created = await service.run(
            lambda: job_actions.retry(database, service.settings_for(tenant), tenant, wanted)
        )
        return _accepted(job, created)

    @router.post(
        "/v1/jobs/{job_id}/finalize",
        status_code=202,
        response_model=JobResource,
        response_description="The final, a job of its own. `Idempotency-Replayed: true`: it was stored before.",
        responses=problems(404, 409, 413, 415, 422, 429, 503),
        openapi_extra=headers(IDEMPOTENCY_KEY) | json_body(FinalizeBody, required=False),
    )
    async def finalize_job(request: Request, job_id: str) -> Response:
        """Make the final video of a draft, as a new job that names it in `draft_of`. Only a draft that has succeeded
        can be made final, until its `draft_ends_at`. The final runs at the draft's account."""
        options = await bodies.json_body(request, FinalizeBody, empty=True)
        wanted = with_key(options.wanted(), request)
        producer = service.producer_for(request)
        await service.count_job(request)
        job, created = await service.run(
            lambda: finalize(producer, producer.get(job_id), wanted, regenerate=options.regenerate)
        )
        return _accepted(job, created)


def _look_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/jobs", response_model=JobPage, response_description="One page of jobs.", responses=problems(422, 503)
    )
    async def list_jobs(
        request: Request,
        state: Annotated[
            list[JobState] | None, Query(max_length=len(JobState), description="Any of these states.")
        ] = None,
        campaign: Annotated[str | None, Query(max_length=MAX_NAME_CHARS, description="The name of a campaign.")] = None,
        tag: Annotated[list[Tag] | None, Query(description="All of these tags.", max_length=MAX_TAGS)] = None,
        account: Annotated[
            str | None, Query(max_length=MAX_ACCOUNT_CHARS, description="The name of an account.")
        ] = None,
        idempotency_key: Annotated[
            str | None, Query(max_length=MAX_KEY_CHARS, description="The job's own key.")
        ] = None,
        id_prefix: Annotated[
            str | None,
            Query(min_length=1, max_length=36, description="Only ids that begin so; other filters do not count then."),
        ] = None,
        created_after: Annotated[Instant | None, Query(description="Created then or later.")] = None,
        created_before: Annotated[Instant | None, Query(description="Created before then.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """List jobs, newest first. Data URIs in their requests are cut short; `GET /v1/jobs/{job_id}` has them
        whole. A page that is filtered by account or by time may have fewer jobs than `limit`, or none: the last page is
        the one without `next_cursor`."""
        tenant = principal_of(request).tenant
        wanted = queries.JobFilter(
            tenant,
            state,
            campaign,
            account,
            tuple(tag or ()),
            idempotency_key,
            created_after,
            created_before,
        )
        before = cursor_id(cursor)
        if id_prefix is not None:
            beginning = await service.read(partial(_beginning, wanted.tenant, id_prefix))
            return answer(JobPage([shortened(as_resource(job)) for job in beginning[:limit]], None))
        jobs, next_before = await service.read(partial(_found, service.settings_for(tenant), wanted, before, limit))
        following = None if next_before is None else next_before.hex
        links = {}
        if following is not None:
            kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
            links["Link"] = f'<{request.url.path}?{urlencode([*kept, ("cursor", following)])}>; rel="next"'
        return answer(JobPage([shortened(as_resource(job)) for job in jobs], following), headers=links)

    _one_job_route(router, service)


def _one_job_route(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/jobs/{job_id}",
        response_model=JobResource,
        response_description="The job.",
        responses=also(304, "The job has not changed since the version that you know.") | problems(404, 422, 503),
        openapi_extra=headers(IF_NONE_MATCH),
    )
    async def get_job(request: Request, job_id: str, wait: LongPoll = 0.0) -> Response:
        """Return one job. With `wait`, answer when the job is terminal or held as unconfirmed, or, with
        `If-None-Match`, when it changes; otherwise when the time is over."""
        wanted = as_job_id(job_id)
        known = request.headers.get("if-none-match")
        tenant = principal_of(request).tenant
        job, etag, body = await _current(service, tenant, wanted)
        if wait > 0 and not _is_news(job, etag, known):
            job, etag, body = await _wait(service, request, wanted, known, wait)
        sent = {"ETag": etag, "Cache-Control": "no-cache"} | retry_after(job)
        if matches(known, etag):
            return Response(status_code=304, headers=sent)
        return Response(body, 200, sent, "application/json")


def _decide_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/jobs/{job_id}/cancel",
        response_model=JobResource,
        response_description="The job is cancelled.",
        responses=also(202, "A worker asks the gateway to cancel it.", model=JobResource)
        | problems(404, 409, 413, 415, 422, 503),
        openapi_extra=json_body(CancelBody, required=False),
    )
    async def cancel(request: Request, job_id: str) -> Response:
        """Cancel a job. This is free while the job is queued, or if its gateway has not started it and can cancel. Use
        `discard` to give up a job that was submitted and will be billed."""
        options = await bodies.json_body(request, CancelBody, empty=True)
        producer = service.producer_for(request)
        job = await service.run(lambda: producer.cancel(job_id, discard=options.discard))
        return answer(as_resource(job), 200 if job.terminal else 202, retry_after(job))

    @router.post(
        "/v1/jobs/{job_id}/resolve",
        response_model=JobResource,
        response_description="The job.",
        responses=problems(404, 409, 413, 415, 422, 503),
        openapi_extra=json_body(ResolveBody),
    )
    async def resolve(request: Request, job_id: str) -> Response:
        """Decide about an unconfirmed job, after a look at the gateway. Needs the scope admin."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        wanted = as_job_id(job_id)
        body = await bodies.json_body(request, ResolveBody)
        decide = _decision(body, service.settings)
        run = service.run_batch if body.action == "adopt" else service.run  # the gateway may be asked
        job = await run(lambda: decide(service.producer.database, tenant, wanted))
        return answer(as_resource(job), headers=retry_after(job))


# --- enqueue ---------------------------------------------------------------------------------------------------------


def with_key(fields: dict[str, Any], request: Request) -> dict[str, Any]:
    """The fields with the key of an Idempotency-Key header, if there is one.

    Raises:
        ApiProblem: the body has another key.
    """
    header = request.headers.get("idempotency-key")
    if header is None:
        return fields
    # The header's draft writes the key as a quoted string, most clients write it bare.
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if fields.get("idempotency_key") not in (None, key):
        detail = "the Idempotency-Key header and the body's idempotency_key differ; send only one of them"
        raise ApiProblem(422, "invalid_request", detail, param="idempotency_key")
    return fields | {"idempotency_key": key}


def _accepted(job: JobView, created: bool, differs: Sequence[str] = ()) -> Response:
    sent = {"Location": f"/v1/jobs/{job.id}"} | retry_after(job)
    if not created:
        sent["Idempotency-Replayed"] = "true"
    if differs:
        sent["Idempotency-Differs"] = ", ".join(differs)
    return answer(as_resource(job), 202, sent)


def differing(job: JobView, fields: Mapping[str, Any]) -> list[str]:
    """In which fields, other than the request's own, a job differs from a repetition of its request."""
    given = {name: fields[name] for name in CHANGEABLE if name in fields}
    spec = parse_job(given | {"prompt": job.request["prompt"]}).model_dump(include=set(CHANGEABLE))
    own = {"webhook_url": job.webhook_url, "metadata": job.metadata, "tags": list(job.tags), "priority": job.priority}
    return [name for name in CHANGEABLE if (list(spec[name]) if name == "tags" else spec[name]) != own[name]]


def retry_after(job: JobView) -> dict[str, str]:
    """When to ask for a job again: soon while it is copied, later while it is generated."""
    seconds = {JobState.TRANSFERRING: 1, JobState.UNCONFIRMED: 30}.get(job.state, 5)
    return {} if job.terminal else {"Retry-After": str(seconds)}


# --- look ------------------------------------------------------------------------------------------------------------


def matches(known: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this version."""
    if known is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return "*" in tags or etag in tags


def _beginning(tenant: str, prefix: str, conn: Connection) -> list[JobView]:
    ids = search.by_id(conn, tenant, prefix, MAX_PAGE)
    found = queries.get_jobs(conn, tenant, ids)
    return [found[job_id] for job_id in ids if job_id in found]


def _found(
    settings: Settings, wanted: queries.JobFilter, before: UUID | None, limit: int, conn: Connection
) -> tuple[list[JobView], UUID | None]:
    """A page with what keeps its jobs waiting, and where the next one begins."""
    found = queries.find_page(conn, wanted, before=before, limit=limit)
    return with_obstacles(conn, settings, found.jobs), found.next_before


async def _current(service: Service, tenant: str, job_id: UUID) -> tuple[JobView, str, bytes]:
    [job] = await service.read(
        lambda conn: with_obstacles(conn, service.settings_for(tenant), [job_actions.get_job(conn, tenant, job_id)])
    )
    body = orjson.dumps(as_resource(job))
    return job, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', body


def _is_news(job: JobView, etag: str, known: str | None) -> bool:
    if known is not None:
        return not matches(known, etag)
    return job.terminal or (job.state is JobState.UNCONFIRMED and job.reason == "held")


async def _wait(
    service: Service, request: Request, job_id: UUID, known: str | None, wait_s: float
) -> tuple[JobView, str, bytes]:
    loop = asyncio.get_running_loop()
    deadline, tenant = loop.time() + wait_s, principal_of(request).tenant
    with service.hub.watch(job_id) as bell, ringing_when_left(request, bell) as gone:
        while True:
            found = await _current(service, tenant, job_id)
            left = deadline - loop.time()
            if left <= 0 or gone.is_set() or _is_news(found[0], found[1], known):
                return found
            await rung(bell, min(left, _FALLBACK_S))
            if not await is_still_allowed(request):
                raise unauthorized("the key was revoked or has expired")


# --- decide ----------------------------------------------------------------------------------------------------------


def _decision(body: ResolveBody, settings: Settings) -> Callable[[Database, str, UUID], JobView]:
    match body.action:
        case "resubmit":
            return job_actions.resubmit
        case "abandon":
            return job_actions.abandon
    task_id = body.task_id or ""  # never empty: the body checks it
    if body.unchecked:
        return lambda database, tenant, job_id: job_actions.adopt(database, tenant, job_id, task_id)
    return lambda database, tenant, job_id: adopt_checked(database, settings, tenant, job_id, task_id)
