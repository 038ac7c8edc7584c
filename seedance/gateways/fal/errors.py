"""fal's HTTP errors, in three forms, and the failures of its tasks, which are such errors too.

A. of a model: ``{"detail": [{"loc", "msg", "type", "url", "input"?, "ctx"?}, …]}``, `url` within fal's own pages;
B. of a request: ``{"detail": "…", "error_type": "…"}``;
C. of the account: ``{"detail": "…"}`` alone. Any FastAPI program answers so, so only fal's own sentences count.
A cancel answers ``{"status": "…"}``.

Sources: [M] https://fal.ai/docs/documentation/model-apis/errors; [R] …/model-apis/request-errors; [K] 401 with this
sentence in many programs' logs; [L] fal-ai/fal issues #1147, #1112, #1168, #1163: 403; [C]
https://fal.ai/docs/documentation/model-apis/inference/queue; [I] an inference. The queue documents no 429: what is
above the account's concurrency waits in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seedance.errors import redact
from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.base import TaskFailure
from seedance.gateways.http_errors import ErrorBody, ErrorForm
from seedance.gateways.plain_failures import failure_of_words
from seedance.gateways.refusals import Codes, RefusalList

MODERATED = "content_policy_violation"
CANCELLED = "client_cancelled"
REQUEST_ERRORS = frozenset(
    {
        "request_timeout",
        "startup_timeout",
        "runner_scheduling_failure",
        "runner_connection_timeout",
        "runner_disconnected",
        "runner_connection_refused",
        "runner_connection_error",
        "runner_incomplete_response",
        "runner_server_error",
        "client_disconnected",
        CANCELLED,
        "bad_request",
        "internal_error",
    }
)
"""[R] all of them. Only a malformed request is refused before the work by its own words."""
OF_ANY_REQUEST = frozenset({"internal_error", "bad_request", "client_disconnected"})
"""Those that may also be about the call that reads a result, and say nothing about the task then."""
_INVALID = (
    # [M] "a model rejects your input"; the types that are about the input, each with 422.
    "missing",
    "image_too_small",
    "image_too_large",
    "image_load_error",
    "file_download_error",
    "face_detection_error",
    "file_too_large",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "multiple_of",
    "sequence_too_short",
    "sequence_too_long",
    "one_of",
    "feature_not_supported",
    "audio_duration_too_long",
    "audio_duration_too_short",
    "unsupported_audio_format",
    "unsupported_image_format",
    "unsupported_video_format",
    "video_duration_too_long",
    "video_duration_too_short",
)
_SENTENCES = (
    ("no_user", re.compile(r"No user found for Key ID and Secret")),  # [K]
    ("bad_key_form", re.compile(r"Invalid Key Authorization header format")),  # [K]
    ("no_key", re.compile(r"Authentication is required to access this application")),  # [K]
    ("exhausted_balance", re.compile(r"User is locked\. Reason: (?:Exhausted balance|TOP_UP)")),  # [L]
    ("locked", re.compile(r"User is locked\. Reason: ")),  # [L] such as "Admin lock"
    ("no_application", re.compile(r"Application '?[\w./-]+'? not found", re.IGNORECASE)),  # [K]
)
REFUSALS = RefusalList(
    {
        400: {"rejected": ("bad_request",)},  # [R] "malformed request"
        401: {"auth": ("no_user", "bad_key_form", "no_key")},
        403: {"billing": ("exhausted_balance",), "permission": ("locked",)},
        404: {"unknown_model": ("no_application",)},
        422: {"rejected": _INVALID, "moderated": (MODERATED,)},
    }
)
UNKNOWN_TASK = Codes.of((404, "NOT_FOUND"))
"""[C] for a cancel; [I] for a query."""
TOO_LATE = Codes.of((400, "ALREADY_COMPLETED"))
_PAGES = ("https://docs.fal.ai/", "https://fal.ai/docs/")


def read_body(raw: bytes) -> ErrorBody:
    """fal's error, or what can be read of another."""
    data = object_of(read_json(raw))
    detail = data.get("detail")
    if isinstance(detail, list):
        return _of_model(data, [object_of(item) for item in detail])
    text = text_of(detail)
    if kind := word_of(data.get("error_type")):
        own = isinstance(detail, str) and kind in REQUEST_ERRORS and data.keys() <= {"detail", "error_type"}
        return ErrorBody(kind, text, own=own)
    if data.keys() == {"status"}:
        return ErrorBody(word_of(data["status"]), text_of(data["status"]), own=isinstance(data["status"], str))
    code = next((code for code, sentence in _SENTENCES if sentence.search(text)), "")
    return ErrorBody(code, text or text_of(data.get("message")), own=bool(code) and data.keys() == {"detail"})


