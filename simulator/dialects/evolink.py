"""EvoLink: one model name per mode and tier, task queries under `/v1/tasks`, string error codes.

Sources: EvoLink's Seedance 2.0 page (OpenAPI);
https://docs.evolink.ai/en/api-manual/task-management/get-task-detail and …/error-codes
"""

from __future__ import annotations

import secrets
from typing import Any

from simulator.dialects.base import REFERENCE_VIDEO_S, View, random_id
from simulator.dialects.callback_urls import CallbackRules, bad_callback_url
from simulator.dialects.fields import BadField, choice, flag, mapping, only, text, urls, whole
from simulator.dialects.plain import PlainDialect
from simulator.tasks.pixels import RATIOS
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, json_answer

PREFIX = "task-unified-"
TIERS = {"": ("480p", "720p", "1080p"), "fast-": ("480p", "720p"), "mini-": ("480p", "720p")}
MODES = ("text-to-video", "image-to-video", "reference-to-video")
MODES_2_5 = (*MODES, "video-edit", "video-extend")
MODELS = {f"seedance-2.0-{tier}{mode}": (tier, mode) for tier in TIERS for mode in MODES}
MODELS |= {f"seedance-2.5-{mode}": ("2.5", mode) for mode in MODES_2_5}
FIELDS = (
    "model",
    "prompt",
    "image_urls",
    "video_urls",
    "audio_urls",
    "duration",
    "quality",
    "aspect_ratio",
    "generate_audio",
    "content_filter",
    "model_params",
    "callback_url",
)
SIZES_2_5 = ("480p", "720p", "1080p")
_RATIO = {True: "adaptive", False: "16:9"}
MAX_TOKENS = 10_000
CREDITS_PER_SECOND = 6.25
_ERRORS = {
    400: ("invalid_request", "Invalid request parameters", "invalid_request_error"),
    401: ("unauthorized", "Invalid or expired token", "authentication_error"),
    402: ("insufficient_quota", "Insufficient quota. Please top up your account.", "insufficient_quota"),
    403: ("model_access_denied", "Token does not have access to the specified model", "invalid_request_error"),
    404: ("resource_not_found", "The requested resource does not exist", "invalid_request_error"),
    413: ("request_too_large", "Request body too large", "invalid_request_error"),
    429: ("rate_limit_exceeded", "Too many requests, please try again later", "rate_limit_error"),
    500: ("internal_error", "Internal server error", "api_error"),
    502: ("bad_gateway", "Bad gateway", "api_error"),
    503: ("service_unavailable", "Service temporarily unavailable", "api_error"),
}
_WORDS = {
    Phase.NOT_STARTED: ("pending", 0),
    Phase.SUBMITTED: ("pending", 0),
    Phase.QUEUED: ("pending", 0),
    Phase.RUNNING: ("processing", 50),
    Phase.SUCCEEDED: ("completed", 100),
    Phase.FAILED: ("failed", 0),
    Phase.CANCELLED: ("cancelled", 0),
    Phase.EXPIRED: ("failed", 0),
}


class EvoLink(PlainDialect):
    """Nine models of 2.0, three modes in three tiers; five of 2.5, a mode each."""

    name = "evolink"
    create_path = "/v1/videos/generations"
    query_path = "/v1/tasks/"
    callbacks = CallbackRules(
        frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED}), 10.0, (1.0, 2.0, 4.0)
    )

    def order_of(self, body: dict[str, Any]) -> Order:
        model = body.get("model")
        if not isinstance(model, str) or model not in MODELS:
            raise BadField("model", f"must be one of {', '.join(MODELS)}")
        return _order(body, model)

    def new_id(self) -> str:
        return f"{PREFIX}{secrets.randbelow(9 * 10**9) + 10**9}-{random_id(8)}"

    def created(self, task: Task) -> Answer:
        shown = _shown(task, "pending", 0)
        shown["task_info"] = {"can_cancel": True, "estimated_time": 165, "video_duration": task.duration}
        reserved = task.duration * CREDITS_PER_SECOND * (1.0 if task.order.extra["content_filter"] else 1.1)
        shown["usage"] = {"billing_rule": "per_second", "credits_reserved": reserved, "user_group": "default"}
        return json_answer(200, shown)

    def shown(self, task: Task, view: View) -> Answer:
        word, progress = _WORDS[view.phase]
        if view.lost:
            word, progress = "failed", 0
        shown = _shown(task, view.word or word, progress)
        shown["task_info"] = {"can_cancel": view.phase in (Phase.NOT_STARTED, Phase.SUBMITTED, Phase.QUEUED)}
        if view.phase is Phase.SUCCEEDED:
            shown["results"] = [view.links.video] if view.links is not None else []
        elif word == "failed":
            shown["error"] = _task_error(task, view)
        return json_answer(200, shown)

    def unknown_task(self, task_id: str) -> Answer:
        if not task_id.startswith(PREFIX):
            return json_answer(400, _error(400, "invalid_task_id", f"Invalid task id, must start with {PREFIX}"))
        return json_answer(404, _error(404, "task_not_found", "The task does not exist"))

    def not_found(self, call: Call) -> Answer:
        return json_answer(404, _error(404))

    def moderated(self, code: str, message: str) -> Answer:
        return json_answer(400, _error(400, "content_policy_violation", f"Content policy violation.\n{message}"))

    def failure(self, status: int, code: str, message: str) -> Answer:
        return json_answer(status, _error(status, code, message))


