"""`/v1/uploads`: local files for jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from typing import Any
from uuid import UUID

from reelq_client.core.binding import Awaiting, Blocking, call, pages
from reelq_client.core.bodies import Body, Progress, Source
from reelq_client.core.requests import Answer, Flow, Request, Step, given
from reelq_client.models.base import Page
from reelq_client.models.uploads import Upload, UploadPage

_ONE = "/v1/uploads/{upload_id}"
_MAX_NAME_CHARS = 200
_SINGLE = ("first_frame", "last_frame")
_LISTS = ("reference_images", "reference_videos", "reference_audios")


def upload(body: Body) -> Flow[Upload]:
    """Store a file. The same content again is the same file, so a lost answer is no harm."""
    query = {"name": body.name[-_MAX_NAME_CHARS:]} if body.name else {}
    answer = yield Request(
        "uploads_create", "POST", "/v1/uploads", query=query, body=body, repeatable=True, timeout_s=600.0
    )
    return answer.read(Upload)


def with_uploads(fields: Mapping[str, Any]) -> Generator[Step, Answer, dict[str, Any]]:
    """The fields of a job; files that they name by a `pathlib.Path` are uploaded first."""
    found = dict(fields)
    for name in _SINGLE:
        if isinstance(value := found.get(name), os.PathLike):
            found[name] = (yield from upload(Body(value))).url
    for name in _LISTS:
        values = []
        for value in found.get(name) or ():
            values.append((yield from upload(Body(value))).url if isinstance(value, os.PathLike) else value)
        if values:
            found[name] = values
    return found


class UploadRoutes:
    """Local files."""

    @call
    def create(
        self,
        file: Source,
        *,
        content_type: str | None = None,
        name: str | None = None,
        progress: Progress | None = None,
    ) -> Flow[Upload]:
        """Store a file, given as its path, its bytes or an open binary file. A job names it by the `url`.

        `content_type` and `name`: what it is, if the file's own name does not say. `progress` is called with the bytes
        sent so far and all of them.
        """
        return (yield from upload(Body(file, content_type, progress, name)))

    @call
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Flow[UploadPage]:
        """One page of the tenant's files, newest first, and how much it may have."""
        return _page(given(limit=limit, cursor=cursor))

    @pages
    def iterate(self) -> Callable[[str | int | None], Flow[Page[Upload]]]:
        """Every file of the tenant, newest first."""
        return lambda cursor: _page({"limit": 200} | given(cursor=cursor))

    @call
    def get(self, upload_id: UUID | str) -> Flow[Upload]:
        """One file."""
        answer = yield Request("uploads_get", "GET", _ONE, at={"upload_id": str(upload_id)})
        return answer.read(Upload)

    @call
    def delete(self, upload_id: UUID | str) -> Flow[None]:
        """Delete a file that no job needs any more."""
        yield Request("uploads_delete", "DELETE", _ONE, at={"upload_id": str(upload_id)})


def _page(query: dict[str, Any]) -> Flow[UploadPage]:
    answer = yield Request("uploads_list", "GET", "/v1/uploads", query=query)
    return answer.read(UploadPage)


class Uploads(UploadRoutes, Blocking):
    """Local files."""


class AsyncUploads(UploadRoutes, Awaiting):
    """Local files."""
