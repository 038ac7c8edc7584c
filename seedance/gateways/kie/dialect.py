"""kie.ai: one call to create a task of any model, one to read it, and errors with HTTP 200.

How sure each fact is: [D] https://docs.kie.ai/market/common/get-task-detail, …/market/bytedance/{seedance-2,
seedance-2-fast,seedance-2-5} and …/common-api/webhook-verification; [3p] third parties' code; [I] an inference.

* Bodies, states, `resultJson` as text, the codes: [D]. Times in milliseconds: [D].
* The page of 2.0 spells one field `reference_video_urls ` with a space at its end; that of 2.5 does not: sent without.
* Where the last frame is, if it was requested: unknown; `lastFrameUrl` or a picture among `resultUrls` is taken.
* `nsfw_checker`: [3p]. 20 creates in 10 s, the surplus is refused: [3p]. No cancel, no list: [D] has none.
* The callback's signature covers the task's id and the time, not the body [D], so it is a nudge and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from seedance.errors import OutcomeUnknown
from seedance.gateways.answers import (
    excerpt,
    first_url,
    id_of,
    object_of,
    read_json,
    text_of,
    unix_time_of,
    url_of,
    word_of,
)
from seedance.gateways.base import (
    AttemptOptions,
    Callback,
    CallbackProof,
    Dialect,
    Submitted,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.capabilities import Capabilities, Option
from seedance.gateways.kie.errors import FORM, OK, is_number
from seedance.gateways.plain_failures import failure_of_words
from seedance.gateways.signatures import UNSIGNED, from_base64, hmac_forgery, stale
from seedance.gateways.statuses import status_in
from seedance.request import GenerationRequest

STATUSES = {
    "waiting": TaskStatus.QUEUED,
    "queuing": TaskStatus.QUEUED,
    "generating": TaskStatus.RUNNING,
    "success": TaskStatus.SUCCEEDED,
    "fail": TaskStatus.FAILED,
}
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


class Kie(Dialect):
    """kie.ai's `/api/v1/jobs`."""

    name = "kie"
    default_base_url = "https://api.kie.ai"
    errors = FORM
    callback_proof = CallbackProof.SECRET
    facts = Capabilities(gateway="kie", options={"nsfw_checker": Option(kind="boolean")}, callbacks=True)

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        row, request = self.row_for(request), self.settled(request)
        optional = {
            "first_frame_url": request.first_frame,
            "last_frame_url": request.last_frame,
            "reference_image_urls": list(request.reference_images) or None,
            "reference_video_urls": list(request.reference_videos) or None,
            "reference_audio_urls": list(request.reference_audios) or None,
            "return_last_frame": request.return_last_frame,
            "generate_audio": request.audio,
            "resolution": request.resolution,
            "aspect_ratio": request.ratio,
            "duration": request.duration,
            "web_search": request.web_search if row.web_search and request.mode == "text" else None,
        }
        given = {"prompt": request.prompt} | {name: value for name, value in optional.items() if value is not None}
        body: dict[str, Any] = {
            "model": row.model_of(request.use, request.resolution),
            "input": given | self.options(request),
        }
        if attempt.callback_url is not None:
            body["callBackUrl"] = attempt.callback_url
        return WireCall("POST", "/api/v1/jobs/createTask", body)

    def is_error(self, answer: WireAnswer) -> bool:
        code = object_of(read_json(answer.body)).get("code")
        return super().is_error(answer) or (is_number(code) and code != OK)

    def read_submitted(self, answer: WireAnswer) -> Submitted:
        data = object_of(read_json(answer.body))
        task_id = _id_of(data)
        if answer.status == OK and data.get("code") == OK and task_id:
            return Submitted(task_id)
        raise OutcomeUnknown(
            f"accepted without a task id: {excerpt(answer.body)}", gateway=self.name, status=answer.status
        )

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", "/api/v1/jobs/recordInfo", params={"taskId": task_id})

    def read_report(self, answer: WireAnswer) -> TaskReport:
        task = object_of(object_of(read_json(answer.body)).get("data"))
        if not word_of(task.get("state")):
            raise self.bad_answer(answer)
        video, last_frame = _results(task.get("resultJson"))
        status = status_in(STATUSES, word_of(task["state"]).lower(), video)
        if status is TaskStatus.FAILED:
            failure = failure_of_words(text_of(task.get("failMsg")), word_of(task.get("failCode")))
            return TaskReport(status, word_of(task["state"]), usage=_usage(task), failure=failure)
        if status is not TaskStatus.SUCCEEDED:
            return TaskReport(status, word_of(task["state"]))
        ended_ms = task.get("completeTime")
        return TaskReport(
            status,
            word_of(task["state"]),
            video_url=video,
            last_frame_url=last_frame,
            usage=_usage(task),
            finished_at=unix_time_of(ended_ms // 1000) if is_number(ended_ms) else None,
        )

    def read_callback(self, body: bytes) -> str:
        return _id_of(object_of(read_json(body)))

    def callback_forgery(self, callback: Callback, keys: Sequence[str], now: float) -> str | None:
        """`X-Webhook-Signature`: base64 of the HMAC of "<task id>.<time>"."""
        time = callback.headers.get("x-webhook-timestamp", "")
        signature = from_base64(callback.headers.get("x-webhook-signature", ""))
        if not signature:
            return UNSIGNED
        signed = f"{self.read_callback(callback.body)}.{time}".encode()
        return stale(time, now) or hmac_forgery(signed, signature, keys)


def _id_of(data: Mapping[str, Any]) -> str:
    task = object_of(data.get("data"))
    named = id_of(task.get("taskId")) or id_of(task.get("task_id"))
    return named if len(named) <= 200 else ""


def _results(value: object) -> tuple[str | None, str | None]:
    """The video and the last frame of a result, which is JSON as text."""
    result = object_of(read_json(value)) if isinstance(value, str) else object_of(value)
    urls = [url for item in _list(result.get("resultUrls")) if (url := url_of(item)) is not None]
    pictures = [url for url in urls if urlsplit(url).path.lower().endswith(_PICTURES)]
    video = next((url for url in urls if url not in pictures), None)
    return video, first_url(result.get("lastFrameUrl"), result.get("last_frame_url"), *pictures)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _usage(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    credits = task.get("creditsConsumed")
    return {"credits": credits} if isinstance(credits, int | float) and not isinstance(credits, bool) else None
