"""AnyFast: a QuantumNous/new-api deployment in front of ByteDance Ark.

Sources: https://docs.anyfast.ai/guides/model-api/bytedance/seedance-task-query,
https://docs.anyfast.com.cn/api-reference/model-api/bytedance/seedance-task-query, and new-api's
relay/channel/task/doubao/adaptor.go, dto/task.go, service/task_polling.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedance.errors import BadAnswer, GatewayError, Operation, OutcomeUnknown, redact
from seedance.gateways import new_api
from seedance.gateways.ark_codes import ark_failure
from seedance.gateways.base import (
    Attempt,
    Dialect,
    Submitted,
    TaskFailure,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.http_errors import read_json, text_of
from seedance.problems import Problem
from seedance.request import GenerationRequest

MODELS = {"standard": "seedance", "fast": "seedance-fast"}
RESOLUTIONS = ("480p", "720p")
MAX_CHINESE_CHARS, MAX_WORDS = 500, 1000

OUTER = {
    "": TaskStatus.QUEUED,
    "NOT_START": TaskStatus.QUEUED,
    "SUBMITTED": TaskStatus.QUEUED,
    "QUEUED": TaskStatus.QUEUED,
    "UNKNOWN": TaskStatus.QUEUED,
    "IN_PROGRESS": TaskStatus.RUNNING,
    "SUCCESS": TaskStatus.SUCCEEDED,
    "FAILURE": TaskStatus.FAILED,
}
INNER = {
    "queued": TaskStatus.QUEUED,
    "running": TaskStatus.RUNNING,
    "processing": TaskStatus.RUNNING,
    "succeeded": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
    "expired": TaskStatus.EXPIRED,
}
# The gateway lost sight of its upstream; the generation may still be running there.
LOST_REASONS = ("upstream returned error", "upstream returned unrecognized message", "任务超时")


class AnyFast(Dialect):
    """AnyFast's `/v1/video/generations`: Ark's content array in, new-api's task object out."""

    name = "anyfast"
    default_base_url = "https://www.anyfast.com.cn"
    video_life_s = 12 * 3600.0  # the asset page says 12 h, the manual 24 h: the shorter one is safe
    refresh_s = 10.0

    def model_for(self, request: GenerationRequest) -> str:
        return MODELS[request.tier]

    def refusals(self, request: GenerationRequest) -> list[Problem]:
        found = []
        if request.tier not in MODELS:
            found.append(Problem("tier", f"anyfast has {' and '.join(MODELS)}, not {request.tier}"))
        if request.resolution not in (None, *RESOLUTIONS):
            found.append(Problem("resolution", f"anyfast has {' and '.join(RESOLUTIONS)}, not {request.resolution}"))
        if request.tier != "standard":
            for name in ("reference_videos", "reference_audios"):
                if getattr(request, name):
                    found.append(Problem(name, f"anyfast takes them with tier standard only, not {request.tier}"))
            if request.web_search:
                found.append(Problem("web_search", f"anyfast searches with tier standard only, not {request.tier}"))
        if any(value.startswith("data:") for value in request.reference_videos):
            found.append(Problem("reference_videos", "anyfast takes a URL or asset://ID, not a data URI"))
        if request.camera_fixed:
            found.append(Problem("camera_fixed", "Seedance 2.0 on anyfast cannot fix the camera"))
        if options := request.options_for(self.name, frozenset({self.name})):
            found.append(Problem("gateway_options", f"anyfast has none, not {', '.join(sorted(options))}"))
        return found

    def submit_call(self, request: GenerationRequest, attempt: Attempt) -> WireCall:
        body: dict[str, Any] = {"model": self.model_for(request), "content": list(_content(request))}
        seed = request.seed if request.seed is not None else attempt.seed
        optional = {
            "generate_audio": request.audio,
            "resolution": request.resolution,
            "ratio": request.ratio,
            "duration": request.duration,
            "seed": seed,
            "watermark": request.watermark,
            "return_last_frame": request.return_last_frame,
        }
        body |= {name: value for name, value in optional.items() if value is not None}
        if request.web_search:
            body["tools"] = [{"type": "web_search"}]
        return WireCall("POST", "/v1/video/generations", body)

    def read_submitted(self, answer: WireAnswer) -> Submitted:
        data = read_json(answer.body)
        if isinstance(data, dict):
            holders = [data, data.get("data")]
            for holder in holders:
                if isinstance(holder, dict) and (
                    task_id := text_of(holder.get("task_id")) or text_of(holder.get("id"))
                ):
                    return Submitted(task_id)
        raise OutcomeUnknown(
            f"accepted without a task id: {answer.body[:500].decode('utf-8', 'replace')}",
            gateway=self.name,
            status=answer.status,
        )

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/video/generations/{task_id}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        envelope = read_json(answer.body)
        task = envelope.get("data") if isinstance(envelope, dict) else None
        if not isinstance(task, dict) or not isinstance(task.get("status"), str):
            raise BadAnswer(
                f"not a task: {answer.body[:500].decode('utf-8', 'replace')}",
                gateway=self.name,
                operation="query",
                status=answer.status,
            )
        inner = task.get("data")
        inner = inner if isinstance(inner, dict) else {}
        status = _status(task, inner)
        usage = inner.get("usage")
        return TaskReport(
            status=status,
            raw_status=f"{task['status']}/{text_of(inner.get('status')) or '-'}",
            progress=_percent(task.get("progress")),
            video_url=_video_url(task, inner) if status is TaskStatus.SUCCEEDED else None,
            last_frame_url=_url(_content_of(inner).get("last_frame_url")),
            usage=usage if isinstance(usage, dict) else None,
            seed=inner["seed"] if isinstance(inner.get("seed"), int) else None,
            failure=_failure(task, inner, status),
        )

    def read_error(self, operation: Operation, answer: WireAnswer) -> GatewayError:
        return new_api.read_error(self.name, operation, answer)


