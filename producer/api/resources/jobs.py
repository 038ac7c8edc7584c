"""Jobs, their events, and the report of a batch, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from producer.http.problem_details import FieldError, OpenAIError
from storage.jobs.records import JobView
from storage.jobs.shown.document import cut_short, job_links
from storage.jobs.states import JobState

_COLUMNS = tuple(item.name for item in fields(JobView))


@dataclass(frozen=True, slots=True)
class JobResource(JobView):
    """A job, and where to go from it. `links` has a file only once the file exists."""

    links: dict[str, str]


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first; `next_cursor` is null on the last page."""

    data: list[JobResource]
    next_cursor: str | None


def as_resource(job: JobView) -> JobResource:
    """The job with its links."""
    return JobResource(**{name: getattr(job, name) for name in _COLUMNS}, links=job_links(job))


def shortened(job: JobResource) -> JobResource:
    """The same with data URIs cut short, for lists: a page of whole ones could be gigabytes."""
    return replace(job, request=cut_short(job.request))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One change of a job's state."""

    id: Annotated[int, Field(description="Higher for later events; `Last-Event-ID` takes it.")]
    job_id: UUID
    at: datetime
    source: Annotated[JobState | None, Field(description="The state before; null when the job was stored.")]
    target: Annotated[JobState, Field(description="The state after.")]
    reason: Annotated[str, Field(description="Why, as a code.")]
    detail: Annotated[dict[str, Any] | None, Field(description="More about it, such as the gateway's message.")]
    actor: Annotated[
        str | None,
        Field(description="Who decided it: a key, a session, a user of the command line; null: the system."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimeline:
    """The events of one job, oldest first."""

    data: list[JobEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row of a batch that is stored."""

    line: Annotated[int, Field(description="The line of the body, or the row of a table, counted from 1.")]
    id: Annotated[UUID, Field(description="The job's.")]
    created: Annotated[bool, Field(description="False: the job was stored before, under the same key.")]
    differs: Annotated[
        list[str],
        Field(description="Where that job has another webhook_url, metadata, tags or priority; its own stay."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row of a batch that is not stored."""

    line: Annotated[
        int, Field(description="The line of the body, or the row of a table, counted from 1; 0: not known.")
    ]
    error: OpenAIError
    errors: Annotated[list[FieldError], Field(description="Every field that is wrong.")]


NOTES = "How the body was read, where that is not obvious: encoding, sheet, columns that are not used, equal rows."


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """How many rows there were, and how they were read."""

    rows: int
    created: Annotated[int, Field(description="Stored now.")]
    known: Annotated[int, Field(description="Stored before, under the same keys.")]
    notes: Annotated[list[str], Field(description=NOTES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport(RowCounts):
    """What happened to the rows of a batch. Without `partial` none is refused: the whole batch would be."""

    refused: int
    results: list[StoredRow | RefusedRow]
