"""12AI: new-api's `/v1/videos`. The number of images sets the mode unless `metadata.action` does.

Source: https://doc.12ai.org/api/seedance/. It documents no error bodies and no webhook body. Here errors have new-api's
format, and a webhook carries the body of a query.
"""

from __future__ import annotations

from typing import Any

from simulator.dialects.base import REFERENCE_VIDEO_S, Dialect, Route, View, random_id, refuse
from simulator.dialects.callback_urls import CallbackRules, bad_callback_url
from simulator.dialects.fields import BadField, check_mentions, choice, flag, mapping, only, text, urls
from simulator.dialects.new_api.answers import NewApiAnswers, content_of, invalid_body, read_create
from simulator.dialects.new_api.task_list import list_route
from simulator.tasks.pixels import RATIOS
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, json_answer

PATH = "/v1/videos"
FAST = "seedance-2-official2-fast"
DEFAULT_SIZE = {"seedance-2-official": "480p", FAST: "720p"}
MAX_PROMPT = 2500
FIELDS = ("model", "prompt", "duration", "size", "images", "metadata")
METADATA = (
    "ratio",
    "generate_audio",
    "web_search",
    "watermark",
    "webhook_url",
    "video_urls",
    "audio_urls",
    "action",
)
MODES = ("text_to_video", "image_to_video", "first_last_frame", "multi_ref")
_WORDS = {
    Phase.NOT_STARTED: ("queued", 0),
    Phase.SUBMITTED: ("queued", 10),
    Phase.QUEUED: ("queued", 20),
    Phase.RUNNING: ("in_progress", 30),
    Phase.SUCCEEDED: ("completed", 100),
    Phase.FAILED: ("failed", 100),
    Phase.CANCELLED: ("in_progress", 30),
    Phase.EXPIRED: ("in_progress", 30),
}


class TwelveAi(NewApiAnswers, Dialect):
    """Two models. The platform copies videos to its own store, so links carry no signature."""

    name = "12ai"
    signed_links = False
    callbacks = CallbackRules(frozenset({Phase.SUCCEEDED, Phase.FAILED}), 10.0, (1.0, 2.0, 4.0))

    def file_of(self, call: Call) -> str | None:
        return content_of(call)

    def route(self, method: str, path: str) -> Route | None:
        if method == "POST" and path == PATH:
            return Route("create")
        if method == "GET" and path.startswith(f"{PATH}/") and "/" not in path[len(PATH) + 1 :]:
            return Route("query", path[len(PATH) + 1 :])
        return list_route(method, path)

    def read_order(self, call: Call) -> Order:
        body, model = read_create(call, DEFAULT_SIZE)
        try:
            return _order(body, model)
        except BadField as exc:
            raise refuse(400, invalid_body(str(exc)), f"invalid_request: {exc}") from exc

    def new_id(self) -> str:
        return f"task_{random_id(32)}"

    def created(self, task: Task) -> Answer:
        return json_answer(200, _shown(task, "queued", 0))

    def shown(self, task: Task, view: View) -> Answer:
        word, progress = _WORDS[view.phase]
        if view.lost:
            word, progress = "failed", 100
        shown = _shown(task, view.word or word, progress)
        if view.lost:
            shown["error"] = {"message": "upstream returned error", "code": ""}
        elif view.phase is Phase.FAILED:
            filtered = "SensitiveContent" in task.fate.code
            code, message = ("content_filter", "content policy violation") if filtered else ("", "")
            shown["error"] = {"message": message or task.fate.message, "code": code or task.fate.code}
        elif view.phase is Phase.SUCCEEDED:
            shown["completed_at"] = int(task.ends_at)
            shown["metadata"] = {"url": view.links.video} if view.links is not None else {}
        return json_answer(200, shown)


def _order(body: dict[str, Any], model: str) -> Order:
    given = {name: value for name, value in body.items() if value is not None}
    only(given, FIELDS)
    prompt = text(given, "prompt", longest=MAX_PROMPT)
    metadata = mapping(given, "metadata")
    only(metadata, METADATA, "metadata.")
    assets = model == FAST
    images = urls(given, "images", "image", 9, assets=assets)
    videos = urls(metadata, "video_urls", "video", 3, "metadata.", assets=assets)
    audios = urls(metadata, "audio_urls", "audio", 3, "metadata.", assets=assets)
    mode = _mode(metadata, images, videos, audios)
    if mode == "multi_ref":
        check_mentions(prompt, {"image": len(images), "video": len(videos), "audio": len(audios)})
    if flag(metadata, "web_search", False, "metadata.") and mode != "text_to_video":
        raise BadField("metadata.web_search", "works for text_to_video only")
    flag(metadata, "watermark", False, "metadata.")
    webhook = metadata.get("webhook_url")
    if webhook is not None and (why := bad_callback_url(webhook, https_only=False)):
        raise BadField("metadata.webhook_url", why)
    return Order(
        model=model,
        upstream_model=model,
        prompt=prompt,
        body=body,
        resolution=choice(given, "size", ("480p", "720p"), DEFAULT_SIZE[model]),
        ratio=choice(metadata, "ratio", RATIOS, "16:9", "metadata."),
        duration=_seconds(given),
        audio=flag(metadata, "generate_audio", True, "metadata."),
        input_video_s=REFERENCE_VIDEO_S * len(videos),
        callback_url=webhook,
    )


def _mode(metadata: dict[str, Any], images: tuple[str, ...], videos: tuple[str, ...], audios: tuple[str, ...]) -> str:
    automatic = MODES[min(len(images), 3)]
    mode = choice(metadata, "action", MODES, automatic, "metadata.")
    wanted = {"text_to_video": 0, "image_to_video": 1, "first_last_frame": 2}
    if mode in wanted:
        if len(images) != wanted[mode]:
            raise BadField("images", f"{mode} needs exactly {wanted[mode]}, not {len(images)}")
        for name, given in (("video_urls", videos), ("audio_urls", audios)):
            if given:
                raise BadField(f"metadata.{name}", f"allowed for multi_ref only, not for {mode}")
    elif not (images or videos or audios):
        raise BadField("images", "multi_ref needs at least one image, video or audio")
    return mode


def _seconds(given: dict[str, Any]) -> int:
    value = given.get("duration", 5)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or not 4 <= value <= 15:
        raise BadField("duration", "must be a whole number of seconds from 4 to 15")
    return int(value)


def _shown(task: Task, word: str, progress: int) -> dict[str, Any]:
    return {
        "id": task.id,
        "object": "video",
        "model": task.order.model,
        "status": word,
        "progress": progress,
        "created_at": int(task.created_at),
    }
