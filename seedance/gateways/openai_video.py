"""The `/v1/videos` object, which new-api and similar software modelled on OpenAI's: read by several dialects.

Gateways put the video's URL in different places; all known places are read, in a fixed order.

Source: QuantumNous/new-api, dto/openai_video.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedance.gateways.answers import (
    first_url,
    object_of,
    percent_of,
    read_json,
    seed_of,
    text_of,
    unix_time_of,
    usage_of,
    word_of,
)
from seedance.gateways.ark_task import ended_early
from seedance.gateways.base import TaskFailure, TaskReport, TaskStatus
from seedance.gateways.new_api import errors as new_api_errors
from seedance.gateways.statuses import status_in

STATUSES = {
    "": TaskStatus.QUEUED,
    "unknown": TaskStatus.QUEUED,  # new-api's word for a task that it has not forwarded yet
    "not_start": TaskStatus.QUEUED,
    "submitted": TaskStatus.QUEUED,
    "pending": TaskStatus.QUEUED,
    "queued": TaskStatus.QUEUED,
    "preprocessing": TaskStatus.RUNNING,
    "in_progress": TaskStatus.RUNNING,
    "processing": TaskStatus.RUNNING,
    "running": TaskStatus.RUNNING,
    "completed": TaskStatus.SUCCEEDED,
    "succeeded": TaskStatus.SUCCEEDED,
    "success": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "failure": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
    "canceled": TaskStatus.CANCELLED,
    "expired": TaskStatus.EXPIRED,
}


def report_of(body: bytes) -> TaskReport | None:
    """An answer to the query as a report; None if it is not such an object."""
    top = object_of(read_json(body))
    task = top if "status" in top else object_of(top.get("data"))
    if not isinstance(task.get("status"), str):
        return None
    metadata = object_of(task.get("metadata"))
    video_url = _video_url(task, metadata)
    status = status_in(STATUSES, word_of(task["status"]).lower(), video_url)
    failure = ended_early(status)
    if status is TaskStatus.FAILED:
        failure = _failure(task)
        if failure.code == "gateway_lost":
            status = TaskStatus.LOST
    succeeded = status is TaskStatus.SUCCEEDED
    return TaskReport(
        status=status,
        raw_status=word_of(task["status"]),
        progress=percent_of(task.get("progress")),
        video_url=video_url if succeeded else None,
        last_frame_url=first_url(task.get("last_frame_url"), metadata.get("last_frame_url")) if succeeded else None,
        usage=usage_of(task.get("usage")),
        seed=seed_of(task.get("seed")),
        failure=failure,
        # new-api gives one for unfinished tasks as well: when the task was last written.
        finished_at=unix_time_of(task.get("completed_at")) if succeeded else None,
    )


def _video_url(task: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    return first_url(
        task.get("video_url"),
        metadata.get("url"),
        task.get("url"),
        task.get("result_url"),
        _first_of(task.get("generations")).get("url"),
        _first_of(task.get("data")).get("url"),
    )


def _first_of(items: object) -> Mapping[str, Any]:
    return object_of(items[0]) if isinstance(items, list) and items else {}


def _failure(task: Mapping[str, Any]) -> TaskFailure:
    error = object_of(task.get("error"))
    reason = text_of(error.get("message")) or next(
        (text for name in ("error", "failure_reason", "fail_reason", "message") if (text := text_of(task.get(name)))),
        "",
    )
    return new_api_errors.failure_of(reason, word_of(error.get("code")))
