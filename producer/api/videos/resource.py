"""A job as OpenAI's clients know a video. Its id is the job's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from producer.api.videos.models import NAMES
from producer.api.videos.progress import Progress
from producer.api.videos.sizes import UNKNOWN, size_of
from storage.jobs.records import JobView
from storage.jobs.states import JobState

S = JobState
STATUSES: Mapping[JobState, str] = {
    S.QUEUED: "queued",
    S.SUBMITTING: "in_progress",
    S.UNCONFIRMED: "in_progress",  # "failed" would make a client ask, and pay, again
    S.GENERATING: "in_progress",
    S.TRANSFERRING: "in_progress",
    S.SUCCEEDED: "completed",
    S.FAILED: "failed",
    S.CANCELLED: "failed",  # clients know four statuses; error.code tells
}
SOURCE = "remixed_from_video_id"
"""The name, in a job's metadata, of the video that it was made from."""


def as_video(job: JobView, progress: Progress) -> dict[str, Any]:
    """The job as a video. `state` and `metadata` are ours."""
    duration = job.request.get("duration")
    source = job.metadata.get(SOURCE)
    return {
        "id": str(job.id),
        "object": "video",
        "created_at": int(job.created_at.timestamp()),
        "completed_at": int(job.finished_at.timestamp()) if job.finished_at and job.state is S.SUCCEEDED else None,
        "expires_at": None,  # files stay until they are deleted
        "status": STATUSES[job.state],
        "progress": progress.percent(job),
        "model": NAMES[job.request.get("tier", "standard")],
        "prompt": job.request.get("prompt"),
        "seconds": str(duration) if isinstance(duration, int) and duration > 0 else UNKNOWN,
        "size": size_of(job.request),
        "remixed_from_video_id": source if isinstance(source, str) else None,
        "error": _error(job),
        "state": job.state,
        "metadata": job.metadata,
    }


def _error(job: JobView) -> dict[str, Any] | None:
    if job.state is S.CANCELLED:
        return {
            "code": "cancelled",
            "message": "cancelled" if job.reason == "cancelled" else f"cancelled: {job.reason}",
        }
    if job.state is not S.FAILED:
        return None
    error = job.error or {}
    return {"code": str(error.get("code", "failed")), "message": str(error.get("message", "failed"))}
