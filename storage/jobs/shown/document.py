"""The JSON document of a job, as in API answers and webhooks."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from storage.jobs.playable_copies import is_playable
from storage.jobs.records import JobView
from storage.jobs.states import JobState

_SHOWN_CHARS = 64


def job_links(job: JobView) -> dict[str, str]:
    """Links of a job, as paths of the API; links to files only once they are stored."""
    self = f"/v1/jobs/{job.id}"
    links = {"self": self, "events": f"{self}/events"}
    if job.state is JobState.SUCCEEDED:
        files = {"video": job.object_key, "poster": job.poster_key, "last_frame": job.last_frame_key}
        links |= {name: f"{self}/{name.replace('_', '-')}" for name, key in files.items() if key is not None}
        if job.draft_ends_at is not None and job.draft_of is None and job.draft_ends_at > datetime.now(UTC):
            links["finalize"] = f"{self}/finalize"
        if job.object_key is not None and (job.playable_key is not None or is_playable(job.video_format)):
            links["playable"] = f"{self}/video?playable=1"
    elif job.terminal:
        links["retry"] = f"{self}/retry"
    else:
        links["cancel"] = f"{self}/cancel"
        if job.state is JobState.UNCONFIRMED:
            links["resolve"] = f"{self}/resolve"
    if job.draft_of is not None:
        links["draft"] = f"/v1/jobs/{job.draft_of}"
    return links


def job_document(job: JobView) -> dict[str, Any]:
    """A job as one JSON object, with its links; data URIs are shortened because they can be megabytes long."""
    return asdict(job) | {"request": cut_short(job.request), "links": job_links(job)}


def cut_short(value: Any) -> Any:
    """JSON with each data URI in it cut to its beginning."""
    match value:
        case str() if value.startswith("data:") and len(value) > _SHOWN_CHARS:
            return f"{value[:_SHOWN_CHARS]}… ({len(value):,} characters)"
        case dict():
            return {name: cut_short(item) for name, item in value.items()}
        case list():
            return [cut_short(item) for item in value]
    return value
