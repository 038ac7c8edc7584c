"""`/v1/uploads`: local files for jobs."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from typing import Any

from reelq_client.core.binding import Awaiting, Blocking, call
from reelq_client.core.bodies import Body, Progress, Source
from reelq_client.core.requests import Answer, Flow, Request, Step
from reelq_client.models.uploads import Upload

_SINGLE = ("first_frame", "last_frame")
_LISTS = ("reference_images", "reference_videos", "reference_audios")


def upload(body: Body) -> Flow[Upload]:
    """Store a file. The same content again is the same file, so a lost answer is no harm."""
    answer = yield Request("uploads_create", "POST", "/v1/uploads", body=body, repeatable=True, timeout_s=600.0)
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


class Uploads(UploadRoutes, Blocking):
    """Local files."""


class AsyncUploads(UploadRoutes, Awaiting):
    """Local files."""
