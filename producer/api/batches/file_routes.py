"""`/v1/files`: OpenAI's files, for batches. docs/openai.md is the guide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from producer.api.batches.lines import results
from producer.api.batches.resources import (
    ERRORS,
    OUTPUT,
    DeletedFile,
    FilePage,
    FileResource,
    NewFileForm,
    as_file,
    as_output,
    not_found,
    page_of,
    read_id,
)
from producer.api.openapi.document import JsonLines, also, form_body, problems
from producer.api.videos.progress import Progress
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.forms import FormFile, read_form
from producer.http.problems import ApiProblem
from producer.http.service import Service
from seedance.problems import InvalidInput, Problem
from storage.batches import batches, files
from storage.batches.batches import Batch
from storage.jobs import queries

MAX_FILE_BYTES = 64 * 2**20
MAX_LINE_BYTES = 2**20
PART_LINES, PART_BYTES = 200, 2**20
DEFAULT_LIFE_S, MIN_LIFE_S, MAX_LIFE_S = 30 * 86_400, 3_600, 30 * 86_400
_KINDS = (OUTPUT, ERRORS)
_LIFE = "expires_after[seconds]"


def file_routes(service: Service) -> APIRouter:
    """The routes of OpenAI's `files`."""
    router = APIRouter(tags=["files"])

    @router.post(
        "/v1/files",
        response_model=FileResource,
        response_description="The file is stored.",
        responses=problems(409, 413, 415, 422, 503),
        openapi_extra=form_body(NewFileForm),
    )
    async def upload(request: Request) -> Response:
        """Store a file of requests, one JSON object per line."""
        tenant = principal_of(request).tenant
        async with read_form(request, service.uploads) as form:
            values = dict(form.values)
            life_s = _life(values)
            file = _only_file(form.files)
            database = service.producer.database

            def work() -> FileResource:
                parts = _split(file.path)
                with database.begin() as conn:
                    return as_file(files.add_file(conn, tenant, _name(file.filename), parts, life_s))

            try:
                return answer(await service.run_batch(work))
            except files.NoRoom as exc:
                detail = f"{exc}; delete some first"
                raise ApiProblem(409, "too_many_files", detail, headers={"x-should-retry": "false"}) from exc

    @router.get(
        "/v1/files",
        response_model=FilePage,
        response_description="One page of files.",
        responses=problems(404, 422, 503),
    )
    async def list_files(
        request: Request,
        after: Annotated[str | None, Query(description="`last_id` of the previous page.", max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Files per page.")] = 1_000,
        order: Annotated[Literal["desc"], Query(description="Newest first.")] = "desc",
        purpose: Annotated[str | None, Query(description="Only files with this purpose.", max_length=32)] = None,
    ) -> Response:
        """List the tenant's uploaded files, newest first."""
        tenant = principal_of(request).tenant
        last = None if after is None else read_id(after, "file-", "file")
        if purpose not in (None, "batch"):
            return answer(FilePage(**page_of([], limit)))
        found = await service.read(lambda conn: files.list_files(conn, tenant, after=last, limit=limit + 1))
        return answer(FilePage(**page_of([as_file(item) for item in found], limit)))

    _one_file_routes(router, service)
    return router


def _one_file_routes(router: APIRouter, service: Service) -> None:
    progress = Progress(service)

    @router.get(
        "/v1/files/{file_id}",
        response_model=FileResource,
        response_description="The file.",
        responses=problems(404, 422, 503),
    )
    async def get(request: Request, file_id: str) -> Response:
        """Return what is known of a file."""
        tenant = principal_of(request).tenant
        if (output := _output(file_id)) is not None:
            kind, batch_id = output
            batch = await _batch_with(service, tenant, file_id, batch_id)
            size = 0
            async for piece in _written(service, progress, batch, kind):
                size += len(piece)
            return answer(as_output(batch, kind, size))
        wanted = read_id(file_id, "file-", "file")
        found = await service.read(lambda conn: files.get_file(conn, tenant, wanted))
        if found is None:
            raise not_found("file", file_id)
        return answer(as_file(found))

    @router.get(
        "/v1/files/{file_id}/content",
        response_class=JsonLines,
        response_description="The lines.",
        responses=also(200, "The lines.", content={JsonLines.media_type: {"schema": {"type": "string"}}})
        | problems(404, 422, 503),
    )
    async def content(request: Request, file_id: str) -> Response:
        """Send a file: an uploaded one, or the results or errors of a batch."""
        tenant = principal_of(request).tenant
        if (output := _output(file_id)) is not None:
            kind, batch_id = output
            batch = await _batch_with(service, tenant, file_id, batch_id)
            return StreamingResponse(_written(service, progress, batch, kind), media_type=JsonLines.media_type)
        wanted = read_id(file_id, "file-", "file")
        if await service.read(lambda conn: files.get_file(conn, tenant, wanted)) is None:
            raise not_found("file", file_id)
        return StreamingResponse(_parts(service, wanted), media_type=JsonLines.media_type)

    @router.delete(
        "/v1/files/{file_id}",
        response_model=DeletedFile,
        response_description="The file is gone.",
        responses=problems(404, 409, 422, 503),
    )
    async def delete(request: Request, file_id: str) -> Response:
        """Delete an uploaded file. Results of a batch go with the batch."""
        tenant = principal_of(request).tenant
        wanted = read_id(file_id, "file-", "file")
        if not await service.read(lambda conn: files.delete_file(conn, tenant, wanted)):
            if await service.read(lambda conn: files.get_file(conn, tenant, wanted)) is None:
                raise not_found("file", file_id)
            detail = "a batch still reads the file; cancel it first"
            raise ApiProblem(409, "file_in_use", detail, headers={"x-should-retry": "false"})
        return answer(DeletedFile(id=file_id, object="file", deleted=True))


# --- reading an upload -----------------------------------------------------------------------------------------------


def _life(values: dict[str, str]) -> float:
    if (purpose := values.pop("purpose", None)) != "batch":
        raise _wrong("purpose", "must be batch" if purpose is not None else "is required: batch")
    anchor = values.pop("expires_after[anchor]", "created_at")
    text = values.pop(_LIFE, str(DEFAULT_LIFE_S))
    if values:
        raise _wrong(next(iter(values)), "is not a field we know")
    if anchor != "created_at":
        raise _wrong("expires_after[anchor]", "must be created_at")
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and MIN_LIFE_S <= int(text) <= MAX_LIFE_S):
        raise _wrong(_LIFE, f"must be {MIN_LIFE_S} to {MAX_LIFE_S} seconds")
    return float(text)


def _only_file(found: list[FormFile]) -> FormFile:
    if len(found) != 1 or found[0].name != "file":
        raise _wrong("file", "is required, once")
    return found[0]


def _name(filename: str) -> str:
    base = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in base if letter.isprintable())[:200] or "file.jsonl"


