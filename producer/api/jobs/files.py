"""`/v1/jobs/{id}/video`, `poster` and `last-frame`: links into the bucket, or the files themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from producer.api.openapi.document import also, file_content, problems
from producer.api.resources.jobs import JobResource, as_resource
from producer.client import as_job_id
from producer.errors import NotPossible
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.object_streams import StoredFile
from producer.http.service import Service
from producer.operator_actions import job_actions
from producer.operator_actions.playable import playable_file, want_playable
from storage.bucket.object_headers import readable_name
from storage.jobs.records import JobView
from storage.jobs.states import JobState

LINK_S = 3600.0
COPY_POLL_S = 5

Proxy = Annotated[
    bool | None,
    Query(
        description="`1`: send the file through the API, with `Range`. `0`: redirect to a link into the bucket. Left "
        "out: redirect if you can reach the bucket."
    ),
]

Playable = Annotated[
    bool,
    Query(
        description="`1`: the video as every browser plays it (H.264, AAC, MP4): itself, or else a copy, which is made "
        "if there is none; the answer is 202 until it is ready."
    ),
]


@dataclass(frozen=True, slots=True)
class CopyWaits:
    """A playable copy that is not ready yet."""

    state: Literal["waiting"]
    job_id: UUID


def job_file_routes(service: Service) -> APIRouter:
    """The routes of a job's video, poster and last frame."""
    router = APIRouter(tags=["jobs"])

    a_link = also(302, "A link to the file, which works for an hour.")

    def add(what: str, summary: str, *kinds: str) -> None:
        async def get(request: Request, job_id: str, proxy: Proxy = None) -> Response:
            return await job_file(service, request, as_job_id(job_id), what, proxy=proxy)

        get.__doc__ = summary
        get.__name__ = what.replace("-", "_")
        path = f"/v1/jobs/{{job_id}}/{what}"
        router.add_api_route(path, get, methods=["HEAD"], include_in_schema=False)
        declared = file_answers(*kinds)
        router.add_api_route(path, get, methods=["GET"], **{**declared, "responses": declared["responses"] | a_link})

    _video_routes(router, service, a_link)
    add("poster", "Send the first frame, a JPEG, or redirect to it.", "image/jpeg")
    last_frame = "Send the last frame, if the job asked for `return_last_frame`, or redirect to it."
    add("last-frame", last_frame, "image/png", "image/jpeg")
    return router


def _video_routes(router: APIRouter, service: Service, a_link: dict[int | str, dict[str, Any]]) -> None:
    path = "/v1/jobs/{job_id}/video"

    async def video(request: Request, job_id: str, proxy: Proxy = None, playable: Playable = False) -> Response:
        """Send the video, or redirect to it."""
        wanted = as_job_id(job_id)
        if playable and not await _is_ready(service, request, wanted, again=False):
            return answer(CopyWaits("waiting", wanted), 202, {"Retry-After": str(COPY_POLL_S)})
        return await job_file(service, request, wanted, "playable" if playable else "video", proxy=proxy)

    async def make_playable(request: Request, job_id: str) -> Response:
        """Make a copy of the video that every browser plays, unless there is one or the video is one itself; also after
        that has failed before. `GET /v1/jobs/{job_id}/video?playable=1` sends it."""
        wanted = as_job_id(job_id)
        ready = await _is_ready(service, request, wanted, again=True)
        tenant = principal_of(request).tenant
        job = await service.read(lambda conn: job_actions.get_job(conn, tenant, wanted))
        sent = {} if ready else {"Retry-After": str(COPY_POLL_S)}
        return answer(as_resource(job), 200 if ready else 202, sent)

    router.add_api_route(path, video, methods=["HEAD"], include_in_schema=False)
    declared = file_answers("video/mp4", "video/quicktime")
    waits = also(202, "The playable copy is being made.", model=CopyWaits)
    responses = declared["responses"] | a_link | waits
    router.add_api_route(path, video, methods=["GET"], **{**declared, "responses": responses})
    router.add_api_route(
        "/v1/jobs/{job_id}/playable",
        make_playable,
        methods=["POST"],
        response_model=JobResource,
        response_description="The video, or a copy of it, plays in every browser.",
        responses=also(202, "The copy is being made.", model=JobResource) | problems(404, 409, 422, 503),
    )


async def _is_ready(service: Service, request: Request, job_id: UUID, *, again: bool) -> bool:
    """Whether there is a file that every browser plays; if not, one is wanted from now on."""
    tenant = principal_of(request).tenant

    def ask() -> bool:
        with service.producer.database.begin() as conn:
            return playable_file(want_playable(conn, service.settings, tenant, job_id, again=again)) is not None

    return await service.run(ask)


def file_answers(*kinds: str) -> dict[str, Any]:
    """What a route that sends a file of one of these types declares."""
    return {
        "response_class": Response,
        "response_description": "The file.",
        "responses": also(200, "The file.", content=file_content(*kinds))
        | also(206, "The range of bytes that `Range` asks for.", content=file_content(*kinds))
        | also(304, "The file is still the one that `If-None-Match` names.")
        | problems(404, 409, 416, 422, 503),
    }


async def job_file(service: Service, request: Request, job_id: UUID, what: str, *, proxy: bool | None) -> Response:
    """One of a job's files: its video, playable (the video as every browser plays it), poster or last-frame.

    `proxy`: True sends it, False redirects to it, None decides by whether the client can reach the bucket.

    Raises:
        JobNotFound: the tenant has no job with that id.
        NotPossible: the job has no such file, not yet, or no longer.
        StoreUnavailable: the store does not respond, or refuses.
        ApiProblem: too many files are being sent.
    """
    tenant = principal_of(request).tenant
    as_link = request.method != "HEAD" and (
        await service.reach.links_work(request) if proxy is None else not proxy
    )  # a link is signed for GET

    def find() -> StoredFile | str:
        with service.producer.database.begin() as conn:
            file = _file(job_actions.get_job(conn, tenant, job_id), what)
        if as_link:
            return service.objects.link(file.key, LINK_S)
        service.objects.get_ready()
        return file

    found = await service.run(find)
    if isinstance(found, str):
        return RedirectResponse(found, 302, {"Cache-Control": "no-store"})
    return await service.streams.answer(request, found)


def _file(job: JobView, what: str) -> StoredFile:
    keys = {
        "video": job.object_key,
        "playable": playable_file(job),
        "poster": job.poster_key,
        "last-frame": job.last_frame_key,
    }
    key = keys[what] if job.state is JobState.SUCCEEDED else None
    if key is None:
        raise NotPossible(job.id, _why_not(job, what))
    name = readable_name(job.id, job.campaign, job.idempotency_key, str(job.request.get("prompt", "")))
    part = ".last" if what == "last-frame" else ".playable" if key == job.playable_key else ""
    return StoredFile(key, f"{name}{part}.{key.rpartition('.')[2]}")


def _why_not(job: JobView, what: str) -> str:
    if job.deleted_at is not None:
        return f"was deleted together with its {what}"
    if job.state is JobState.SUCCEEDED:
        return f"has no {what}"
    return f"is {job.state}; it has no {what}" + ("" if job.terminal else " yet")
