"""A job as OpenAI's clients know a video. Its id is the job's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from producer.api.videos.models import NAMES
from producer.api.videos.progress import Progress
from producer.api.videos.sizes import UNKNOWN, size_of
from seedance.models.catalog import model_name
from storage.jobs.records import JobView
from storage.jobs.states import JobState

S = JobState
Status = Literal["queued", "in_progress", "completed", "failed"]
STATUSES: Mapping[JobState, Status] = {
    S.QUEUED: "queued",
    S.SUBMITTING: "in_progress",
    S.UNCONFIRMED: "in_progress",  # "failed" would make clients submit, and pay, again
    S.GENERATING: "in_progress",
    S.TRANSFERRING: "in_progress",
    S.SUCCEEDED: "completed",
    S.FAILED: "failed",
    S.CANCELLED: "failed",  # clients know four statuses; error.code says which
}
SOURCE = "remixed_from_video_id"
"""The name, in a job's metadata, of the video that it was made from."""
EXAMPLE_ID = "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"
_EXAMPLE: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "object": "video",
    "created_at": 1795238400,
    "completed_at": None,
    "expires_at": None,
    "status": "in_progress",
    "progress": 40,
    "model": "seedance-2.0-fast",
    "prompt": "a red fox runs through fresh snow",
    "seconds": "4",
    "size": "720x1280",
    "remixed_from_video_id": None,
    "error": None,
    "state": "generating",
    "metadata": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoError:
    """Why a video failed."""

    code: Annotated[str, Field(description="`cancelled`, or the job's own error code.")]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResource:
    """A job as OpenAI's clients know a video. `state` and `metadata` are reelq's own."""

    __pydantic_config__ = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: Annotated[UUID, Field(description="The job's id.")]
    object: Literal["video"]
    created_at: Annotated[int, Field(description="Unix seconds.")]
    completed_at: Annotated[int | None, Field(description="Unix seconds; null until it is completed.")]
    expires_at: Annotated[None, Field(description="Files are kept until they are deleted.")]
    status: Status
    progress: Annotated[int, Field(ge=0, le=100, description="Percent.")]
    model: Annotated[str, Field(description="Such as seedance-2.5, or the name of the tier: seedance-2.0-fast.")]
    prompt: str | None
    seconds: Annotated[str, Field(description="`auto` where the model chooses.")]
    size: Annotated[str, Field(description="`auto` where the gateway chooses.")]
    remixed_from_video_id: str | None
    error: VideoError | None
    state: Annotated[JobState, Field(description="The job's state.")]
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPage:
    """Some videos."""

    object: Literal["list"]
    data: list[VideoResource]
    has_more: bool
    first_id: UUID | None
    last_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedVideo:
    """A video whose files are removed."""

    id: UUID
    object: Literal["video.deleted"]
    deleted: Literal[True]


def as_video(job: JobView, progress: Progress) -> VideoResource:
    """The job as a video."""
    duration = job.request.get("duration")
    source = job.metadata.get(SOURCE)
    return VideoResource(
        id=job.id,
        object="video",
        created_at=int(job.created_at.timestamp()),
        completed_at=int(job.finished_at.timestamp()) if job.finished_at and job.state is S.SUCCEEDED else None,
        expires_at=None,
        status=STATUSES[job.state],
        progress=progress.percent(job),
        model=_model_of(job.request),
        prompt=job.request.get("prompt"),
        seconds=str(duration) if isinstance(duration, int) and duration > 0 else UNKNOWN,
        size=size_of(job.request),
        remixed_from_video_id=source if isinstance(source, str) else None,
        error=_error(job),
        state=job.state,
        metadata=job.metadata,
    )


def _model_of(request: Mapping[str, Any]) -> str:
    tier = request.get("tier", "standard")
    return NAMES[tier] if request.get("model") is None else model_name(request["model"], tier)


def _error(job: JobView) -> VideoError | None:
    if job.state is S.CANCELLED:
        message = "cancelled" if job.reason == "cancelled" else f"cancelled: {job.reason}"
        return VideoError(code="cancelled", message=message)
    if job.state is not S.FAILED:
        return None
    error = job.error or {}
    return VideoError(code=str(error.get("code", "failed")), message=str(error.get("message", "failed")))
