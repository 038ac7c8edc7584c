"""EvoLink: one flat body, a model for each mode (and for edits and extensions from 2.5 on), credits per second.

Sources: https://docs.evolink.ai/cn/api-manual/video-series/seedance2.0/seedance-2.0-overview,
https://docs.evolink.ai/en/api-manual/task-management/get-task-detail and …/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from seedance.errors import redact
from seedance.gateways.answers import first_url, object_of, percent_of, read_json, text_of, usage_of, word_of
from seedance.gateways.ark_codes import ark_failure
from seedance.gateways.ark_task import ended_early
from seedance.gateways.base import AttemptOptions, Dialect, TaskFailure, TaskReport, TaskStatus, WireAnswer, WireCall
from seedance.gateways.capabilities import Capabilities, Option
from seedance.gateways.evolink_errors import FORM
from seedance.gateways.statuses import status_in
from seedance.models.rows import MB
from seedance.request import GenerationRequest

STATUSES = {
    "pending": TaskStatus.QUEUED,
    "queued": TaskStatus.QUEUED,
    "processing": TaskStatus.RUNNING,
    "completed": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
}
# The meaning of a code in a failed task: reelq's code, and whether a new attempt can help.
FAILURES = {
    "content_policy_violation": ("moderation_blocked", False),
    "invalid_parameters": ("invalid_request", False),
    "image_processing_error": ("invalid_request", False),
    "image_dimension_mismatch": ("invalid_request", False),
    "resource_not_found": ("invalid_request", False),
    "request_cancelled": ("cancelled_upstream", False),
    "service_error": ("generation_failed", True),
    "generation_timeout": ("generation_failed", True),
    "resource_exhausted": ("generation_failed", True),
    "quota_exceeded": ("generation_failed", True),
    "service_unavailable": ("generation_failed", True),
    "generation_failed_no_content": ("generation_failed", True),
    "unknown_error": ("generation_failed", True),
}


class EvoLink(Dialect):
    """EvoLink's `/v1/videos/generations`, read back from `/v1/tasks/{id}`."""

    name = "evolink"
    default_base_url = "https://api.evolink.ai"
    errors = FORM

    facts = Capabilities(
        gateway="evolink",
        max_prompt_tokens=10_000,
        advised_prompt=(500, 1000),
        max_body_bytes=64 * MB,
        options={"content_filter": Option(kind="boolean")},
        callbacks=True,
        callbacks_https_only=True,
    )

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        row, request = self.row_for(request), self.settled(request)
        frames = [frame for frame in (request.first_frame, request.last_frame) if frame is not None]
        # Other text models accept no model_params at all, not even an empty search.
        searches = row.web_search and request.mode == "text"
        optional = {
            "image_urls": [*frames, *request.reference_images] or None,
            "video_urls": list(request.reference_videos) or None,
            "audio_urls": list(request.reference_audios) or None,
            "duration": request.duration,
            "quality": request.resolution,
            "aspect_ratio": request.ratio,
            "generate_audio": request.audio,
            "model_params": {"web_search": request.web_search} if searches and request.web_search is not None else None,
            "callback_url": attempt.callback_url,
        }
        body: dict[str, Any] = {"model": row.model_of(request.use, request.resolution), "prompt": request.prompt}
        body |= {name: value for name, value in optional.items() if value is not None}
        return WireCall("POST", "/v1/videos/generations", body | self.options(request))

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/tasks/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        task = object_of(read_json(answer.body))
        if not isinstance(task.get("status"), str) or not task["status"].strip():
            raise self.bad_answer(answer)
        results = task.get("results")
        video_url = first_url(*results) if isinstance(results, list) else None
        status = status_in(STATUSES, word_of(task["status"]).lower(), video_url)
        failure = ended_early(status)
        if status is TaskStatus.FAILED:
            failure = _failure(task)
            if failure.code == "cancelled_upstream":
                status = TaskStatus.CANCELLED
        return TaskReport(
            status=status,
            raw_status=word_of(task["status"]),
            progress=percent_of(task.get("progress")),
            video_url=video_url if status is TaskStatus.SUCCEEDED else None,
            usage=usage_of(task.get("usage")),
            failure=failure,
        )


def _failure(task: Mapping[str, Any]) -> TaskFailure:
    error = object_of(task.get("error"))
    code, message = word_of(error.get("code")), text_of(error.get("message"))
    if code in FAILURES:
        ours, retryable = FAILURES[code]
        return TaskFailure(ours, redact(message or code), code, retryable=retryable)
    if code.startswith("invalid_"):
        return TaskFailure("invalid_request", redact(message or code), code)
    return ark_failure(code, message)
