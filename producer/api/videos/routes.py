"""`/v1/videos`: the OpenAI Videos API, so that OpenAI's own clients work against us. docs/openai.md is the guide."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.jobs import redirect, with_key
from producer.api.videos import documents as docs
from producer.api.videos.fields import from_form
from producer.api.videos.making import Asked, Kind, as_video_id, get_video, make, no_video
from producer.api.videos.progress import Progress
from producer.api.videos.resource import as_video
from producer.errors import JobNotFound
from producer.http.auth import principal_of
from producer.http.bodies import json_object, media_type
from producer.http.forms import FormFile, nested, read_form
from producer.http.problems import ApiProblem
from producer.http.resources import answer
from producer.http.service import Service
from producer.operator_actions.deletion import delete
from storage.jobs import queries
from storage.jobs.records import JobView

MAX_PAGE = 100
_FILES: Mapping[str, str] = {"video": "video", "thumbnail": "poster"}
_FORM = "multipart/form-data"


def video_routes(service: Service) -> APIRouter:
    """The routes of OpenAI's `videos`."""
    router = APIRouter(tags=["videos"])
    progress = Progress(service)

    async def made(request: Request, kind: Kind, source: UUID | None = None) -> Response:
        async with _body(request, service) as given:
            asked = Asked(kind, with_key(given, request.headers.get("idempotency-key")), _repetition(request), source)
            producer = service.producer_for(request)
            await service.count_job(request)
            run = service.run_upload if _has_files(given) else service.run
            job, created = await run(lambda: make(service, producer, asked))
        headers = {"Location": f"/v1/videos/{job.id}"}
        if not created:
            headers["Idempotency-Replayed"] = "true"
        return await shown(job, headers)

    async def shown(job: JobView, headers: Mapping[str, str] | None = None) -> Response:
        await progress.refresh()
        more = {} if job.terminal else {"openai-poll-after-ms": str(progress.ask_again_ms(job))}
        return answer(as_video(job, progress), headers={**(headers or {}), **more})

    @router.post("/v1/videos", **docs.CREATE)
    async def create(request: Request) -> Response:
        """Store a job for one video. Besides OpenAI's own fields, every field of docs/jobs.md may be given."""
        return await made(request, "create")

    @router.post("/v1/videos/edits", **docs.EDIT)
    async def edit(request: Request) -> Response:
        """A video made by editing another one, at an account whose gateway can."""
        return await made(request, "edit")

    @router.post("/v1/videos/extensions", **docs.EXTEND)
    async def extend(request: Request) -> Response:
        """A video that goes on where another one ends, at an account whose gateway can."""
        return await made(request, "extend")

    @router.post("/v1/videos/{video_id}/remix", **docs.REMIX)
    async def remix(request: Request, video_id: str) -> Response:
        """A video made from a completed one by another prompt: an edit, with everything else as it was."""
        return await made(request, "remix", as_video_id(video_id))

    @router.post("/v1/videos/characters", **docs.CHARACTER)
    @router.get("/v1/videos/characters/{character_id}", **docs.CHARACTER)
    async def characters() -> Response:
        """There are none: Seedance takes pictures of a character as references."""
        advice = "Give pictures of the character as reference_images, or an asset as asset://ID."
        raise ApiProblem(404, "not_supported", "there are no characters here", advice=advice)

    @router.get("/v1/videos", **docs.LIST)
    async def list_videos(
        request: Request,
        after: Annotated[str | None, Query(description="The last id of the page before.", max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Videos a page.")] = 20,
        order: Annotated[Literal["asc", "desc"], Query(description="By the time they were asked for.")] = "desc",
    ) -> Response:
        """Videos, the newest first. Every job is one, whichever way it came."""
        last = None if after is None else as_video_id(after)
        wanted = queries.JobFilter(principal_of(request).tenant, deleted=False)
        if order == "desc":
            found = await service.read(lambda conn: queries.page_of_jobs(conn, wanted, before=last, limit=limit + 1))
        else:
            found = await service.read(lambda conn: queries.jobs_in_order(conn, wanted, after=last, limit=limit + 1))
        await progress.refresh()
        data = [as_video(job, progress) for job in found[:limit]]
        ids = [item["id"] for item in data] or [None]
        more = len(found) > limit
        return answer({"object": "list", "data": data, "has_more": more, "first_id": ids[0], "last_id": ids[-1]})

    @router.get("/v1/videos/{video_id}", **docs.GET)
    async def retrieve(request: Request, video_id: str) -> Response:
        """A video as it stands; `openai-poll-after-ms` says when it is worth asking again."""
        producer = service.producer_for(request)
        return await shown(await service.run(lambda: get_video(producer, video_id)))

    @router.delete("/v1/videos/{video_id}", **docs.DELETE)
    async def delete_video(
        request: Request,
        video_id: str,
        discard: Annotated[bool, Query(description="Also one that was submitted and will be billed.")] = False,
    ) -> Response:
        """Remove a video and its files for good. One that is still queued is cancelled, which costs nothing."""
        wanted = as_video_id(video_id)
        producer = service.producer_for(request)
        try:
            await service.run(
                lambda: delete(producer.database, service.objects, producer.tenant, wanted, discard=discard)
            )
        except JobNotFound:
            raise no_video(video_id) from None
        return answer({"id": str(wanted), "object": "video.deleted", "deleted": True})

    @router.get("/v1/videos/{video_id}/content", status_code=302, **docs.CONTENT)
    async def content(
        request: Request,
        video_id: str,
        variant: Annotated[Literal["video", "thumbnail", "spritesheet"], Query()] = "video",
    ) -> Response:
        """The video as MP4, or its first frame as JPEG (`thumbnail`): a redirect to a link that works for an hour."""
        if variant not in _FILES:
            detail = f"variant: no {variant} is made; there is video and thumbnail"
            raise ApiProblem(422, "not_supported", detail, param="variant")
        producer = service.producer_for(request)
        job = await service.run(lambda: get_video(producer, video_id))
        return await redirect(service, producer.tenant, job.id, _FILES[variant])

    return router


@asynccontextmanager
async def _body(request: Request, service: Service) -> AsyncIterator[dict[str, Any]]:
    """What was sent, as a form or as JSON; files of a form are there until the end."""
    if media_type(request) != _FORM:
        yield await json_object(request)
        return
    async with read_form(request, service.uploads) as form:
        pairs = [*form.values, *((file.name, file) for file in form.files)]
        yield from_form(nested(pairs))


def _has_files(given: Mapping[str, Any]) -> bool:
    """Whether something is to be looked into: files stand in fields, in lists, and as the members of a reference."""
    for value in given.values():
        members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        if any(isinstance(item, FormFile) or (isinstance(item, str) and item[:5] == "data:") for item in members):
            return True
    return False


def _repetition(request: Request) -> int | None:
    """How often the client has sent this before, None when it does not say."""
    said = request.headers.get("x-stainless-retry-count", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 6 else None
