"""uniAll: the resolution is part of the model name; create and query have different paths.

Source: https://docs.uniall.ai/models/video/seedance-2-0. It documents neither the answer to a create nor error bodies.
Here both have new-api's format.
"""

from __future__ import annotations

from typing import Any

from simulator.dialects.base import REFERENCE_VIDEO_S, Dialect, Route, View, random_id, refuse
from simulator.dialects.fields import BadField, choice, flag, mapping, only, text, url, urls, whole
from simulator.dialects.new_api.answers import NewApiAnswers, invalid_body, read_create
from simulator.dialects.new_api.task_list import list_route
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, json_answer

CREATE, QUERY = "/v1/video/generations", "/v1/videos/"
MODELS = {
    f"seedance2.0-{tier}{size}": size
    for tier, sizes in {
        "": ("480p", "720p", "1080p", "4k"),
        "fast-": ("480p", "720p"),
        "mini-": ("480p", "720p"),
    }.items()
    for size in sizes
}
RATIOS = ("9:16", "1:1", "16:9")
FIELDS = (
    "model",
    "prompt",
    "duration",
    "aspect_ratio",
    "image",
    "last_image",
    "images",
    "videos",
    "audios",
    "extra_body",
)
EXTRA = ("generate_audio", "seed", "watermark", "camera_fixed", "return_last_frame", "operation")
OPERATIONS = ("reference_to_video", "edit_video", "extend_video", "first_last_frame")
MAX_SEED = 2**32 - 1
_WORDS = {
    Phase.NOT_STARTED: ("queued", 0),
    Phase.SUBMITTED: ("queued", 0),
    Phase.QUEUED: ("queued", 10),
    Phase.RUNNING: ("processing", 50),
    Phase.SUCCEEDED: ("completed", 100),
    Phase.FAILED: ("failed", 100),
    Phase.CANCELLED: ("processing", 30),
    Phase.EXPIRED: ("processing", 30),
}


class UniAll(NewApiAnswers, Dialect):
    """Eight models, three ratios, 5 to 15 seconds."""

    name = "uniall"

    def route(self, method: str, path: str) -> Route | None:
        if method == "POST" and path == CREATE:
            return Route("create")
        if method == "GET" and path.startswith(QUERY) and "/" not in path[len(QUERY) :]:
            return Route("query", path[len(QUERY) :])
        return list_route(method, path)

    def read_order(self, call: Call) -> Order:
        body, model = read_create(call, MODELS)
        try:
            return _order(body, model)
        except BadField as exc:
            raise refuse(400, invalid_body(str(exc)), f"invalid_request: {exc}") from exc

    def new_id(self) -> str:
        return f"task_{random_id(32)}"

    def created(self, task: Task) -> Answer:
        return json_answer(200, _shown(task, "queued", 0) | {"created_at": int(task.created_at)})

    def shown(self, task: Task, view: View) -> Answer:
        word, progress = _WORDS[view.phase]
        if view.lost:
            word, progress = "failed", 100
        shown = _shown(task, view.word or word, progress)
        if view.lost:
            shown["error"] = {"message": "upstream returned error", "code": "upstream_error"}
        elif view.phase is Phase.FAILED:
            shown["error"] = {"message": task.fate.message, "code": task.fate.code}
        elif view.links is not None:
            shown["video_url"] = view.links.video
            if view.links.last_frame:
                shown["last_frame_url"] = view.links.last_frame
        return json_answer(200, shown)


def _order(body: dict[str, Any], model: str) -> Order:
    given = {name: value for name, value in body.items() if value is not None}
    only(given, FIELDS)
    prompt = text(given, "prompt")
    extra = mapping(given, "extra_body")
    only(extra, EXTRA, "extra_body.")
    image = url(given, "image", "image") if "image" in given else None
    last = url(given, "last_image", "image") if "last_image" in given else None
    images = urls(given, "images", "image", 9)
    videos = urls(given, "videos", "video", 3)
    audios = urls(given, "audios", "audio", 3)
    if last and not image:
        raise BadField("last_image", "requires image")
    if image and (images or videos or audios):
        raise BadField("image", "cannot be combined with images, videos or audios")
    if audios and not (images or videos):
        raise BadField("audios", "requires images or videos")
    _check_operation(extra, last, bool(images or videos), bool(videos))
    for name in ("watermark", "camera_fixed"):
        flag(extra, name, False, "extra_body.", as_text=True)
    seed = whole(extra, "seed", -1, -1, MAX_SEED, "extra_body.")
    return Order(
        model=model,
        upstream_model=model,
        prompt=prompt,
        body=body,
        resolution=MODELS[model],
        ratio=choice(given, "aspect_ratio", RATIOS, "16:9"),
        duration=_seconds(given),
        audio=flag(extra, "generate_audio", True, "extra_body."),
        return_last_frame=flag(extra, "return_last_frame", False, "extra_body.", as_text=True),
        seed=None if seed == -1 else seed,
        input_video_s=REFERENCE_VIDEO_S * len(videos),
    )


def _check_operation(extra: dict[str, Any], last: str | None, references: bool, videos: bool) -> None:
    operation = choice(extra, "operation", ("", *OPERATIONS), "", "extra_body.")
    needs = {
        "reference_to_video": references,
        "edit_video": videos,
        "extend_video": videos,
        "first_last_frame": bool(last),
    }
    if operation and not needs[operation]:
        raise BadField("extra_body.operation", f"the given media do not fit {operation}")


def _seconds(given: dict[str, Any]) -> int:
    value = given.get("duration", 5)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return whole({"duration": value}, "duration", 5, 5, 15)


def _shown(task: Task, word: str, progress: int) -> dict[str, Any]:
    return {
        "id": task.id,
        "task_id": task.id,
        "object": "video.generation.job",
        "model": task.order.model,
        "status": word,
        "progress": progress,
    }