def _content(request: GenerationRequest) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    for name, modality, value in request.media():
        role = name if name in ("first_frame", "last_frame") else f"reference_{modality}"
        kind = f"{modality}_url"
        items.append({"type": kind, kind: {"url": value}, "role": role})
    return items


def _status(task: Mapping[str, Any], inner: Mapping[str, Any]) -> TaskStatus:
    """The outer status, unless the inner one knows better: the gateway shows Ark's `expired` as in progress."""
    outer = OUTER.get(task["status"].upper(), TaskStatus.UNKNOWN)
    within = INNER.get(text_of(inner.get("status")).lower())
    if outer is TaskStatus.SUCCEEDED:
        return outer
    if within is TaskStatus.SUCCEEDED and _url(_content_of(inner).get("video_url")):
        return within
    if outer is TaskStatus.FAILED:
        reason = text_of(task.get("fail_reason"))
        if within is not TaskStatus.FAILED and any(lost in reason for lost in LOST_REASONS):
            return TaskStatus.LOST
        return outer
    if within in (TaskStatus.CANCELLED, TaskStatus.EXPIRED, TaskStatus.FAILED):
        return within
    return outer


def _video_url(task: Mapping[str, Any], inner: Mapping[str, Any]) -> str | None:
    """AnyFast still copies the URL into `fail_reason` for older clients, so that comes last."""
    candidates = (task.get("result_url"), _content_of(inner).get("video_url"), task.get("fail_reason"))
    return next((url for value in candidates if (url := _url(value))), None)


def _failure(task: Mapping[str, Any], inner: Mapping[str, Any], status: TaskStatus) -> TaskFailure | None:
    reason = text_of(task.get("fail_reason"))
    match status:
        case TaskStatus.FAILED:
            error = inner.get("error")
            if isinstance(error, dict) and (text_of(error.get("code")) or text_of(error.get("message"))):
                return ark_failure(text_of(error.get("code")), redact(text_of(error.get("message"))))
            unwrapped = new_api.read_body(reason)
            code = unwrapped.code or (reason.split(":", 1)[0].strip() if ":" in reason else reason)
            message = redact(unwrapped.message or reason or "the gateway gave no reason")
            return ark_failure(code if len(code) <= 120 else "", message)
        case TaskStatus.LOST:
            return TaskFailure("gateway_lost", redact(reason), retryable=True)
        case TaskStatus.CANCELLED:
            return TaskFailure("cancelled_upstream", "the task was cancelled at the gateway's upstream")
        case TaskStatus.EXPIRED:
            return TaskFailure("expired_upstream", "the task expired before it was generated", retryable=True)
        case _:
            return None


def _content_of(inner: Mapping[str, Any]) -> Mapping[str, Any]:
    content = inner.get("content")
    return content if isinstance(content, dict) else {}


def _url(value: object) -> str | None:
    return value if isinstance(value, str) and value.startswith(("http://", "https://")) else None


def _percent(value: object) -> int | None:
    text = text_of(value).removesuffix("%")
    return min(int(text), 100) if text.isascii() and text.isdigit() else None
