"""OpenRouter's `/api/v1/videos`: one flat body, errors whose code is the HTTP status.

Sources: https://openrouter.ai/docs/api_reference/videos and …/api/reference/errors-and-debugging;
its SDK for Python, openrouter 1.3.84, components/videogenerationrequest.py and videogenerationresponse.py. None names
limits of a model; here they are Seedance's own. The signature: four programs that check it agree.
"""

from __future__ import annotations

import time
from typing import Any

import orjson

from simulator.dialects.base import REFERENCE_VIDEO_S, Callback, Route, View, random_id
from simulator.dialects.callback_urls import CallbackRules, bad_callback_url
from simulator.dialects.fields import BadField, choice, flag, mapping, only, text, url, whole
from simulator.dialects.plain import PlainDialect
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.webhook_signer import WebhookSigner

PATH = "/api/v1/videos"
# Sizes, longest, and most images, videos and sounds.
MODELS: dict[str, tuple[tuple[str, ...], int, tuple[int, int, int]]] = {
    "bytedance/seedance-2.0": (("480p", "720p", "1080p"), 15, (9, 3, 3)),
    "bytedance/seedance-2.0-fast": (("480p", "720p"), 15, (9, 3, 3)),
    "bytedance/seedance-2.5": (("480p", "720p"), 30, (30, 10, 10)),
}
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
FIELDS = (
    "model",
    "prompt",
    "duration",
    "resolution",
    "aspect_ratio",
    "generate_audio",
    "seed",
    "frame_images",
    "input_references",
    "callback_url",
    "provider",
)
MESSAGES = {
    401: "User not found.",
    402: "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    403: "The request was refused.",
    404: "Job not found",
    413: "Request body too large",
    429: "Rate limit exceeded",
}
WORDS = {
    Phase.NOT_STARTED: "pending",
    Phase.SUBMITTED: "pending",
    Phase.QUEUED: "pending",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.EXPIRED: "expired",
}
LINK_S = 24 * 3600  # no page says how long; here as every other link
DOLLARS_PER_MILLION_TOKENS = 10.7


class OpenRouter(PlainDialect):
    """Create and poll; there is neither a list nor a cancel."""

    name = "openrouter"
    create_path = PATH
    query_path = f"{PATH}/"
    callbacks = CallbackRules(
        frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED}), 10.0, (1.0, 2.0, 4.0)
    )

    def read_order(self, call: Call) -> Order:
        order = super().read_order(call)
        order.extra["base_url"] = f"{call.base_url}/{self.name}"  # type: ignore[index]  # its own dict
        return order

    def order_of(self, body: dict[str, Any]) -> Order:
        model = body.get("model")
        if not isinstance(model, str) or model not in MODELS:
            raise Refused(self.failure(404, "", f"Model {model} not found"), f"model_not_found: {model}")
        only(body, FIELDS)
        sizes, longest, most = MODELS[model]
        if "aspect_ratio" in body and body["aspect_ratio"] == "adaptive":
            raise BadField("aspect_ratio", f"must be one of {', '.join(RATIOS)}")
        callback = body.get("callback_url")
        if callback is not None and (why := bad_callback_url(callback, https_only=True)):
            raise BadField("callback_url", why)
        mapping(body, "provider")
        resolution = str(body.get("resolution", "720p"))
        frames, references = _frames(body), _references(body, most)
        if frames and any(references.values()):
            raise BadField("input_references", "cannot be combined with frame_images")
        return Order(
            model=model,
            upstream_model=model,
            prompt=text(body, "prompt"),
            body=body,
            resolution=choice({"resolution": resolution.lower()}, "resolution", sizes, "720p"),
            ratio=choice(body, "aspect_ratio", RATIOS, "16:9"),
            duration=whole(body, "duration", 5, 4, longest),
            audio=flag(body, "generate_audio", False),
            seed=whole(body, "seed", 0, 0, 2**32 - 1) if "seed" in body else None,
            input_video_s=REFERENCE_VIDEO_S * references["video"],
            version="2.5" if model.endswith("2.5") else "2.0",
            longest_s=longest,
            callback_url=callback,
            extra={},
        )

    def new_id(self) -> str:
        return f"gen-vid-{int(time.time())}-{random_id(20)}"

    def created(self, task: Task) -> Answer:
        return json_answer(202, _named(task) | {"status": "pending"})

    def shown(self, task: Task, view: View) -> Answer:
        return json_answer(200, _shown(task, view))

    def called_back(self, task: Task, view: View, signer: WebhookSigner, now: float) -> Callback:
        data = _shown(task, view)
        body = orjson.dumps({"type": f"video.generation.{data['status']}", "data": data})
        at = str(int(now))
        headers = {"X-OpenRouter-Idempotency-Key": f"{task.id}:{data['status']}"}
        if (signature := signer.hmac(f"{at},".encode() + body)) is not None:
            headers["X-OpenRouter-Signature"] = f"t={at},v1={signature.hex()}"
        return Callback(body, headers)

    def file_of(self, call: Call) -> str | None:
        task_id, _, action = call.path.removeprefix(self.query_path).partition("/")
        return task_id if call.method == "GET" and action == "content" and call.path.startswith(PATH) else None

    def route(self, method: str, path: str) -> Route | None:
        found = super().route(method, path)
        return None if found is not None and found.task_id == "models" else found

    def not_found(self, call: Call) -> Answer:
        return Answer(404, b"<!DOCTYPE html><html><title>Not Found</title></html>", "text/html; charset=utf-8")

    def moderated(self, code: str, message: str) -> Answer:
        metadata = {
            "reasons": [message or "the input was flagged"],
            "flagged_input": "…",
            "provider_name": "Seed",
            "model_slug": "bytedance/seedance-2.0",
        }
        text = "Your chosen model requires moderation and your input was flagged"
        return json_answer(403, {"error": {"code": 403, "message": text, "metadata": metadata}})

    def failure(self, status: int, code: str, message: str) -> Answer:
        text = message or MESSAGES.get(status, "Internal Server Error" if status >= 500 else "Invalid request")
        return json_answer(status, {"error": {"code": status, "message": text}})


