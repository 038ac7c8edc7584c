"""Files and batches as OpenAI's API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from producer.http.problems import ApiProblem
from seedance.problems import shorten
from storage.batches.batches import Batch
from storage.batches.files import File

ENDPOINT = "/v1/videos"
OUTPUT, ERRORS = "out", "err"
"""Kinds of files that are written from a batch's rows when they are read."""
BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResource:
    """A file."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """Some files, newest first."""

    object: Literal["list"]
    data: list[FileResource]
    has_more: bool
    first_id: str | None
    last_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedFile:
    """A file that is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """How many requests a batch has, and how many of them have ended."""

    total: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchError:
    """What is wrong with the file of a batch."""

    code: str
    message: str
    line: int | None
    param: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchErrors:
    """The first things that are wrong with the file of a batch."""

    object: Literal["list"]
    data: list[BatchError]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResource:
    """A batch."""

    id: str
    object: Literal["batch"]
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: Annotated[str | None, Field(description="Videos that are stored; null until the batch has ended.")]
    error_file_id: Annotated[str | None, Field(description="Requests without a video; null: none, or it still runs.")]
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """Some batches, newest first."""

    object: Literal["list"]
    data: list[BatchResource]
    has_more: bool
    first_id: str | None
    last_id: str | None


class NewBatch(BaseModel):
    """A batch to create."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "input_file_id": "file-0198c0de000070008000000000000000",
                    "endpoint": ENDPOINT,
                    "completion_window": "24h",
                }
            ]
        },
    )

    input_file_id: str
    endpoint: Literal["/v1/videos"]
    completion_window: Annotated[
        str, Field(pattern=r"^[1-9][0-9]{0,2}[hd]$", description="Such as 24h or 7d; at most 30d.")
    ]
    metadata: Annotated[dict[str, str] | None, Field(max_length=16)] = None


class NewFileForm(BaseModel):
    """A file to upload."""

    model_config = ConfigDict(json_schema_extra={"properties": {"file": {"type": "string", "format": "binary"}}})

    purpose: Literal["batch"]


BATCH_BODIES: tuple[type[BaseModel], ...] = (NewBatch, NewFileForm)


def page_of(found: Sequence[FileResource | BatchResource], limit: int) -> dict[str, Any]:
    """The members of a page, from at most `limit` + 1 items: one more shows that more follow."""
    data = list(found[:limit])
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return {"object": "list", "data": data, "has_more": len(found) > limit, "first_id": first, "last_id": last}


def as_file(file: File) -> FileResource:
    """A file that was uploaded."""
    return FileResource(
        id=f"file-{file.id.hex}",
        object="file",
        bytes=file.bytes,
        created_at=int(file.created_at.timestamp()),
        expires_at=int(file.expires_at.timestamp()),
        filename=file.filename,
        purpose="batch",
        status="processed",
    )


def as_output(batch: Batch, kind: str, size: int) -> FileResource:
    """A file of results."""
    at = batch.ended_at or batch.created_at
    return FileResource(
        id=f"file-{kind}-{batch.id.hex}",
        object="file",
        bytes=size,
        created_at=int(at.timestamp()),
        expires_at=None,
        filename=f"batch_{batch.id.hex}_{'output' if kind == OUTPUT else 'error'}.jsonl",
        purpose="batch_output",
        status="processed",
    )


def as_batch(batch: Batch) -> BatchResource:
    """A batch."""
    ended = None if batch.ended_at is None else int(batch.ended_at.timestamp())
    state = batch.state

    def when(wanted: str) -> int | None:
        return ended if state == wanted else None

    has_results = ended is not None and state != "failed"
    days = batch.window_s % 86_400 == 0 and batch.window_s > 86_400
    errors = None
    if batch.errors:
        errors = BatchErrors(object="list", data=[BatchError(**item) for item in batch.errors])
    return BatchResource(
        id=f"batch_{batch.id.hex}",
        object="batch",
        endpoint=ENDPOINT,
        errors=errors,
        input_file_id=f"file-{batch.file_id.hex}",
        completion_window=f"{batch.window_s // 86_400}d" if days else f"{batch.window_s // 3600}h",
        status=state,  # type: ignore[arg-type] # the table allows no other
        output_file_id=f"file-{OUTPUT}-{batch.id.hex}" if has_results and batch.completed else None,
        error_file_id=f"file-{ERRORS}-{batch.id.hex}" if has_results and batch.completed < batch.lines else None,
        created_at=int(batch.created_at.timestamp()),
        in_progress_at=None if batch.in_progress_at is None else int(batch.in_progress_at.timestamp()),
        expires_at=int(batch.expires_at.timestamp()),
        finalizing_at=None,
        completed_at=when("completed"),
        failed_at=when("failed"),
        expired_at=when("expired"),
        cancelling_at=None if batch.cancelling_at is None else int(batch.cancelling_at.timestamp()),
        cancelled_at=when("cancelled"),
        request_counts=RequestCounts(total=batch.lines, completed=batch.completed, failed=batch.failed),
        metadata=batch.metadata,
    )


def read_id(text: str, prefix: str, what: str) -> UUID:
    """The id in a path or a body.

    Raises:
        ApiProblem: it is not the id of a file, or of a batch.
    """
    try:
        if text.startswith(prefix):
            return UUID(text.removeprefix(prefix))
    except ValueError:
        pass
    raise not_found(what, text)


def not_found(what: str, text: str) -> ApiProblem:
    """The error for an id that nothing of the tenant has."""
    return ApiProblem(404, f"{what}_not_found", f"there is no {what} {shorten(text)}", param="id")
