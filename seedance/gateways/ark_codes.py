"""ByteDance Ark's error codes: every gateway wraps Ark, so its codes turn up inside the answers of all of them.

Source: https://www.volcengine.com/docs/82379/1299023
"""

from __future__ import annotations

import re
from typing import Any

from seedance.errors import redact
from seedance.gateways.base import TaskFailure
from seedance.gateways.http_errors import ErrorClass

_MODERATION = re.compile(r"(Input|Output)(Text|Image|Video|Audio)(?:SensitiveContentDetected|RiskDetection)")
_PLAIN_MODERATION = re.compile(r"SensitiveContentDetected|RiskDetection")
_BLAMED = re.compile(r"content\[\d+\](?:\.\w+)*")
_FREE_QUOTA = re.compile(r"free|trial|exhausted|activate|免费|试用|开通", re.IGNORECASE)

_EXACT: dict[str, ErrorClass] = {
    "AuthenticationError": "auth",
    "InvalidAccountStatus": "billing",
    "AccountOverdueError": "billing",
    "AccessDenied": "permission",
    "ModelNotOpen": "permission",
    "RequestBurstTooFast": "throttled",
    "ServerOverloaded": "throttled",
    "SetLimitExceeded": "billing",
    "InflightBatchsizeExceeded": "throttled",
    "InternalServiceError": "unknown",
}
_PREFIX: dict[str, ErrorClass] = {
    "MissingParameter": "rejected",
    "InvalidParameter": "rejected",
    "InvalidImageURL": "rejected",
    "InvalidEndpoint.": "rejected",
    "InvalidEndpointOrModel.": "rejected",
    "NotFound": "rejected",
    "OperationDenied": "permission",
    "RateLimitExceeded": "throttled",
    "ModelAccount": "throttled",
    "APIAccount": "throttled",
    "AccountRateLimitExceeded": "throttled",
}


def moderation(code: str) -> dict[str, Any] | None:
    """Stage and modality of a moderation code, None when the code is not one."""
    if found := _MODERATION.search(code):
        return {"stage": found[1].lower(), "modality": found[2].lower()}
    if _PLAIN_MODERATION.search(code):
        return {"stage": "output" if code.startswith("Output") else "input"}
    return None


def blamed(param: str, message: str) -> str | None:
    """The content item that Ark names as offending (`content[2].image_url`), None when it names none."""
    found = _BLAMED.search(param) or _BLAMED.search(message)
    return found[0] if found else None


def ark_class(code: str, message: str) -> ErrorClass | None:
    """What an Ark code means on create, None when it is not one of Ark's."""
    if moderation(code) is not None:
        return "moderated"
    if code.startswith("InvalidParameter") and "timeout while fetching resource" in message.lower():
        return "unavailable"  # a reference's host was slow: nothing started, trying again can help
    if code == "QuotaExceeded":
        # One code for two things: the free trial is used up, or too many tasks are queued.
        return "billing" if _FREE_QUOTA.search(message) else "throttled"
    if code in _EXACT:
        return _EXACT[code]
    return next((kind for prefix, kind in _PREFIX.items() if code.startswith(prefix)), None)


def ark_failure(code: str, message: str, param: str = "") -> TaskFailure:
    """Why a task failed, from Ark's code. Output moderation is not deterministic: another seed can pass."""
    text = redact(message or code or "the gateway gave no reason")
    if (found := moderation(code)) is not None:
        output = found["stage"] == "output"
        offending = None if output else blamed(param, message)
        return TaskFailure("moderation_blocked", text, code, retryable=output, offending=offending, **found)
    if ark_class(code, message) == "rejected":
        return TaskFailure("invalid_request", text, code)
    return TaskFailure("generation_failed", text, code, retryable=True)
