"""From an answer that is not 2xx to the error tree: the part that all dialects share.

Each dialect has an `ErrorForm`: the form of its own errors, and which of them are refusals. `seedance.errors` explains
the classes.
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seedance.errors import (
    AccountProblem,
    BadAnswer,
    GatewayError,
    InputNotReady,
    ModelProblem,
    Moderated,
    NotServed,
    Operation,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    TooLate,
    Unavailable,
)
from seedance.gateways.answers import excerpt
from seedance.gateways.refusals import Codes, Refusal, RefusalList
from seedance.gateways.wire import WireAnswer

MAX_RETRY_AFTER_S = 3600.0
NO_ROUTE_STATUSES = frozenset({404, 405})
"""No server behind the URL has this call, whichever server answers: a router without a route forwards nothing."""
PAGE_STATUSES = frozenset({301, 307, 308, 400, 401, 403, 406, 407, 410, 411, 413, 414, 415, 421, 431, 451})
"""With a page as body: a server in front of the gateway refuses the request itself, or redirects it. Not included:
2xx (it says "done"), 302 and 303 (the usual answer to a completed POST), 408 and 499 (a timeout, perhaps of the
upstream), 409, 412, 417, 422, 424, 425, 428 (an application has read the request) and 429."""
_OF_THE_ACCOUNT = ("auth", "billing", "permission", "not_open", "unknown_model", "limit")
"""Refusals that mean the same in answer to a query."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A gateway's error as far as it could be read; texts that it did not have are "".

    `param` is the part of the request that the gateway blames (`content[2].image_url`).
    """

    code: str = ""
    message: str = ""
    param: str = ""
    own: bool = False
    """True: the whole body is in the dialect's own documented form; other JSON with a message is not."""
    from_upstream: bool = False
    """True: the gateway passes on the code of the gateway behind it."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """For a refusal of content: stage, modality, the offending item."""


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """A dialect's errors: how to read them, which are refusals, and which codes mean that a task is unknown or that a
    cancel is too late."""

    read: Callable[[bytes], ErrorBody]
    refusals: RefusalList
    unknown_task: Codes
    too_late: Codes = field(default_factory=Codes.of)
    refine: Callable[[int, ErrorBody], Refusal | None] | None = None
    """Used instead of the list by dialects whose code alone does not determine what an answer proves."""

    def refusal_of(self, status: int, body: ErrorBody) -> Refusal | None:
        """What an answer to a create proves; None if it proves nothing. Only a body in the dialect's own form can."""
        if not body.own:
            return None
        if self.refine is not None:
            return self.refine(status, body)
        kind = self.refusals.find(status, body.code)
        return None if kind is None else Refusal(kind)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, from either of its forms (RFC 9110 §10.2.3); None if absent or unreadable."""
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


def read_error(gateway: str, operation: Operation, answer: WireAnswer, form: ErrorForm) -> GatewayError:
    """Translate an answer that is not 2xx into an error of the tree."""
    body = form.read(answer.body)
    refusal = form.refusal_of(answer.status, body)
    common: dict[str, Any] = {
        "gateway": gateway,
        "operation": operation,
        "status": answer.status,
        "gateway_code": body.code,
    }
    message = body.message or excerpt(answer.body, 300) or f"HTTP {answer.status} without a body"
    if operation == "submit":
        return _of_submit(answer, body, refusal, message, common)
    return _of_question(operation, answer, body, refusal, form, message, common)


def is_page(body: bytes) -> bool:
    """Whether a body is HTML or XML, which proxies, firewalls and object stores send, but no gateway."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def _of_submit(
    answer: WireAnswer, body: ErrorBody, refusal: Refusal | None, message: str, common: Mapping[str, Any]
) -> GatewayError:
    if refusal is not None:
        return _refused(answer, body, refusal, message, common)
    if answer.status in NO_ROUTE_STATUSES or (answer.status in PAGE_STATUSES and is_page(answer.body)):
        return NotServed(f"no server at base_url has this call (HTTP {answer.status}): {message}", **common)
    if 300 <= answer.status < 400 and (elsewhere := answer.headers.get("location")):
        message = f"redirected to {elsewhere}; check base_url"
    return OutcomeUnknown(message, **common)


def _refused(
    answer: WireAnswer, body: ErrorBody, refusal: Refusal, message: str, common: Mapping[str, Any]
) -> GatewayError:
    match refusal.kind:
        case "rejected":
            return Rejected(message, **common, field=body.param or None)
        case "moderated":
            return Moderated(message, **common, **body.details)
        case "throttled":
            wait_s = retry_after_s(answer.headers)
            return Throttled(message, **common, retry_after_s=refusal.pause_s if wait_s is None else wait_s)
        case "input_not_ready":
            return InputNotReady(message, **common)
        case "auth" | "billing" | "permission":
            return AccountProblem(message, **common, kind=refusal.kind)
        case "not_open" | "unknown_model" | "limit":
            return ModelProblem(message, **common, kind=refusal.kind)
        case "not_served":
            return NotServed(message, **common)


def _of_question(
    operation: Operation,
    answer: WireAnswer,
    body: ErrorBody,
    refusal: Refusal | None,
    form: ErrorForm,
    message: str,
    common: Mapping[str, Any],
) -> GatewayError:
    """The error of a call that starts nothing: it may be repeated, and says little about the task or the account."""
    pair, status = (answer.status, body.code), answer.status
    if body.own and operation in ("query", "cancel") and pair in form.unknown_task:
        return TaskUnknown(message, **common)
    if body.own and operation == "cancel" and pair in form.too_late:
        return TooLate(message, **common)
    if refusal is not None and refusal.kind in _OF_THE_ACCOUNT:
        return _refused(answer, body, refusal, message, common)
    wait_s = retry_after_s(answer.headers)
    if status == 429 or (status == 503 and wait_s is not None):
        return Throttled(message, **common, retry_after_s=wait_s)
    if status >= 500 or status == 408:
        return Unavailable(message, **common)
    return BadAnswer(message, **common)
