"""`/v1/jobs/{id}/attempts`: what was sent for a job, and why it waits."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api.openapi.document import problems
from producer.api.resources.attempts import AttemptResource, JobAttempts, WaitResource
from producer.client import as_job_id
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.service import Service
from producer.operator_actions.job_actions import get_job
from producer.operator_actions.waiting import why_it_waits
from storage.database import Connection
from storage.jobs import history


def job_detail_routes(service: Service) -> APIRouter:
    """The route of a job's attempts."""
    router = APIRouter(tags=["jobs"])

    @router.get(
        "/v1/jobs/{job_id}/attempts",
        response_model=JobAttempts,
        response_description="The attempts so far, and why the job waits now.",
        responses=problems(404, 422, 503),
    )
    async def attempts(request: Request, job_id: str) -> Response:
        """Return every attempt of a job, each of them one request to a gateway, and all reasons why the job waits."""
        wanted, tenant = as_job_id(job_id), principal_of(request).tenant

        def ask(conn: Connection) -> JobAttempts:
            job = get_job(conn, tenant, wanted)
            made = [AttemptResource.of(row) for row in history.attempts_of(conn, wanted)]
            waits = [WaitResource.of(item) for item in why_it_waits(conn, service.settings, job)]
            return JobAttempts(data=made, waits=waits)

        return answer(await service.read(ask))

    return router
