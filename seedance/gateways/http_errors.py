"""From an HTTP status and a gateway's code to the error tree: the part every dialect shares."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from seedance.errors import (
    AccountProblem,
    BadAnswer,
    GatewayError,
    Moderated,
    Operation,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    Unavailable,
)
from seedance.gateways.answers import excerpt
from seedance.gateways.base import WireAnswer

ErrorClass = Literal[
    "rejected",
    "moderated",
    "throttled",
    "unavailable",
    "unknown",
    "auth",
    "billing",
    "permission",
    "configuration",
    "task_unknown",
]

MAX_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A gateway's error as far as it could be read: each text is "" when it had none.

    `param` is the part of the request that the gateway blames (`content[2].image_url`).
    """

    code: str = ""
    message: str = ""
    param: str = ""
    readable: bool = False
    """True when the body was the gateway's own JSON error, not a proxy's page."""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, from either of its forms (RFC 9110 §10.2.3); None when absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(value)
            seconds = (at.astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def status_class(status: int, readable: bool, has_retry_after: bool) -> ErrorClass:
    """What an HTTP status means for a submit when the gateway's code says nothing more."""
    if 300 <= status < 400:
        return "configuration"  # we are sent elsewhere, so nothing was taken here: base_url is wrong
    if status == 401:
        return "auth"
    if status == 402:
        return "billing"
    if status == 403:
        return "permission"
    if status == 429:
        return "throttled"
    if status in (400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431):
        return "rejected"
    if status == 503 and has_retry_after:
        return "throttled"
    if status in (500, 503) and readable:
        return "unavailable"
    return "unknown"


def _class_of_question(operation: Operation, status: int, readable: bool, kind: ErrorClass) -> ErrorClass:
    """The same for a call that starts nothing: it may be repeated, and says little about the task or the account."""
    if status in (404, 410) and operation in ("query", "cancel") and readable and kind in ("rejected", "unknown"):
        return "task_unknown"
    if operation == "cancel" and readable and kind in ("rejected", "permission"):
        return "rejected"  # it is too late to cancel
    if kind in ("rejected", "moderated"):
        return "unknown"
    if kind in ("auth", "billing", "permission") and not readable:
        return "unknown"  # some proxy's page, not the gateway's verdict on our account
    if kind == "unknown" and (status >= 500 or status == 408):
        return "unavailable"
    return kind


def build_error(
    gateway: str,
    operation: Operation,
    answer: WireAnswer,
    body: ErrorBody,
    error_class: ErrorClass | None,
    **details: Any,
) -> GatewayError:
    """One error of the tree. `error_class` is what the dialect made of the code, None to judge by the status.

    An unclear answer to a submit is an unknown outcome; to any other call it is only a bad answer.
    """
    wait_s = retry_after_s(answer.headers)
    kind = error_class or status_class(answer.status, body.readable, wait_s is not None)
    if operation != "submit":
        kind = _class_of_question(operation, answer.status, body.readable, kind)
    message = body.message or excerpt(answer.body, 300) or f"HTTP {answer.status}"
    common: dict[str, Any] = {
        "gateway": gateway,
        "operation": operation,
        "status": answer.status,
        "gateway_code": body.code,
    }
    match kind:
        case "rejected":
            return Rejected(message, **common)
        case "moderated":
            return Moderated(message, **common, **details)
        case "throttled":
            return Throttled(message, **common, retry_after_s=wait_s)
        case "unavailable":
            return Unavailable(message, **common)
        case "auth" | "billing" | "permission" | "configuration":
            return AccountProblem(message, **common, kind=kind)
        case "task_unknown":
            return TaskUnknown(message, **common)
        case "unknown" if operation == "submit":
            return OutcomeUnknown(message, **common)
        case "unknown":
            return BadAnswer(message, **common)
