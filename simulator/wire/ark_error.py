"""Errors in ByteDance Ark's format; gateways in front of Ark wrap them.

Source: https://www.volcengine.com/docs/82379/1299023
"""

from __future__ import annotations

import secrets
import time
from typing import Any

QUOTAS = {
    "queue": "The request has exceeded the quota.",
    "trial": "Your account [2100] has exhausted its free trial quota for the model.",
    "plan": "You have exceeded the 5-hour usage quota. It will reset at {reset}.",
}
"""What `QuotaExceeded` can mean; only its text tells."""
REFUSALS: dict[str, tuple[int, str]] = {
    "ModelNotOpen": (404, "Your account has not activated the model. Please activate the model service."),
    "UnsupportedModel": (404, "The model is not supported by this plan."),
    "SetLimitExceeded": (429, "Your account has reached the set inference limit, and the model service is paused."),
    "OperationDenied.ServiceNotOpen": (403, "Operation is denied because the model service is unavailable."),
    "OperationDenied.PermissionDenied": (
        403,
        "You are not permitted to access the specified configuration of the FoundationModel.",
    ),
    "OperationDenied.ServiceOverdue": (403, "Operation is denied because the account is overdue."),
    "InvalidSubscription": (403, "The subscription of your account is not valid."),
    "AccountOverdueError": (403, "The account has an overdue balance."),
    "InvalidParameter": (400, "the specified parameter `camera_fixed` is not supported for model x, must be empty."),
    "InvalidParameter.TaskTypeConstraint": (400, "ratio must be adaptive for the task type edit."),
    "InvalidParameter.TaskTypeMismatch": (400, "The prompt does not match the specified task type."),
    "InvalidResolutionParameter": (400, "The parameter `resolution` specified in the request is not valid."),
    "ModelParameterNotSupported": (400, "The parameter `output_format` is not supported by the model."),
    "InputImageSensitiveContentDetected.PrivacyInformation": (400, "The input image may contain real person."),
    "QuotaExceeded": (429, ""),
    "QuotaExceeded.Concurrency": (429, "The number of concurrent tasks has exceeded the quota."),
}
"""Refusals of a create that Ark documents or that were seen: HTTP status and text."""

_TYPES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
}


class ArkError(Exception):
    """Ark refuses a request."""

    def __init__(self, code: str, message: str, param: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.param = param
        self.status = status

    def body(self) -> dict[str, Any]:
        return error_body(self.status, self.code, self.message, self.param)


def error_body(status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
    return {
        "error": {
            "code": code,
            "message": f"{message} Request id: {request_id()}",
            "param": param,
            "type": _TYPES.get(status, "InternalServerError"),
        }
    }


def request_id() -> str:
    return f"0217{int(time.time() * 1000)}{secrets.token_hex(12)}"


def refusal(code: str, quota: str, reset_s: float) -> ArkError:
    """One of `REFUSALS`. `quota`: the meaning of `QuotaExceeded`; `reset_s`: seconds until the quota's reset."""
    status, message = REFUSALS[code]
    if not message:
        reset = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(time.time() + reset_s))
        message = QUOTAS[quota].format(reset=reset)
    return ArkError(code, message, status=status)


def invalid(param: str, why: str) -> ArkError:
    return ArkError("InvalidParameter", f"The parameter `{param}` specified in the request is not valid: {why}.", param)


def missing(param: str) -> ArkError:
    return ArkError("MissingParameter", f"The request is missing the required parameter `{param}`.", param)


def moderation_message(code: str) -> str:
    stage, modality = ("output", code[6:]) if code.startswith("Output") else ("input", code[5:])
    modality = modality.partition("Sensitive")[0].lower() or "text"
    return f"The request failed because the {stage} {modality} may contain sensitive information."
