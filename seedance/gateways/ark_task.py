"""Ark's own task: the content array that creates it, and the object that shows it.

AnyFast passes the array on and wraps the object; the native API has both unwrapped.

Source: byteplus-python-sdk-v2, resources/content_generation/tasks.py and types/content_generation/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from seedance.drafts import SET_FOR_FINAL, takes_in_final
from seedance.gateways.answers import (
    count_of,
    flag_of,
    object_of,
    seconds_of,
    seed_of,
    text_of,
    unix_time_of,
    url_of,
    usage_of,
    word_of,
)
from seedance.gateways.ark_codes import ark_failure
from seedance.gateways.base import AttemptOptions, TaskFailure, TaskReport, TaskStatus
from seedance.gateways.statuses import status_in
from seedance.models.rows import ModelRow
from seedance.request import GenerationRequest

DRAFT_TASK = "draft_task"
STATUSES = {
    "queued": TaskStatus.QUEUED,
    "running": TaskStatus.RUNNING,
    "processing": TaskStatus.RUNNING,
    "succeeded": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
    "expired": TaskStatus.EXPIRED,
}


def create_body(row: ModelRow, request: GenerationRequest, attempt: AttemptOptions) -> dict[str, Any]:
    """The body that creates a task, of a settled request: text first, then images, videos and audios; unset fields are
    left out. `row`: of its model."""
    if request.draft_of is not None:
        return _final_body(row, request, attempt)
    body: dict[str, Any] = {"model": row.model_of(request.use, request.resolution), "content": _content(request)}
    seed = request.seed if request.seed is not None else attempt.seed
    optional = {
        "generate_audio": request.audio,
        "resolution": request.resolution,
        "ratio": request.ratio,
        "duration": request.duration,
        "seed": seed if "seed" in row.flags else None,  # a seed of -1 asks for what happens anyway
        "watermark": request.watermark,
        "return_last_frame": request.return_last_frame,
        "output_format": request.output_format if row.output_formats else None,
        "omni_reference_task_type": request.task_type if row.task_types else None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if request.web_search:
        body["tools"] = [{"type": "web_search"}]
    if request.draft:
        body |= {"draft": True, "return_last_frame": False}
    return body


def _final_body(row: ModelRow, request: GenerationRequest, attempt: AttemptOptions) -> dict[str, Any]:
    """The body that makes a draft final. The gateway takes everything else from the draft, and refuses it here even if
    it is equal."""
    content = [{"type": DRAFT_TASK, DRAFT_TASK: {"id": attempt.draft_task_id}}]
    values = {name: getattr(request, name) for name in SET_FOR_FINAL}
    body = {name: value for name, value in values.items() if value is not None and takes_in_final(row, name)}
    return {"model": attempt.draft_model, "content": content} | body


def _content(request: GenerationRequest) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    for name, modality, value in request.media():
        role = name if name in ("first_frame", "last_frame") else f"reference_{modality}"
        kind = f"{modality}_url"
        items.append({"type": kind, kind: {"url": value}, "role": role})
    return items


def status_of(task: Mapping[str, Any]) -> TaskStatus | None:
    """A task's status; None if it has none."""
    word = word_of(task.get("status")).lower()
    if not word:
        return None
    return STATUSES.get(word) or status_in(STATUSES, word, video_url_of(task))


def video_url_of(task: Mapping[str, Any]) -> str | None:
    """The video's URL; None if the task has none."""
    return url_of(object_of(task.get("content")).get("video_url"))


def last_frame_url_of(task: Mapping[str, Any]) -> str | None:
    """The last frame's URL; None if it was not requested."""
    return url_of(object_of(task.get("content")).get("last_frame_url"))


def finished_at(task: Mapping[str, Any]) -> int | None:
    """When an ended task ended, in Unix seconds: the time of its last change."""
    return unix_time_of(task.get("updated_at"))


def failure_of(task: Mapping[str, Any]) -> TaskFailure | None:
    """Why the task failed; None if it does not say."""
    error = object_of(task.get("error"))
    code, message = word_of(error.get("code")), text_of(error.get("message"))
    return ark_failure(code, message, text_of(error.get("param"))) if code or message else None


def ended_early(status: TaskStatus) -> TaskFailure | None:
    """The failure of a task that was cancelled or expired; None for any other status."""
    if status is TaskStatus.CANCELLED:
        return TaskFailure("cancelled_upstream", "the task was cancelled at the gateway")
    if status is TaskStatus.EXPIRED:
        return TaskFailure("expired_upstream", "the task expired before it was generated", retryable=True)
    return None


def report_of(task: Mapping[str, Any]) -> TaskReport | None:
    """An unwrapped task as a report; None if it has no status."""
    status = status_of(task)
    if status is None:
        return None
    failure = ended_early(status)
    if status is TaskStatus.FAILED:
        failure = failure_of(task) or ark_failure("", "")
    succeeded = status is TaskStatus.SUCCEEDED
    return TaskReport(
        status=status,
        raw_status=word_of(task["status"]),
        video_url=video_url_of(task) if succeeded else None,
        last_frame_url=last_frame_url_of(task) if succeeded else None,
        usage=usage_of(task.get("usage")),
        seed=seed_of(task.get("seed")),
        failure=failure,
        finished_at=finished_at(task) if succeeded else None,
        created_at=unix_time_of(task.get("created_at")),
    )


class Echoed(TypedDict):
    """The part of a `ListedTask` that an Ark task echoes of its request."""

    duration: float | None
    resolution: str | None
    ratio: str | None
    audio: bool | None
    draft: bool | None
    draft_task_id: str | None
    service_tier: str | None
    execution_expires_after: int | None


def echoed(task: Mapping[str, Any]) -> Echoed:
    """The fields of the request that a task shows."""
    return {
        "duration": seconds_of(task.get("duration")),
        "resolution": word_of(task.get("resolution")).lower() or None,
        "ratio": word_of(task.get("ratio")) or None,
        "audio": flag_of(task.get("generate_audio")),
        "draft": flag_of(task.get("draft")),
        "draft_task_id": word_of(task.get("draft_task_id")) or None,
        "service_tier": word_of(task.get("service_tier")) or None,
        "execution_expires_after": count_of(task.get("execution_expires_after")),
    }
