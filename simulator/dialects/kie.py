"""kie.ai's `/api/v1/jobs`: everything is answered with HTTP 200, and `code` in the body says how it went.

Sources: https://docs.kie.ai/market/common/get-task-detail, …/market/bytedance/{seedance-2,seedance-2-fast,seedance-2-5}
and …/common-api/webhook-verification. The limit of 20 creates in 10 s is not simulated; use --requests-per-minute.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson

from simulator.dialects.base import REFERENCE_VIDEO_S, Callback, Route, View, random_id
from simulator.dialects.callback_urls import CallbackRules, bad_callback_url
from simulator.dialects.fields import BadField, choice, flag, mapping, only, text, url, urls, whole
from simulator.dialects.plain import PlainDialect
from simulator.tasks.pixels import RATIOS
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, json_answer
from simulator.wire.webhook_signer import WebhookSigner

CREATE, QUERY = "/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo"
# Sizes, longest, whether -1 is allowed, and most images, videos and sounds.
MODELS: dict[str, tuple[tuple[str, ...], int, bool, tuple[int, int, int]]] = {
    "bytedance/seedance-2": (("480p", "720p", "1080p"), 15, False, (9, 3, 3)),
    "bytedance/seedance-2-fast": (("480p", "720p"), 15, False, (9, 3, 3)),
    "bytedance/seedance-2-mini": (("480p", "720p"), 15, False, (9, 3, 3)),
    "bytedance/seedance-2-5": (("480p", "720p", "1080p"), 30, True, (30, 10, 10)),
}
FIELDS = (
    "prompt",
    "first_frame_url",
    "last_frame_url",
    "reference_image_urls",
    "reference_video_urls",
    "reference_audio_urls",
    "return_last_frame",
    "generate_audio",
    "resolution",
    "aspect_ratio",
    "duration",
    "web_search",
    "nsfw_checker",
    "output_format",
)
MESSAGES = {
    401: "You do not have access permissions",
    402: "The current credits are insufficient. Please top up",
    404: "The task does not exist",
    413: "Request body too large",
    422: "Validation error",
    429: "Your call frequency is too high. Please try again later.",
    455: "The system is currently undergoing maintenance",
    500: "Server exception, please try again later",
    501: "The generation failed",
    505: "The feature is disabled",
}
WORDS = {
    Phase.NOT_STARTED: "waiting",
    Phase.SUBMITTED: "waiting",
    Phase.QUEUED: "queuing",
    Phase.RUNNING: "generating",
    Phase.SUCCEEDED: "success",
    Phase.FAILED: "fail",
    Phase.CANCELLED: "fail",
    Phase.EXPIRED: "fail",
}


class Kie(PlainDialect):
    """Create and read; there is neither a list nor a cancel."""

    name = "kie"
    create_path = CREATE
    query_path = f"{QUERY}/"
    callbacks = CallbackRules(frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.EXPIRED}), 15.0, (1.0, 2.0, 4.0))

    def route_of(self, call: Call) -> Route | None:
        if (call.method, call.path) == ("GET", QUERY):
            return Route("query", call.query.get("taskId", ""))
        return Route("create") if (call.method, call.path) == ("POST", CREATE) else None

    def order_of(self, body: dict[str, Any]) -> Order:
        only(body, ("model", "callBackUrl", "input"))
        model = body.get("model")
        if not isinstance(model, str) or model not in MODELS:
            raise BadField("model", "is not supported")
        sizes, longest, auto, most = MODELS[model]
        callback = body.get("callBackUrl")
        if callback is not None and (why := bad_callback_url(callback, https_only=False)):
            raise BadField("callBackUrl", why)
        given = mapping(body, "input")
        only(given, FIELDS, "input.")
        videos = _media(given, most, alone=auto)
        for name in ("web_search", "nsfw_checker"):
            flag(given, name, False, "input.")
        output_format = choice(given, "output_format", ("mp4", "mov"), "mp4", "input.")
        ratio = choice(given, "aspect_ratio", (*RATIOS, "adaptive"), "16:9", "input.")
        seconds = None if auto and given.get("duration") == -1 else whole(given, "duration", 5, 4, longest, "input.")
        return Order(
            model=model,
            upstream_model=model,
            prompt=text(given, "prompt", longest=30_000),
            body=body,
            resolution=choice(given, "resolution", sizes, "720p", "input."),
            ratio="16:9" if ratio == "adaptive" else ratio,
            duration=seconds,
            audio=flag(given, "generate_audio", True, "input."),
            return_last_frame=flag(given, "return_last_frame", False, "input."),
            input_video_s=REFERENCE_VIDEO_S * videos,
            version="2.5" if model.endswith("2-5") else "2.0",
            longest_s=longest,
            callback_url=callback,
            extra={"output_format": output_format},
        )

    def new_id(self) -> str:
        return f"task_bytedance_{random_id(24)}"

    def created(self, task: Task) -> Answer:
        return json_answer(200, {"code": 200, "msg": "success", "data": {"taskId": task.id}})

    def shown(self, task: Task, view: View) -> Answer:
        return json_answer(200, {"code": 200, "msg": "success", "data": _shown(task, view)})

    def called_back(self, task: Task, view: View, signer: WebhookSigner, now: float) -> Callback:
        data = _shown(task, view)
        ended_well = data["state"] == "success"
        code, message = (200, "Playground task completed successfully.") if ended_well else (501, data["failMsg"])
        time, headers = str(int(now)), {}
        if (signature := signer.hmac(f"{task.id}.{time}".encode())) is not None:
            encoded = base64.b64encode(signature).decode()
            headers = {"X-Webhook-Timestamp": time, "X-Webhook-Signature": encoded}
        return Callback(orjson.dumps({"code": code, "msg": message, "data": data}), headers)

    def moderated(self, code: str, message: str) -> Answer:
        return self.failure(422, "", message or "The input was flagged as sensitive content")

    def failure(self, status: int, code: str, message: str) -> Answer:
        named = int(code) if code.isascii() and code.isdigit() else {400: 422, 403: 402}.get(status, status)
        text = message or MESSAGES.get(named, "error")
        # What kie.ai itself answers has HTTP 200; its servers' own faults have theirs.
        return json_answer(
            200 if named in MESSAGES and named < 500 else status, {"code": named, "msg": text, "data": None}
        )


def _media(given: dict[str, Any], most: tuple[int, int, int], *, alone: bool) -> int:
    """Check the media; returns the number of videos. `alone`: sounds need no picture or video."""
    for name in ("first_frame_url", "last_frame_url"):
        if name in given:
            url(given, name, "image", "input.")
    counts = [
        len(urls(given, f"reference_{kind}_urls", kind, limit, "input."))
        for kind, limit in zip(("image", "video", "audio"), most, strict=True)
    ]
    if "last_frame_url" in given and "first_frame_url" not in given:
        raise BadField("input.last_frame_url", "requires first_frame_url")
    if "first_frame_url" in given and any(counts):
        raise BadField("input.first_frame_url", "cannot be combined with references")
    if counts[2] and not (counts[0] or counts[1] or alone):
        raise BadField("input.reference_audio_urls", "requires an image or a video")
    return counts[1]


def _shown(task: Task, view: View) -> dict[str, Any]:
    word = "fail" if view.lost else WORDS[view.phase]
    ended = word in ("success", "fail")
    result, fail_code, fail_message = "", "", ""
    if word == "success" and view.links is not None:
        links = [view.links.video, view.links.last_frame]
        result = orjson.dumps({"resultUrls": [link for link in links if link is not None]}).decode()
    elif word == "fail":
        fail_code, fail_message = "501", task.fate.message or "The generation failed"
    return {
        "taskId": task.id,
        "model": task.order.model,
        "state": view.word or word,
        "param": orjson.dumps(task.order.body).decode(),
        "resultJson": result,
        "failCode": fail_code,
        "failMsg": fail_message,
        "costTime": round(task.total_s * 1000) if ended else 0,
        "completeTime": round(task.ends_at * 1000) if ended else 0,
        "createTime": round(task.created_at * 1000),
        "updateTime": round(task.updated_at(view.now) * 1000),
    }
