"""OpenRouter: one API for many models, paid in dollars. Seedance under `bytedance/`.

How sure each fact is: [D] https://openrouter.ai/docs/api_reference/videos, the provider's page; [S] its own SDK for
Python, openrouter 1.3.84, components/videogeneration*.py; [3p] third parties' code; [I] an inference.

* Bodies, statuses, `usage.cost`, `polling_url`, 202 for an accepted create: [D], [S]. `urls` are signed and live until
  `expires_at`; they are missing if OpenRouter keeps no copy. `unsigned_urls` need the account's key, on the account's
  own host, "as long as the output is available": [D], [S].
* `frame_images` exclude `input_references`; images, videos and sounds as references: [S]. No length -1 and no ratio
  `adaptive`, which edits and extensions need: [S] the types have neither.
* Webhook signature: [3p] four programs agree; `callback_url` must be https: [S]. `previous_job_id` continues a job [S];
  it is not offered.
* The models, and how sure their limits are: `models/offers/openrouter.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from seedance.gateways.answers import (
    first_url,
    object_of,
    path_of,
    read_json,
    task_id_of,
    text_of,
    usage_of,
    word_of,
)
from seedance.gateways.ark_task import ended_early
from seedance.gateways.base import (
    AttemptOptions,
    Callback,
    CallbackProof,
    Dialect,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.openrouter.errors import FORM
from seedance.gateways.plain_failures import failure_of_words
from seedance.gateways.signatures import UNSIGNED, from_hex, hmac_forgery, stale
from seedance.gateways.statuses import status_in
from seedance.request import RANDOM_SEED, GenerationRequest, Modality

STATUSES = {
    "pending": TaskStatus.QUEUED,
    "in_progress": TaskStatus.RUNNING,
    "completed": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
    "expired": TaskStatus.EXPIRED,
}
_WIRE_RESOLUTION = {"4k": "4K"}


class OpenRouter(Dialect):
    """OpenRouter's `/videos`."""

    name = "openrouter"
    default_base_url = "https://openrouter.ai/api/v1"
    errors = FORM
    accepted_statuses = frozenset({200, 202})
    callback_proof = CallbackProof.SECRET
    facts = Capabilities(gateway="openrouter", callbacks=True, callbacks_https_only=True)

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        row, asked, request = self.row_for(request), request, self.settled(request)
        seed = request.seed if request.seed is not None else attempt.seed
        by_frames = request.ratio == "adaptive" or (request.first_frame is not None and asked.ratio is None)
        optional = {
            "duration": request.duration,
            "resolution": _WIRE_RESOLUTION.get(request.resolution or "", request.resolution),
            "aspect_ratio": None if by_frames else request.ratio,
            "generate_audio": request.audio,
            "seed": seed if "seed" in row.flags and seed != RANDOM_SEED else None,
            "frame_images": _frames(request) or None,
            "input_references": _references(request) or None,
            "callback_url": attempt.callback_url,
        }
        body: dict[str, Any] = {"model": row.model_of(request.use, request.resolution), "prompt": request.prompt}
        body |= {name: value for name, value in optional.items() if value is not None}
        return WireCall("POST", "/videos", body)

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/videos/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        task = object_of(read_json(answer.body))
        if not word_of(task.get("status")):
            raise self.bad_answer(answer)
        video_url = _video_url(task)
        status = status_in(STATUSES, word_of(task["status"]).lower(), video_url)
        failure = ended_early(status)
        if status is TaskStatus.FAILED:
            failure = failure_of_words(text_of(task.get("error")))
        return TaskReport(
            status=status,
            raw_status=word_of(task["status"]),
            video_url=video_url if status is TaskStatus.SUCCEEDED else None,
            usage=_usage(task),
            failure=failure,
        )

    def read_callback(self, body: bytes) -> str:
        """The event wraps the task, and may have an id of its own."""
        return task_id_of(object_of(read_json(body)).get("data"))

    def callback_forgery(self, callback: Callback, keys: Sequence[str], now: float) -> str | None:
        """`X-OpenRouter-Signature: t=<time>,v1=<hex>`, the HMAC of "<time>,<body>"."""
        parts = callback.headers.get("x-openrouter-signature", "").split(",")
        given = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in parts)}
        time, signature = given.get("t", ""), from_hex(given.get("v1", ""))
        if not signature:
            return UNSIGNED
        return stale(time, now) or hmac_forgery(f"{time},".encode() + callback.body, signature, keys)


def _frames(request: GenerationRequest) -> list[dict[str, Any]]:
    return [
        _reference("image", value) | {"frame_type": name}
        for name, _, value in request.media()
        if name in ("first_frame", "last_frame")
    ]


def _references(request: GenerationRequest) -> list[dict[str, Any]]:
    return [
        _reference(modality, value)
        for name, modality, value in request.media()
        if name not in ("first_frame", "last_frame")
    ]


def _reference(modality: Modality, value: str) -> dict[str, Any]:
    return {"type": f"{modality}_url", f"{modality}_url": {"url": value}}


def _video_url(task: Mapping[str, Any]) -> str | None:
    """The signed URL, else the one that needs the key; the latter may be only a path."""
    signed, unsigned = _list(task.get("urls")), _list(task.get("unsigned_urls"))
    return first_url(*signed, *unsigned) or next(filter(None, map(path_of, unsigned)), None)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _usage(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The usage, with the currency of its `cost` [S] "in USD"."""
    usage = usage_of(task.get("usage"))
    return usage if usage is None or "cost" not in usage else {**usage, "currency": "USD"}