def _split(path: Path) -> list[bytes]:
    """The file in parts of whole lines."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ApiProblem(413, "body_too_large", f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB")
    parts: list[bytes] = []
    lines: list[bytes] = []
    size = 0
    with path.open("rb") as source:
        for number, line in enumerate(source, 1):
            if len(line) > MAX_LINE_BYTES:
                raise _wrong("file", f"line {number} is larger than {MAX_LINE_BYTES // 2**20} MiB; send media as URLs")
            if lines and (len(lines) >= PART_LINES or size + len(line) > PART_BYTES):
                parts.append(b"".join(lines))
                lines, size = [], 0
            lines.append(line)
            size += len(line)
    if not lines:
        raise _wrong("file", "is empty")
    return [*parts, b"".join(lines)]


def _wrong(name: str, message: str) -> InvalidInput:
    return InvalidInput([Problem(name, message)])


# --- writing contents ------------------------------------------------------------------------------------------------


def _output(file_id: str) -> tuple[str, UUID] | None:
    """The kind of a file of results, and its batch; None: it is an uploaded file."""
    for kind in _KINDS:
        if file_id.startswith(f"file-{kind}-"):
            return kind, read_id(file_id, f"file-{kind}-", "file")
    return None


async def _batch_with(service: Service, tenant: str, file_id: str, batch_id: UUID) -> Batch:
    batch = await service.read(lambda conn: batches.get_batch(conn, tenant, batch_id))
    if batch is None or batch.ended_at is None or batch.state == "failed":
        raise not_found("file", file_id)
    return batch


async def _written(service: Service, progress: Progress, batch: Batch, kind: str) -> AsyncIterator[bytes]:
    """The lines of a file of results, from the rows: nothing is stored twice."""
    after = 0
    await progress.refresh()
    while True:

        def page(after: int = after) -> tuple[bytes, int]:
            with service.producer.database.begin() as conn:
                lines = batches.results_of(conn, batch.id, after, PART_LINES)
                ids = [line.job_id for line in lines if line.job_id is not None]
                jobs = queries.get_jobs(conn, batch.tenant, ids)
            written = b"".join(results(lines, jobs, progress, errors=kind == ERRORS))
            return written, lines[-1].line if lines else 0

        piece, after = await service.run(page)
        if piece:
            yield piece
        if not after:
            return


async def _parts(service: Service, file_id: UUID) -> AsyncIterator[bytes]:
    number = 0
    while True:
        wanted = number
        part: Any = await service.read(lambda conn, wanted=wanted: files.get_part(conn, file_id, wanted))  # type: ignore[misc] # mypy cannot type the default
        if part is None:
            return
        yield part.content
        number += 1
        await asyncio.sleep(0)
