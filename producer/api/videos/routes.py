"""`/v1/videos`: the OpenAI Videos API, so that OpenAI's own clients work. docs/openai.md is the guide."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.jobs.files import file_answers, job_file
from producer.api.jobs.routes import with_key
from producer.api.openapi.document import IDEMPOTENCY_KEY, form_or_json_body, headers, problems
from producer.api.videos.fields import from_form
from producer.api.videos.making import Asked, Kind, as_video_id, get_video, make, no_video
from producer.api.videos.progress import Progress
from producer.api.videos.request_bodies import (
    EditedVideo,
    EditedVideoForm,
    ExtendedVideo,
    ExtendedVideoForm,
    NewVideo,
    NewVideoForm,
    RemixedVideo,
)
from producer.api.videos.resource import DeletedVideo, VideoPage, VideoResource, as_video
from producer.errors import JobNotFound
from producer.http.answers import answer
from producer.http.bodies import json_object, media_type
from producer.http.doors.auth import principal_of
from producer.http.forms import FormFile, nested, read_form
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.operator_actions.deletion import delete
from storage.jobs import queries
from storage.jobs.records import JobView

MAX_PAGE = 100
_FILES: Mapping[str, str] = {"video": "video", "thumbnail": "poster"}
_FORM = "multipart/form-data"


def video_routes(service: Service) -> APIRouter:
    """The routes of OpenAI's `videos`."""
    router, progress = APIRouter(tags=["videos"]), Progress(service)
    _making_routes(router, service, progress)
    _list_route(router, service, progress)
    _one_video_routes(router, service, progress)
    return router


def _making_routes(router: APIRouter, service: Service, progress: Progress) -> None:
    async def made(request: Request, kind: Kind, source: UUID | None = None) -> Response:
        async with _body(request, service) as given:
            asked = Asked(kind, with_key(given, request), _repetition(request), source)
            producer = service.producer_for(request)
            await service.count_job(request)
            run = service.run_upload if _has_files(given) else service.run
            job, created = await run(lambda: make(service, producer, asked))
        sent = {"Location": f"/v1/videos/{job.id}"}
        if not created:
            sent["Idempotency-Replayed"] = "true"
        return await _shown(progress, job, sent)

    @router.post("/v1/videos", **_making(form_or_json_body(NewVideo, NewVideoForm), 409))
    async def create(request: Request) -> Response:
        """Store a job for one video. Besides OpenAI's own fields, every field of docs/jobs.md may be given."""
        return await made(request, "create")

    @router.post("/v1/videos/edits", **_making(form_or_json_body(EditedVideo, EditedVideoForm), 404, 409))
    async def edit(request: Request) -> Response:
        """Store a job that edits a video, at an account whose gateway can."""
        return await made(request, "edit")

    @router.post("/v1/videos/extensions", **_making(form_or_json_body(ExtendedVideo, ExtendedVideoForm), 404, 409))
    async def extend(request: Request) -> Response:
        """Store a job that continues a video, at an account whose gateway can."""
        return await made(request, "extend")

    @router.post("/v1/videos/{video_id}/remix", **_making(form_or_json_body(RemixedVideo), 404, 409))
    async def remix(request: Request, video_id: str) -> Response:
        """Store a job that makes a completed video again with another prompt: an edit; all else stays the same."""
        return await made(request, "remix", as_video_id(video_id))

    @router.post("/v1/videos/characters", include_in_schema=False)
    @router.get("/v1/videos/characters/{character_id}", include_in_schema=False)
    async def characters() -> Response:
        """Refuse OpenAI's characters: Seedance takes pictures of a character as references."""
        advice = "Give pictures of the character as reference_images, or an asset as asset://ID."
        raise ApiProblem(404, "not_supported", "characters are not supported", advice=advice)


