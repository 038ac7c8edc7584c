"""Errors below Ark's paths have the form of Ark's own, so that its clients understand them.

Source: https://www.volcengine.com/docs/82379/1299023
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BELOW = "/api/v3/"
_CODES: Mapping[str, str] = {
    "invalid_request": "InvalidParameter",
    "invalid_parameter": "InvalidParameter",
    "invalid_json": "InvalidParameter",
    "idempotency_conflict": "InvalidParameter.IdempotencyKey",
    "unauthorized": "AuthenticationError",
    "missing_scope": "AccessDenied",
    "cross_site": "AccessDenied",
    "purse_exhausted": "AccountOverdueError",
    "job_not_found": "NotFound.Task",
    "not_possible": "InvalidAction.RunningTaskDeletion",
    "rate_limited": "APIAccountRpmRateLimitExceeded",
    "body_too_large": "RequestBodyTooLarge",
}
"""Ark's code for one of ours. Codes with a capital letter are Ark's already."""
_OF_STATUS: Mapping[int, str] = {401: "AuthenticationError", 403: "AccessDenied", 404: "NotFound", 405: "NotFound"}
_TYPES: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "BadRequest",
    429: "TooManyRequests",
}


def status_of(status: int, code: str) -> int:
    """The HTTP status that Ark has for one of ours."""
    if code == "purse_exhausted":
        return 403
    return 400 if status in (415, 422) else status


def body(status: int, code: str, detail: str, advice: str, param: str | None) -> dict[str, Any]:
    """The body of an error."""
    ours = _CODES.get(code) or (code if code[:1].isupper() else None)
    unknown = "InternalServerError" if status >= 500 else "InvalidParameter"
    message = f"{detail}. {advice}".strip() if advice else detail
    return {
        "error": {
            "code": ours or _OF_STATUS.get(status, "InternalServiceError" if status >= 500 else unknown),
            "message": message,
            "param": param or "",
            "type": _TYPES.get(status, unknown),
        }
    }


def headers(status: int) -> dict[str, str]:
    """Ark's SDKs repeat a 409, which would be refused again."""
    return {"x-should-retry": "false"} if status == 409 else {}