def _of_model(data: Mapping[str, Any], items: list[Mapping[str, Any]]) -> ErrorBody:
    first = items[0] if items else {}
    own = bool(items) and data.keys() == {"detail"} and all(map(_is_own, items))
    details = {"stage": _stage(first), "offending": _place(first) or None} if word_of(first.get("type")) else {}
    return ErrorBody(word_of(first.get("type")), _text(items), _place(first), own, details=details)


def _is_own(item: Mapping[str, Any]) -> bool:
    texts = all(isinstance(item.get(name), str) for name in ("msg", "type", "url"))
    return texts and isinstance(item.get("loc"), list) and item["url"].startswith(_PAGES)


def _text(items: list[Mapping[str, Any]]) -> str:
    return "; ".join(f"{_place(item)}: {text_of(item.get('msg'))}".removeprefix(": ") for item in items[:5])


def _place(item: Mapping[str, Any]) -> str:
    """The input that is blamed: ``["body", "image_urls", 2]`` is `image_urls.2`."""
    loc = item.get("loc")
    parts = [text_of(part) for part in loc] if isinstance(loc, list) else []
    return ".".join(part for part in parts if part and part != "body")[:200]


def _stage(item: Mapping[str, Any]) -> str:
    return "input" if _place(item) else "output"


FORM = ErrorForm(read_body, REFUSALS, UNKNOWN_TASK, TOO_LATE)


def failure_of(status: int, raw: bytes, *, by_queue: bool) -> TaskFailure | None:
    """Why a task failed, from its result; None if the answer is not its result.

    `by_queue`: the answer has the header with which fal marks its own. Without it, only the forms A and B count, and A
    only with fal's own links or about the body: any FastAPI program in front answers in form A about a GET's headers or
    query, but a GET has no body.
    """
    data = object_of(read_json(raw))
    body = read_body(raw)
    if isinstance(data.get("detail"), list) and body.code and status in (400, 422, 500, 504):  # [M] all it names
        return _model_failure(body) if by_queue or body.own or _is_about_the_body(data["detail"]) else None
    if body.own and body.code in REQUEST_ERRORS:
        return request_failure(body.code, body.message)
    if by_queue and status in (400, 422, 500) and isinstance(data.get("detail"), str):
        return failure_of_words(data["detail"])
    return None


def _is_about_the_body(items: list[Any]) -> bool:
    places = [object_of(item).get("loc") for item in items]
    return all(isinstance(place, list) and place[:1] == ["body"] for place in places)


def _model_failure(body: ErrorBody) -> TaskFailure:
    message = redact(body.message or body.code)
    if body.code == MODERATED:
        output = body.details.get("stage") == "output"
        offending = None if output else body.param
        return TaskFailure(
            "moderation_blocked",
            message,
            body.code,
            stage="output" if output else "input",
            offending=offending,
            retryable=output,
        )
    if body.code in _INVALID:
        return TaskFailure("invalid_request", message, body.code)
    return TaskFailure("generation_failed", message, body.code, retryable=True)


def request_failure(code: str, message: str) -> TaskFailure:
    """The failure of a request that fal itself ended."""
    text = redact(message or code)
    if code == CANCELLED:
        return TaskFailure("cancelled_upstream", text, code)
    if code == "bad_request":
        return TaskFailure("invalid_request", text, code)
    return TaskFailure("generation_failed", text, code, retryable=True)
