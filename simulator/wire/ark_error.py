"""Errors in ByteDance Ark's format; gateways in front of Ark wrap them.

Source: https://www.volcengine.com/docs/82379/1299023
"""

from __future__ import annotations

import secrets
import time
from typing import Any

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


def invalid(param: str, why: str) -> ArkError:
    return ArkError("InvalidParameter", f"The parameter `{param}` specified in the request is not valid: {why}.", param)


def missing(param: str) -> ArkError:
    return ArkError("MissingParameter", f"The request is missing the required parameter `{param}`.", param)


def moderation_message(code: str) -> str:
    stage, modality = ("output", code[6:]) if code.startswith("Output") else ("input", code[5:])
    modality = modality.partition("Sensitive")[0].lower() or "text"
    return f"The request failed because the {stage} {modality} may contain sensitive information."
