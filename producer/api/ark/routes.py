"""`/api/v3/contents/generations/tasks`: Ark's own API, so that its clients work. docs/ark.md is the guide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api.ark.answered import note_known, note_same_connection, remember
from producer.api.ark.bodies import ark_body
from producer.api.ark.listing import read_query
from producer.api.ark.making import AskedTask, make
from producer.api.jobs.routes import with_key
from producer.errors import JobNotFound, NotPossible
from producer.http import ark_errors
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.operator_actions import job_actions
from producer.operator_actions.deletion import delete
from seedance.problems import shorten
from storage.database import Connection
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.reporting.ark_tasks import LINK_S, Link, ark_document, facts_of, list_tasks

PATH = f"{ark_errors.BELOW}contents/generations/tasks"


def ark_routes(service: Service) -> APIRouter:
    """The routes of Ark's `content_generation.tasks`. Ark's own documents describe them, not ours."""
    router = APIRouter(include_in_schema=False)

    async def show(request: Request, find: Callable[[Connection, Link], dict[str, Any]]) -> Response:
        link = await _links(service, request)
        return answer(await service.read(lambda conn: find(conn, link)))

    @router.post(PATH)
    async def create(request: Request) -> Response:
        """Store a job for a task."""
        await note_same_connection(service, request)
        async with ark_body(request, service) as body:
            key = with_key({}, request).get("idempotency_key")
            asked = AskedTask(body, key, principal_of(request).key_id)
            producer = service.producer_for(request)
            await service.count_job(request)
            job, created = await service.run_upload(lambda: make(service, producer, asked))
        remember(request, job.idempotency_key)
        shown = {"id": str(job.id)}
        if identifier := body.get("safety_identifier"):
            shown["safety_identifier"] = identifier
        return answer(shown, headers={} if created else {"Idempotency-Replayed": "true"})

    @router.get(PATH)
    async def list_all(request: Request) -> Response:
        """List the tenant's tasks of the last seven days, however they were enqueued, newest first."""
        await note_same_connection(service, request)
        tenant = principal_of(request).tenant
        wanted, offset, limit = read_query(request, tenant, service.producer_for(request).settings.accounts)

        def find(conn: Connection, link: Link) -> dict[str, Any]:
            ids, total = list_tasks(conn, wanted, offset=offset, limit=limit) if wanted is not None else ([], 0)
            jobs, facts = queries.get_jobs(conn, tenant, ids), facts_of(conn, ids)
            found = [jobs[job_id] for job_id in ids if job_id in jobs]
            return {"total": total, "items": [ark_document(job, facts.get(job.id, {}), link) for job in found]}

        return await show(request, find)

    @router.get(f"{PATH}/{{task_id}}")
    async def get(request: Request, task_id: str) -> Response:
        """Return one task."""
        await note_same_connection(service, request)
        tenant, wanted = principal_of(request).tenant, _as_id(task_id)

        def find(conn: Connection, link: Link) -> dict[str, Any]:
            job = _find(conn, tenant, wanted)
            facts = facts_of(conn, [wanted]).get(wanted, {})
            note_known(conn, tenant, job, facts)
            return ark_document(job, facts, link)

        return await show(request, find)

    _remove_route(router, service)
    return router


def _remove_route(router: APIRouter, service: Service) -> None:
    @router.delete(f"{PATH}/{{task_id}}")
    async def remove(request: Request, task_id: str) -> Response:
        """Cancel a queued task, or remove the record and the files of one that has ended. A running one is refused."""
        await note_same_connection(service, request)
        tenant, wanted = principal_of(request).tenant, _as_id(task_id)
        database = service.producer.database

        def work() -> None:
            with database.begin() as conn:
                job = _find(conn, tenant, wanted)
                note_known(conn, tenant, job, facts_of(conn, [wanted]).get(wanted, {}))
            if job_actions.cancel_queued(database, tenant, wanted):
                return
            with database.begin() as conn:
                job = _find(conn, tenant, wanted)
            if not job.terminal:
                raise NotPossible(job.id, "is running and cannot be deleted")
            if job.state is not JobState.CANCELLED:  # Ark keeps the record of a cancelled task
                delete(database, service.objects, tenant, wanted)

        await service.run(work)
        return answer({})


async def _links(service: Service, request: Request) -> Link:
    """Links into the bucket where the client can reach it, else to the API, which wants a key."""
    if await service.reach.links_work(request):
        return lambda _job, _what, key: service.objects.link(key, LINK_S)
    base = str(request.base_url).rstrip("/")
    return lambda job, what, _key: f"{base}/v1/jobs/{job}/{what}"


def _find(conn: Connection, tenant: str, job_id: UUID) -> JobView:
    try:
        job = job_actions.get_job(conn, tenant, job_id)
    except JobNotFound:
        raise _unknown(str(job_id)) from None
    if job.deleted_at is not None:
        raise _unknown(str(job_id))
    return job


def _as_id(task_id: str) -> UUID:
    try:
        return UUID(task_id)
    except ValueError:
        raise _unknown(task_id) from None


def _unknown(task_id: str) -> ApiProblem:
    return ApiProblem(404, "NotFound.Task", f"The specified task {shorten(task_id)} is not found")