def _order(given: dict[str, Any], model: str) -> Order:
    tier, mode = MODELS[model]
    only(given, FIELDS)
    prompt = text(given, "prompt")
    if _tokens(prompt) > MAX_TOKENS:
        raise BadField("prompt", f"must have at most {MAX_TOKENS} tokens")
    new = tier == "2.5"
    videos = _media(given, mode, (30, 10, 10) if new else (9, 3, 3), audio_alone=new)
    params = mapping(given, "model_params")
    only(params, ("web_search",), "model_params.")
    if params and (mode != "text-to-video" or tier == "mini-"):
        raise BadField("model_params", f"{model} does not support it")
    search = flag(params, "web_search", False, "model_params.")
    callback = given.get("callback_url")
    if callback is not None and (why := bad_callback_url(callback, https_only=True)):
        raise BadField("callback_url", why)
    adapts = new and mode in ("image-to-video", "video-edit", "video-extend")
    ratio = choice(given, "aspect_ratio", ("adaptive",) if adapts else (*RATIOS, "adaptive"), _RATIO[adapts])
    duration = whole(given, "duration", -1 if new else 5, -1 if new else 4, 30 if new else 15)
    if -1 < duration < 4 or (mode == "video-edit" and duration != -1):
        raise BadField("duration", "must be an integer from 4 to 30, or -1; for an edit -1")
    return Order(
        model=model,
        upstream_model=model,
        prompt=prompt,
        body=given,
        resolution=choice(given, "quality", SIZES_2_5 if new else TIERS[tier], "720p"),
        ratio="16:9" if ratio == "adaptive" else ratio,
        duration=None if duration == -1 else duration,
        version="2.5" if new else "2.0",
        longest_s=30 if new else 15,
        audio=flag(given, "generate_audio", True),
        input_video_s=REFERENCE_VIDEO_S * videos,
        callback_url=callback,
        extra={"content_filter": flag(given, "content_filter", True), "web_search": search},
    )


def _media(given: dict[str, Any], mode: str, most: tuple[int, int, int], *, audio_alone: bool) -> int:
    """Check the media against the mode; returns the number of videos."""
    images = urls(given, "image_urls", "image", most[0])
    videos = urls(given, "video_urls", "video", most[1])
    audios = urls(given, "audio_urls", "audio", most[2])
    if mode.startswith("video-"):
        if not videos:
            raise BadField("video_urls", f"{mode} needs one")
        return len(videos)
    if mode == "image-to-video":
        if not 1 <= len(images) <= 2:
            raise BadField("image_urls", f"{mode} needs 1 or 2, not {len(images)}")
    elif mode == "text-to-video" and images:
        raise BadField("image_urls", f"{mode} does not support it")
    if mode != "reference-to-video":
        for name, values in (("video_urls", videos), ("audio_urls", audios)):
            if values:
                raise BadField(name, f"{mode} does not support it")
    elif not (images or videos or (audio_alone and audios)):
        raise BadField("audio_urls" if audios else "image_urls", "at least one image or video is required")
    return len(videos)


def _tokens(prompt: str) -> int:
    """An estimate: one token per CJK character, one per four other characters."""
    wide = sum(char >= "\u2e80" for char in prompt)
    return wide + (len(prompt) - wide) // 4


def _shown(task: Task, word: str, progress: int) -> dict[str, Any]:
    return {
        "id": task.id,
        "object": "video.generation.task",
        "created": int(task.created_at),
        "model": task.order.model,
        "status": word,
        "progress": progress,
        "type": "video",
    }


def _task_error(task: Task, view: View) -> dict[str, str]:
    if view.lost:
        return {"code": "service_error", "message": "upstream returned error"}
    if view.phase is Phase.EXPIRED:
        return {"code": "generation_timeout", "message": "Generation timed out."}
    if "SensitiveContent" in task.fate.code:
        return {"code": "content_policy_violation", "message": f"Content policy violation.\n{task.fate.message}"}
    code = "service_error" if task.fate.code == "InternalServiceError" else task.fate.code
    return {"code": code, "message": task.fate.message}


def _error(status: int, code: str = "", message: str = "") -> dict[str, Any]:
    usual = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
    return {"error": {"code": code or usual[0], "message": message or usual[1], "type": usual[2]}}