def _frames(body: dict[str, Any]) -> list[str]:
    kinds = []
    for n, item in enumerate(_objects(body, "frame_images")):
        where = f"frame_images[{n}]."
        only(item, ("type", "image_url", "frame_type"), where)
        _media(item, "image", where)
        kinds.append(choice(item, "frame_type", ("first_frame", "last_frame"), "", where))
    if len(set(kinds)) != len(kinds) or (kinds and "first_frame" not in kinds):
        raise BadField("frame_images", "needs one first_frame, and at most one last_frame")
    return kinds


def _references(body: dict[str, Any], most: tuple[int, int, int]) -> dict[str, int]:
    counts = {"image": 0, "video": 0, "audio": 0}
    for n, item in enumerate(_objects(body, "input_references")):
        where = f"input_references[{n}]."
        kind = choice(item, "type", [f"{name}_url" for name in counts], "", where).removesuffix("_url")
        only(item, ("type", f"{kind}_url"), where)
        _media(item, kind, where)
        counts[kind] += 1
    for (kind, count), limit in zip(counts.items(), most, strict=True):
        if count > limit:
            raise BadField("input_references", f"must have at most {limit} of {kind}_url")
    return counts


def _objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = body.get(name, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadField(name, "must be a list of objects")
    return items


def _media(item: dict[str, Any], kind: str, where: str) -> None:
    if item.get("type") != f"{kind}_url":
        raise BadField(f"{where}type", f"must be {kind}_url")
    holder = mapping(item, f"{kind}_url")
    only(holder, ("url",), f"{where}{kind}_url.")
    url(holder, "url", kind, f"{where}{kind}_url.", inline=kind == "image")


def _named(task: Task) -> dict[str, Any]:
    return {"id": task.id, "polling_url": f"{PATH}/{task.id}"}


def _shown(task: Task, view: View) -> dict[str, Any]:
    word = "failed" if view.lost else WORDS[view.phase]
    shown = _named(task) | {"status": view.word or word}
    if word == "completed":
        shown["generation_id"] = f"gen-{task.upstream_id}"
        shown["usage"] = {"cost": round(task.tokens * DOLLARS_PER_MILLION_TOKENS / 1e6, 6), "is_byok": False}
        if view.links is not None:
            shown["urls"] = [view.links.video]
            shown["expires_at"] = int(view.now) + LINK_S
            shown["unsigned_urls"] = [f"{task.order.extra['base_url']}{PATH}/{task.id}/content?index=0"]
    elif word == "failed":
        message = task.fate.message or "Provider returned error"
        shown["error"] = f"{task.fate.code}: {message}" if task.fate.code else message
    return shown
