"""Jobs as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import orjson
from starlette.responses import Response

from storage.records import JobView
from storage.states import JobState

_SHOWN_CHARS = 64
_COLUMNS = tuple(item.name for item in fields(JobView))


@dataclass(frozen=True, slots=True)
class JobResource(JobView):
    """A job, and where to go from it. `links` has the files only once they are there."""

    links: dict[str, str]


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, the newest first; `next_cursor` is null on the last page."""

    data: list[JobResource]
    next_cursor: str | None


def as_resource(job: JobView) -> JobResource:
    """The job with its links."""
    self = f"/v1/jobs/{job.id}"
    links = {"self": self, "events": f"{self}/events"}
    if job.state is JobState.SUCCEEDED:
        if job.deleted_at is None:
            links |= {"video": f"{self}/video", "poster": f"{self}/poster"}
            if job.request.get("return_last_frame"):
                links["last_frame"] = f"{self}/last-frame"
    elif job.terminal:
        links["retry"] = f"{self}/retry"
    else:
        links["cancel"] = f"{self}/cancel"
        if job.state is JobState.UNCONFIRMED:
            links["resolve"] = f"{self}/resolve"
    return JobResource(**{name: getattr(job, name) for name in _COLUMNS}, links=links)


def shortened(job: JobResource) -> JobResource:
    """The same with data URIs cut short, for lists: a page of whole ones could be gigabytes."""
    return replace(job, request=_shortened(job.request))


def _shortened(value: Any) -> Any:
    match value:
        case str() if value.startswith("data:") and len(value) > _SHOWN_CHARS:
            return f"{value[:_SHOWN_CHARS]}… ({len(value):,} characters)"
        case dict():
            return {name: _shortened(item) for name, item in value.items()}
        case list():
            return [_shortened(item) for item in value]
    return value


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, dict(headers or {}), "application/json")
