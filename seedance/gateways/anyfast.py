"""AnyFast: a QuantumNous/new-api deployment in front of ByteDance Ark.

Sources: AnyFast's Seedance 2.0 manual and asset page,
https://docs.anyfast.ai/guides/model-api/bytedance/seedance-task-query, and new-api's
relay/channel/task/doubao/adaptor.go, dto/task.go, service/task_polling.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from seedance.errors import GatewayError, Operation
from seedance.gateways import ark_task, new_api
from seedance.gateways.answers import first_url, object_of, percent_of, read_json, seed_of, text_of, usage_of, word_of
from seedance.gateways.ark_codes import ark_class
from seedance.gateways.base import AttemptOptions, Dialect, TaskFailure, TaskReport, TaskStatus, WireAnswer, WireCall
from seedance.gateways.capabilities import ANY_RATIO, MB, Capabilities, MediaLimits, TierLimits
from seedance.media import MediaKind
from seedance.request import GenerationRequest

_IMAGES = MediaLimits(
    count=9,
    kinds=frozenset({MediaKind.URL, MediaKind.DATA, MediaKind.ASSET}),
    formats=frozenset({"jpg", "png", "gif", "webp", "bmp", "tiff", "heic", "heif"}),
    max_bytes=30 * MB,
    side_px=(300, 6000),
    aspect=(0.4, 2.5),
)
_VIDEOS = MediaLimits(
    count=3,
    kinds=frozenset({MediaKind.URL, MediaKind.ASSET}),
    formats=frozenset({"mp4", "mov"}),
    max_bytes=50 * MB,
    seconds=(2, 15),
    total_seconds=15,
    fps=(24, 60),
)
_AUDIOS = MediaLimits(
    count=3,
    kinds=frozenset({MediaKind.URL, MediaKind.DATA, MediaKind.ASSET}),
    formats=frozenset({"mp3", "wav"}),
    max_bytes=15 * MB,
    seconds=(2, 15),
    total_seconds=15,
)
_NONE = MediaLimits(count=0)

CAPABILITIES = Capabilities(
    gateway="anyfast",
    tiers={
        "standard": TierLimits(
            models=("seedance",),
            resolutions=("480p", "720p"),
            default_resolution="720p",
            media={"image": _IMAGES, "video": _VIDEOS, "audio": _AUDIOS},
            web_search=True,
        ),
        "fast": TierLimits(
            models=("seedance-fast",),
            resolutions=("480p", "720p"),
            default_resolution="720p",
            media={"image": _IMAGES, "video": _NONE, "audio": _NONE},
        ),
    },
    ratios=ANY_RATIO,
    default_ratio="adaptive",
    auto_duration=True,
    advised_prompt=(500, 1000),
    flags=frozenset({"seed", "watermark", "return_last_frame"}),
    assets=True,
)

STATUSES = {
    "": TaskStatus.QUEUED,
    "NOT_START": TaskStatus.QUEUED,
    "SUBMITTED": TaskStatus.QUEUED,
    "QUEUED": TaskStatus.QUEUED,
    "UNKNOWN": TaskStatus.QUEUED,
    "IN_PROGRESS": TaskStatus.RUNNING,
    "SUCCESS": TaskStatus.SUCCEEDED,
    "FAILURE": TaskStatus.FAILED,
}


class AnyFast(Dialect):
    """AnyFast's `/v1/video/generations`: Ark's content array in, new-api's task object out."""

    name = "anyfast"
    default_base_url = "https://www.anyfast.com.cn"
    video_life_s = 12 * 3600.0  # the asset page says 12 h, the manual 24 h: the shorter one is safe
    refresh_s = 10.0

    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def model_for(self, request: GenerationRequest) -> str:
        return CAPABILITIES.tiers[request.tier].models[0]

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        body = ark_task.create_body(self.model_for(request), request, attempt)
        return WireCall("POST", "/v1/video/generations", body)

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/video/generations/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        task = object_of(object_of(read_json(answer.body)).get("data"))
        if not isinstance(task.get("status"), str):
            raise self.bad_answer(answer)
        inner = object_of(task.get("data"))
        status, failure = _outcome(task, inner)
        succeeded = status is TaskStatus.SUCCEEDED
        return TaskReport(
            status=status,
            raw_status=f"{word_of(task['status'])}/{word_of(inner.get('status')) or '-'}",
            progress=percent_of(task.get("progress")),
            video_url=_video_url(task, inner) if succeeded else None,
            last_frame_url=ark_task.last_frame_url_of(inner) if succeeded else None,
            usage=usage_of(inner.get("usage")),
            seed=seed_of(inner.get("seed")),
            failure=failure,
        )

    def read_error(self, operation: Operation, answer: WireAnswer) -> GatewayError:
        return new_api.read_error(self.name, operation, answer)


def _outcome(task: Mapping[str, Any], inner: Mapping[str, Any]) -> tuple[TaskStatus, TaskFailure | None]:
    """The outer status, unless the inner one knows better: the gateway shows Ark's `expired` as in progress."""
    outer = STATUSES.get(word_of(task["status"]).upper(), TaskStatus.UNKNOWN)
    within = ark_task.status_of(inner)
    if outer is TaskStatus.SUCCEEDED or (within is TaskStatus.SUCCEEDED and ark_task.video_url_of(inner)):
        return TaskStatus.SUCCEEDED, None
    if within is not None and (ended := ark_task.ended_early(within)) is not None:
        return within, ended
    if TaskStatus.FAILED in (outer, within):
        failure = ark_task.failure_of(inner) or new_api.failure_of(text_of(task.get("fail_reason")))
        unseen = within in (TaskStatus.QUEUED, TaskStatus.RUNNING) and failure.code == "generation_failed"
        if failure.code == "gateway_lost" or (unseen and ark_class(failure.gateway_code, failure.message) is None):
            # Ark never said that it failed: the gateway only lost sight of it.
            return TaskStatus.LOST, TaskFailure("gateway_lost", failure.message, failure.gateway_code, retryable=True)
        return TaskStatus.FAILED, failure
    return outer, None


def _video_url(task: Mapping[str, Any], inner: Mapping[str, Any]) -> str | None:
    """AnyFast still copies the URL into `fail_reason` for older clients, so that comes last."""
    return first_url(task.get("result_url"), ark_task.video_url_of(inner), task.get("fail_reason"))
