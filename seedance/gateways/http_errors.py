"""From an HTTP status and a gateway's code to the error tree: the part every dialect shares."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

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
    """A gateway's error as far as it could be read: `code` and `message` are "" when it had none."""

    code: str = ""
    message: str = ""
    readable: bool = False
    """True when the body was the gateway's own JSON error, not a proxy's page."""


def read_json(body: bytes) -> Any:
    """The body as JSON, None when it is not."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def text_of(value: object) -> str:
    """A JSON scalar as text: gateways send codes as strings and as integers. "" for everything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


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
        except ValueError:
            return None
        seconds = (at.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    if seconds != seconds:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def status_class(operation: Operation, status: int, readable: bool, has_retry_after: bool) -> ErrorClass:
    """What an HTTP status means when the gateway's code says nothing more."""
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
    if status == 404 and operation == "query":
        return "task_unknown"
    if status in (400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431):
        return "rejected"
    if status == 503 and has_retry_after:
        return "throttled"
    if status in (500, 503) and readable:
        return "unavailable"
    return "unknown"


def build_error(
    gateway: str,
    operation: Operation,
    answer: WireAnswer,
    body: ErrorBody,
    error_class: ErrorClass | None,
    **details: Any,
) -> GatewayError:
    """One error of the tree. `error_class` is what the dialect made of the code, None to judge by the status.

    An unclear answer to a submit is an unknown outcome; to a query it is only a bad answer.
    """
    wait_s = retry_after_s(answer.headers)
    kind = error_class or status_class(operation, answer.status, body.readable, wait_s is not None)
    message = body.message or answer.body[:300].decode("utf-8", "replace") or f"HTTP {answer.status}"
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
