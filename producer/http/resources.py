"""Jobs as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from starlette.responses import Response

from producer.http.problems import as_json
from storage.jobs.document import cut_short, job_links
from storage.jobs.records import JobView

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
    return JobResource(**{name: getattr(job, name) for name in _COLUMNS}, links=job_links(job))


def shortened(job: JobResource) -> JobResource:
    """The same with data URIs cut short, for lists: a page of whole ones could be gigabytes."""
    return replace(job, request=cut_short(job.request))


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(as_json(body), status, dict(headers or {}), "application/json")