def _list_route(router: APIRouter, service: Service, progress: Progress) -> None:
    @router.get(
        "/v1/videos",
        response_model=VideoPage,
        response_description="One page of videos.",
        responses=problems(404, 422, 503),
    )
    async def list_videos(
        request: Request,
        after: Annotated[str | None, Query(description="`last_id` of the previous page.", max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Videos per page.")] = 20,
        order: Annotated[Literal["asc", "desc"], Query(description="By creation time.")] = "desc",
    ) -> Response:
        """List videos, newest first. Every job is a video, however it was enqueued."""
        last = None if after is None else as_video_id(after)
        wanted = queries.JobFilter(principal_of(request).tenant, deleted=False)
        if order == "desc":
            found = await service.read(lambda conn: queries.page_of_jobs(conn, wanted, before=last, limit=limit + 1))
        else:
            found = await service.read(lambda conn: queries.jobs_in_order(conn, wanted, after=last, limit=limit + 1))
        await progress.refresh()
        data = [as_video(job, progress) for job in found[:limit]]
        first, last_id = (data[0].id, data[-1].id) if data else (None, None)
        more = len(found) > limit
        return answer(VideoPage(object="list", data=data, has_more=more, first_id=first, last_id=last_id))


def _one_video_routes(router: APIRouter, service: Service, progress: Progress) -> None:
    @router.get(
        "/v1/videos/{video_id}",
        response_model=VideoResource,
        response_description="The video.",
        responses=problems(404, 422, 503),
    )
    async def retrieve(request: Request, video_id: str) -> Response:
        """Return one video. The header `openai-poll-after-ms` says when to ask again."""
        producer = service.producer_for(request)
        return await _shown(progress, await service.run(lambda: get_video(producer, video_id)))

    @router.delete(
        "/v1/videos/{video_id}",
        response_model=DeletedVideo,
        response_description="The video and its files are removed.",
        responses=problems(404, 409, 422, 503),
    )
    async def delete_video(
        request: Request,
        video_id: str,
        discard: Annotated[bool, Query(description="Also a video that was submitted and will be billed.")] = False,
    ) -> Response:
        """Remove a video and its files for good. A queued one is cancelled, which is free."""
        wanted = as_video_id(video_id)
        producer = service.producer_for(request)
        try:
            await service.run(
                lambda: delete(producer.database, service.objects, producer.tenant, wanted, discard=discard)
            )
        except JobNotFound:
            raise no_video(video_id) from None
        return answer(DeletedVideo(id=wanted, object="video.deleted", deleted=True))

    @router.head("/v1/videos/{video_id}/content", include_in_schema=False)
    @router.get("/v1/videos/{video_id}/content", **file_answers("video/mp4", "image/jpeg"))
    async def content(
        request: Request,
        video_id: str,
        variant: Annotated[
            Literal["video", "thumbnail", "spritesheet"],
            Query(
                description="`video`: the MP4. `thumbnail`: its first frame as a JPEG. `spritesheet`: not supported."
            ),
        ] = "video",
    ) -> Response:
        """Send the video or its first frame; `Range` is obeyed."""
        # No redirect: clients take their key along, and stores refuse a request with two signatures.
        if variant not in _FILES:
            detail = f"variant: {variant} is not supported; use video or thumbnail"
            raise ApiProblem(422, "not_supported", detail, param="variant")
        producer = service.producer_for(request)
        job = await service.run(lambda: get_video(producer, video_id))
        return await job_file(service, request, job.id, _FILES[variant], proxy=True)


async def _shown(progress: Progress, job: JobView, sent: Mapping[str, str] | None = None) -> Response:
    await progress.refresh()
    more = {} if job.terminal else {"openai-poll-after-ms": str(progress.ask_again_ms(job))}
    return answer(as_video(job, progress), headers={**(sent or {}), **more})


def _making(body: dict[str, Any], *more: int) -> dict[str, Any]:
    """What the routes that store a job declare; `more`: errors that not every one of them has."""
    return {
        "response_model": VideoResource,
        "response_description": "The video. `Idempotency-Replayed: true`: it was stored before, under its key.",
        "responses": problems(413, 415, 422, 429, 503, *more),
        "openapi_extra": headers(IDEMPOTENCY_KEY) | body,
    }


@asynccontextmanager
async def _body(request: Request, service: Service) -> AsyncIterator[dict[str, Any]]:
    """The fields of a form or of JSON; files of a form exist until the end."""
    if media_type(request) != _FORM:
        yield await json_object(request)
        return
    async with read_form(request, service.uploads) as form:
        pairs = [*form.values, *((file.name, file) for file in form.files)]
        yield from_form(nested(pairs))


def _has_files(given: Mapping[str, Any]) -> bool:
    """Whether there are files to check: in fields, in lists, or in the members of a reference."""
    for value in given.values():
        members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        if any(isinstance(item, FormFile) or (isinstance(item, str) and item[:5] == "data:") for item in members):
            return True
    return False


def _repetition(request: Request) -> int | None:
    """How often the client has sent this before; None if it does not say."""
    said = request.headers.get("x-stainless-retry-count", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 6 else None
