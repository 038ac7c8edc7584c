"""`/v1/jobs`: enqueue, look, wait, decide."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BeforeValidator
from starlette.responses import RedirectResponse, Response

from producer.api import documents as docs
from producer.client import as_job_id
from producer.errors import NotPossible
from producer.http.auth import principal_of, require_scope
from producer.http.bodies import json_object
from producer.http.events import rung
from producer.http.paging import cursor_id
from producer.http.problems import ApiProblem
from producer.http.resources import answer, as_resource, shortened
from producer.http.service import Service
from producer.operator_actions import job_actions
from producer.operator_actions.waiting import with_obstacles
from storage.database import Database
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.tenants.keys import Scope

MAX_WAIT_S = 60.0
MAX_PAGE = 200
LINK_S = 3600.0
_FALLBACK_S = 5.0
"""A long poll looks again after this long even when no bell rang."""

LongPoll = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Answer after so many seconds at the latest.")
]
Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the page before.", max_length=64, json_schema_extra={"pattern": "^[0-9a-f]{32}$"}
    ),
]


def _written_out(value: str) -> str:
    if value.replace(".", "", 1).removeprefix("-").isdecimal():  # pydantic would take it for seconds since 1970
        raise ValueError("must be an instant such as 2030-01-31T18:00:00+08:00")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Jobs a page.")]


def job_routes(service: Service) -> APIRouter:
    """The routes of single jobs and the list."""
    router = APIRouter(tags=["jobs"])

    @router.post("/v1/jobs", status_code=202, **docs.ENQUEUE)
    async def enqueue(request: Request) -> Response:
        """Store one job. Once this is answered, the job reaches a terminal state without anybody's help."""
        fields = with_key(await json_object(request), request.headers.get("idempotency-key"))
        producer = service.producer_for(request)
        await service.count_job(request)
        job, created = await service.together.enqueue(producer, fields)
        return _accepted(job, created)

    @router.get("/v1/jobs", **docs.LIST)
    async def list_jobs(
        request: Request,
        state: Annotated[list[JobState] | None, Query(description="One or several.")] = None,
        campaign: str | None = None,
        tag: Annotated[list[str] | None, Query(description="A job must have every one.", max_length=50)] = None,
        account: str | None = None,
        idempotency_key: str | None = None,
        created_after: Instant | None = None,
        created_before: Instant | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Jobs, the newest first. Data URIs in their requests are cut short here; a job by itself has them whole."""
        wanted = queries.JobFilter(
            principal_of(request).tenant,
            state,
            campaign,
            account,
            tuple(tag or ()),
            idempotency_key,
            created_after,
            created_before,
        )
        before = cursor_id(cursor)
        found = await service.read(
            lambda conn: with_obstacles(
                conn, service.settings, queries.page_of_jobs(conn, wanted, before=before, limit=limit + 1)
            )
        )
        page = found[:limit]
        following = page[-1].id.hex if len(found) > limit else None
        headers = {}
        if following is not None:
            kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
            headers["Link"] = f'<{request.url.path}?{urlencode([*kept, ("cursor", following)])}>; rel="next"'
        body = {"data": [shortened(as_resource(job)) for job in page], "next_cursor": following}
        return answer(body, headers=headers)

    @router.get("/v1/jobs/{job_id}", **docs.GET)
    async def get_job(request: Request, job_id: str, wait: LongPoll = 0.0) -> Response:
        """A job as it stands. With `wait`, the answer comes once it is terminal or held as unconfirmed, or, with
        `If-None-Match`, once it is another than the one known; at the latest after so many seconds."""
        wanted = as_job_id(job_id)
        known = request.headers.get("if-none-match")
        tenant = principal_of(request).tenant
        job, etag, body = await _current(service, tenant, wanted)
        if wait > 0 and not _is_news(job, etag, known):
            job, etag, body = await _wait(service, tenant, wanted, known, wait)
        headers = {"ETag": etag, "Cache-Control": "no-cache"} | retry_after(job)
        if matches(known, etag):
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, "application/json")

    @router.post("/v1/jobs/{job_id}/cancel", **docs.CANCEL)
    async def cancel(request: Request, job_id: str) -> Response:
        """Give a job up: free while it is queued, and where its gateway has not begun it and can cancel. `discard` also
        gives up one that was submitted and will be billed. 202: a worker asks the gateway now."""
        options = await json_object(request, known=("discard",), empty=True)
        discard = boolean(options, "discard")
        producer = service.producer_for(request)
        job = await service.run(lambda: producer.cancel(job_id, discard=discard))
        return answer(as_resource(job), 200 if job.terminal else 202, retry_after(job))

    @router.post("/v1/jobs/{job_id}/retry", status_code=202, **docs.RETRY)
    async def retry(request: Request, job_id: str) -> Response:
        """Enqueue a failed or cancelled job again, as a new one whose metadata names the old one as `retry_of`. Asked
        again, the same retry is given back."""
        wanted, tenant = as_job_id(job_id), principal_of(request).tenant
        database = service.producer.database
        await service.count_job(request)
        job, created = await service.run(lambda: job_actions.retry(database, service.settings, tenant, wanted))
        return _accepted(job, created)

    @router.post("/v1/jobs/{job_id}/resolve", **docs.RESOLVE)
    async def resolve(request: Request, job_id: str) -> Response:
        """Say what became of an unconfirmed job, after a look at the gateway."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        wanted = as_job_id(job_id)
        options = await json_object(request, known=("action", "task_id"))
        decide = _resolution(options)
        job = await service.run(lambda: decide(service.producer.database, tenant, wanted))
        return answer(as_resource(job), headers=retry_after(job))

    @router.get("/v1/jobs/{job_id}/video", status_code=302, **docs.FILE)
    async def video(request: Request, job_id: str) -> Response:
        """The video: a redirect to a link that works for an hour."""
        return await redirect(service, principal_of(request).tenant, as_job_id(job_id), "video")

    @router.get("/v1/jobs/{job_id}/poster", status_code=302, **docs.FILE)
    async def poster(request: Request, job_id: str) -> Response:
        """The first frame as a JPEG: a redirect as for the video."""
        return await redirect(service, principal_of(request).tenant, as_job_id(job_id), "poster")

    @router.get("/v1/jobs/{job_id}/last-frame", status_code=302, **docs.FILE)
    async def last_frame(request: Request, job_id: str) -> Response:
        """The last frame, if the job asked for it: a redirect as for the video."""
        return await redirect(service, principal_of(request).tenant, as_job_id(job_id), "last-frame")

    return router


# --- enqueue ---------------------------------------------------------------------------------------------------------


def with_key(fields: dict[str, Any], header: str | None) -> dict[str, Any]:
    """The fields with the key of an Idempotency-Key header, if there is one.

    Raises:
        ApiProblem: the body has another key.
    """
    if header is None:
        return fields
    # The header's draft writes the key as a quoted string, most clients write it bare.
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if fields.get("idempotency_key") not in (None, key):
        detail = "the Idempotency-Key header and the body's idempotency_key differ; give one of them"
        raise ApiProblem(422, "invalid_request", detail, param="idempotency_key")
    return fields | {"idempotency_key": key}


def _accepted(job: JobView, created: bool) -> Response:
    headers = {"Location": f"/v1/jobs/{job.id}"} | retry_after(job)
    if not created:
        headers["Idempotency-Replayed"] = "true"
    return answer(as_resource(job), 202, headers)


def retry_after(job: JobView) -> dict[str, str]:
    """When it is worth looking at a job again: soon while it is copied, later while it is generated."""
    seconds = {JobState.TRANSFERRING: 1, JobState.UNCONFIRMED: 30}.get(job.state, 5)
    return {} if job.terminal else {"Retry-After": str(seconds)}


# --- look ------------------------------------------------------------------------------------------------------------


def matches(known: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this version."""
    if known is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return "*" in tags or etag in tags


async def _current(service: Service, tenant: str, job_id: UUID) -> tuple[JobView, str, bytes]:
    [job] = await service.read(
        lambda conn: with_obstacles(conn, service.settings, [job_actions.get_job(conn, tenant, job_id)])
    )
    body = orjson.dumps(as_resource(job))
    return job, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', body


def _is_news(job: JobView, etag: str, known: str | None) -> bool:
    if known is not None:
        return not matches(known, etag)
    return job.terminal or (job.state is JobState.UNCONFIRMED and job.reason == "held")


async def _wait(
    service: Service, tenant: str, job_id: UUID, known: str | None, wait_s: float
) -> tuple[JobView, str, bytes]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    with service.hub.watch(job_id) as bell:
        while True:
            found = await _current(service, tenant, job_id)
            left = deadline - loop.time()
            if left <= 0 or _is_news(found[0], found[1], known):
                return found
            await rung(bell, min(left, _FALLBACK_S))


# --- decide ----------------------------------------------------------------------------------------------------------


def boolean(options: dict[str, Any], name: str) -> bool:
    """An option that is true or false, and false when it is left out.

    Raises:
        ApiProblem: it is something else.
    """
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise ApiProblem(422, "invalid_request", f"{name}: must be true or false", param=name)
    return value


def _resolution(options: dict[str, Any]) -> Callable[[Database, str, UUID], JobView]:
    action, task_id = options.get("action"), options.get("task_id")
    if (action == "adopt") != (task_id is not None):
        raise ApiProblem(422, "invalid_request", "task_id: is needed to adopt, and only then", param="task_id")
    match action:
        case "adopt" if isinstance(task_id, str) and 0 < len(task_id) <= 200:
            return lambda database, tenant, job_id: job_actions.adopt(database, tenant, job_id, task_id)
        case "adopt":
            raise ApiProblem(422, "invalid_request", "task_id: must be 1 to 200 characters", param="task_id")
        case "resubmit":
            return job_actions.resubmit
        case "abandon":
            return job_actions.abandon
    raise ApiProblem(422, "invalid_request", "action: must be adopt, resubmit or abandon", param="action")


# --- files -----------------------------------------------------------------------------------------------------------


async def redirect(service: Service, tenant: str, job_id: UUID, what: str) -> Response:
    """A redirect to a link to one of a job's files: its video, poster or last-frame.

    Raises:
        JobNotFound: the tenant has none of that id.
        NotPossible: it has no such file, or not yet, or not any more.
    """

    def link() -> str:
        with service.producer.database.begin() as conn:
            job = job_actions.get_job(conn, tenant, job_id)
        keys = {"video": job.object_key, "poster": job.poster_key, "last-frame": job.last_frame_key}
        key = keys[what] if job.state is JobState.SUCCEEDED else None
        if key is None:
            raise NotPossible(job_id, _why_not(job, what))
        return service.objects.link(key, LINK_S)

    return RedirectResponse(await service.run(link), 302, {"Cache-Control": "no-store"})


def _why_not(job: JobView, what: str) -> str:
    if job.deleted_at is not None:
        return f"was deleted, and its {what} with it"
    if job.state is JobState.SUCCEEDED:
        return f"has no {what}"
    return f"is {job.state}; it has no {what}" + ("" if job.terminal else " yet")
