"""EvoLink's HTTP errors: ``{"error": {"code", "message", "type", "param"?, "fallback_suggestion"?}}``.

`code` is a word in the OpenAPI page, and the HTTP status as a number in the page of error codes.

Sources: [P] https://docs.evolink.ai/cn/api-manual/video-series/seedance2.0/seedance-2.0-overview (OpenAPI);
[E] https://docs.evolink.ai/en/api-manual/task-management/error-codes;
[T] https://docs.evolink.ai/en/api-manual/task-management/get-task-detail
"""

from __future__ import annotations

from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.http_errors import ErrorBody, ErrorForm
from seedance.gateways.refusals import Codes, RefusalList

TYPES = frozenset(
    {"invalid_request_error", "authentication_error", "insufficient_quota", "rate_limit_error", "api_error"}
)
"""[P] Each error names one of these."""
REFUSALS = RefusalList(
    {
        400: {
            "rejected": (
                "invalid_request",  # [P]
                "400",  # [E]
                "invalid_parameters",  # [E] "fix the input", as the next two
                "image_processing_error",
                "image_dimension_mismatch",
            ),
            "moderated": ("content_policy_violation",),  # [E] "fix the input"
        },
        401: {"auth": ("unauthorized", "401")},  # [P], [E]
        402: {"billing": ("insufficient_quota", "402")},  # [P], [E]
        403: {"not_open": ("model_access_denied", "403")},  # [P] "does not have access to the specified model", [E]
        413: {"rejected": ("413",)},  # [E]; its word is documented nowhere
        429: {"throttled": ("rate_limit_exceeded", "429")},  # [P], [E]
    }
)
UNKNOWN_TASK = Codes.of(
    (400, "invalid_task_id"),  # [T]
    (404, "resource_not_found"),  # [E]
    (404, "task_not_found"),  # [T]
    (404, "404"),  # [E]
)


def read_body(raw: bytes) -> ErrorBody:
    """EvoLink's error with its own advice, or what can be read of another."""
    data = object_of(read_json(raw))
    error = object_of(data.get("error"))
    holder = error or data
    code, message = word_of(holder.get("code")), text_of(holder.get("message")) or text_of(data.get("error"))
    own = bool(code) and isinstance(error.get("message"), str) and error.get("type") in TYPES
    advice = text_of(error.get("fallback_suggestion"))
    details = {"stage": "input"}
    text = f"{message} ({advice})" if advice else message
    return ErrorBody(code, text, word_of(holder.get("param")), own, details=details)


FORM = ErrorForm(read_body, REFUSALS, UNKNOWN_TASK)
