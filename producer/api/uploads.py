"""`/v1/uploads`: files for the jobs of a tenant, sent once and named as `upload://…`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.openapi.document import form_or_bytes_body, problems
from producer.api.parameters import Cursor
from producer.api.request_bodies import NewUploadForm
from producer.api.resources.uploads import UploadPage, UploadResource, UploadTotals, as_upload
from producer.api.videos.attachments import modality_of, shown_name
from producer.client import Producer
from producer.errors import UploadDeleted, UploadNotFound
from producer.http.answers import answer
from producer.http.bodies import chunks, media_type
from producer.http.doors.auth import principal_of
from producer.http.forms import FORM_S, MAX_FORM_BYTES, FormFile, read_form
from producer.http.paging import cursor_id
from producer.http.service import Service
from producer.intake.shelf import GB
from producer.intake.uploads import LocalFiles, store
from seedance.problems import InvalidInput, Problem
from seedance.request import Modality
from storage.database import Connection
from storage.uploads.records import UploadView, get_upload, list_uploads, totals
from storage.uploads.removal import remove_upload

_FORM = "multipart/form-data"
_BODY = form_or_bytes_body(NewUploadForm, "image/*", "video/*", "audio/*")


def upload_routes(service: Service) -> APIRouter:
    """The routes of uploaded files."""
    router = APIRouter(tags=["uploads"])

    @router.post(
        "/v1/uploads",
        status_code=201,
        response_model=UploadResource,
        response_description="The file is stored; jobs may name its `url`.",
        responses=problems(409, 413, 415, 422, 503),
        openapi_extra=_BODY,
    )
    async def upload(
        request: Request,
        name: Annotated[str | None, Query(description="The file's name, for people.", max_length=200)] = None,
    ) -> Response:
        """Store a picture, video or sound for jobs: the body itself, or a form with one file. Its `url` goes into
        `first_frame`, `reference_images` and the like, in jobs, batches and campaigns of the same tenant."""
        producer = service.producer_for(request)
        async with file_of(request, service, name) as file:
            kind = media_type(request)
            found = await service.run_upload(lambda: _keep(producer, file, kind))
        shown = as_upload(found, service.settings)
        return answer(shown, 201, {"Location": f"/v1/uploads/{shown.id}"})

    @router.get(
        "/v1/uploads",
        response_model=UploadPage,
        response_description="One page of files.",
        responses=problems(422, 503),
    )
    async def list_files(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200, description="Files per page.")] = 50,
        cursor: Cursor = None,
    ) -> Response:
        """List the tenant's uploaded files, newest first."""
        tenant, before = principal_of(request).tenant, cursor_id(cursor)

        def ask(conn: Connection) -> tuple[list[UploadView], tuple[int, int]]:
            return list_uploads(conn, tenant, before=before, limit=limit + 1), totals(conn, tenant)

        found, (files, size) = await service.read(ask)
        settings = service.settings
        page = UploadPage(
            data=[as_upload(view, settings) for view in found[:limit]],
            next_cursor=found[limit - 1].id.hex if len(found) > limit else None,
            totals=UploadTotals(
                files=files,
                size_bytes=size,
                max_files=settings.uploads_max_files,
                max_bytes=int(settings.uploads_max_gb * GB),
            ),
        )
        return answer(page)

    _one_upload_routes(router, service)
    return router


def _one_upload_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/uploads/{upload_id}",
        response_model=UploadResource,
        response_description="The file.",
        responses=problems(404, 503),
    )
    async def get_file(request: Request, upload_id: str) -> Response:
        """Return what is known of one file."""
        tenant, wanted = principal_of(request).tenant, _upload_id(upload_id)
        found = await service.read(lambda conn: get_upload(conn, tenant, wanted))
        if found is None:
            raise UploadNotFound(upload_id)
        return answer(as_upload(found, service.settings))

    @router.delete(
        "/v1/uploads/{upload_id}",
        status_code=204,
        response_description="The file is deleted.",
        responses=problems(404, 409, 503),
    )
    async def delete_file(request: Request, upload_id: str) -> Response:
        """Delete a file that no job needs any more."""
        tenant, wanted = principal_of(request).tenant, _upload_id(upload_id)
        if await service.read(lambda conn: remove_upload(conn, tenant, wanted)) is None:
            raise UploadNotFound(upload_id)
        return Response(status_code=204)


def _upload_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UploadNotFound(text) from None


@asynccontextmanager
async def file_of(request: Request, service: Service, name: str | None) -> AsyncIterator[FormFile]:
    """The file of a request, on disk until the end.

    Raises:
        InvalidInput: there is none, or a form has several.
        ApiProblem: it is too large or too slow, or there is no place for it.
    """
    if media_type(request) == _FORM:
        async with read_form(request, service.uploads) as form:
            if len(form.files) != 1:
                raise InvalidInput([Problem("file", f"the form must have one file, not {len(form.files)}")])
            file = form.files[0]
            yield file if name is None else FormFile(file.name, name, file.path)
        return
    with service.uploads.hold(), tempfile.TemporaryDirectory(prefix="reelq-upload-") as directory:
        path = Path(directory) / "0"
        with path.open("wb") as target:
            async for chunk in chunks(request, MAX_FORM_BYTES, FORM_S):
                await asyncio.to_thread(target.write, chunk)
        yield FormFile("file", name or "file", path)


def _keep(producer: Producer, file: FormFile, kind: str) -> UploadView:
    """Store the file.

    Raises:
        InvalidInput: it is empty, or not what its name and content type say.
        UploadDeleted: another request deleted the same file in between.
    """
    files = LocalFiles(None)
    with closing(files):
        try:
            if file.path.stat().st_size == 0:
                raise ValueError("the body is empty; send the file itself")
            reference = files.add(file.path, modality_by(file.path, kind), shown_name(file.filename))
        except ValueError as exc:
            raise InvalidInput([Problem("file", str(exc))]) from exc
    store(files, producer.shelf)
    with producer.database.begin() as conn:
        found = list_uploads(conn, producer.tenant, reference=reference)
    if not found:
        raise UploadDeleted(reference)
    return found[0]


def modality_by(path: Path, kind: str) -> Modality:
    """The kind of a file: as its content type says, else by its first bytes."""
    said: Mapping[str, Any] = {name: name for name in get_args(Modality)}
    found: Modality = said.get(kind.partition("/")[0]) or modality_of(path)
    return found
