"""`/v1/jobs/{id}/video`, `poster` and `last-frame`: redirects to links into the bucket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from producer.api.openapi import problems
from producer.client import as_job_id
from producer.errors import NotPossible
from producer.http.auth import principal_of
from producer.http.service import Service
from producer.operator_actions import job_actions
from storage.jobs.records import JobView
from storage.jobs.states import JobState

LINK_S = 3600.0


def job_file_routes(service: Service) -> APIRouter:
    """The routes of a job's video, poster and last frame."""
    router = APIRouter(tags=["jobs"])
    a_link: dict[str, Any] = {
        "status_code": 302,
        "response_class": RedirectResponse,
        "response_description": "A link to the file, which works for an hour.",
        "responses": problems(404, 409, 422, 503),
    }

    @router.get("/v1/jobs/{job_id}/video", **a_link)
    async def video(request: Request, job_id: str) -> Response:
        """Redirect to the video."""
        return await redirect(service, principal_of(request).tenant, as_job_id(job_id), "video")

    @router.get("/v1/jobs/{job_id}/poster", **a_link)
    async def poster(request: Request, job_id: str) -> Response:
        """Redirect to the first frame, a JPEG."""
        return await redirect(service, principal_of(request).tenant, as_job_id(job_id), "poster")

    @router.get("/v1/jobs/{job_id}/last-frame", **a_link)
    async def last_frame(request: Request, job_id: str) -> Response:
        """Redirect to the last frame, if the job asked for `return_last_frame`."""
        return await redirect(service, principal_of(request).tenant, as_job_id(job_id), "last-frame")

    return router


async def redirect(service: Service, tenant: str, job_id: UUID, what: str) -> Response:
    """A redirect to a link to one of a job's files: its video, poster or last-frame.

    Raises:
        JobNotFound: the tenant has no job with that id.
        NotPossible: the job has no such file, not yet, or no longer.
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
        return f"was deleted together with its {what}"
    if job.state is JobState.SUCCEEDED:
        return f"has no {what}"
    return f"is {job.state}; it has no {what}" + ("" if job.terminal else " yet")
