"""QuantumNous/new-api's errors: the software behind several gateways has two families of them.

A. task errors, flat: ``{"code": …, "message": …, "data": null}``; the message of `fail_to_fetch_task` is the upstream's
   body as JSON text, its status the upstream's.
B. middleware errors, OpenAI-like: ``{"error": {"message": …, "type": "new_api_error", "code": …}}``; forks change the
   name before `_api_error`.

A gateway tries several channels for one request, so an error may follow a channel that accepted it. That is the
gateway's loss: with every error it refunds the charge (`RelayTask`, deferred refund), and keeps no task.

Sources: QuantumNous/new-api, by file where an entry has one; dto/task.go and middleware/utils.go have the forms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seedance.errors import redact
from seedance.gateways import ark_codes
from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.ark_codes import ark_failure, is_ark_code
from seedance.gateways.base import TaskFailure
from seedance.gateways.http_errors import ErrorBody, ErrorForm
from seedance.gateways.refusals import Codes, Refusal, RefusalList

UPSTREAM = "fail_to_fetch_task"
REFUSALS = RefusalList(
    {
        400: {
            "rejected": (
                "",  # B, middleware/distributor.go: the body cannot be read, or names no model
                "invalid_request",  # relay/common/relay_utils.go: ValidateBasicTaskRequest
                "invalid_seconds",  # relay/common/relay_utils.go: validateTaskDurationBounds
            ),
            # relay/relay_task.go, before the request goes upstream: the gateway has no price, no name or no adaptor for
            # the model. That is not the job's fault.
            "unknown_model": ("model_price_error", "model_mapping_failed", "invalid_api_platform"),
        },
        401: {"auth": ("",)},  # B, middleware/auth.go: TokenAuth
        403: {
            "billing": ("insufficient_user_quota", "pre_consume_token_quota_failed"),  # service/pre_consume_quota.go
            "permission": ("", "access_denied"),  # B, middleware/auth.go: user, group, address; the text has the rest
        },
        413: {"rejected": ("read_request_body_failed",)},  # controller/relay.go: RelayTask
        429: {
            # controller/relay.go: RelayTask replaces the upstream's text of a 429 with its own; "" is B,
            # middleware/model-rate-limit.go; the last is B, middleware/token_concurrency.go of later versions.
            "throttled": (UPSTREAM, "", "token_concurrency_limit_reached"),
        },
        501: {"not_served": ("api_not_implemented",)},  # B, controller/relay.go: RelayNotImplemented
        503: {"unknown_model": ("model_not_found",)},  # B, middleware/distributor.go: no channel for the model
    }
)
UNKNOWN_TASK = Codes.of((400, "task_not_exist"), (404, "task_not_exist"))
"""relay/relay_task.go sends it with 400; the code alone is enough."""
_OWN_TYPE = re.compile(r"[a-z][a-z_]*_api_error", re.IGNORECASE)
_NO_QUOTA = re.compile(r"quota|额度|余额", re.IGNORECASE)
_NO_MODEL = re.compile(r"无权访问(?:任何)?模型|access to (?:the |any )?(?:specified )?models?\b", re.IGNORECASE)
"""i18n: MsgDistributorTokenModelForbidden, MsgDistributorTokenNoModelAccess."""
# Written by the gateway's own poller when it lost its upstream task, which may still run.
LOST_REASONS = ("upstream returned error", "upstream returned unrecognized message", "任务超时")
_MAX_NESTING = 3


def read_body(raw: bytes) -> ErrorBody:
    """The error of either family; an error wrapped in it as JSON text is read instead."""
    outer = _outer(object_of(read_json(raw)))
    inner = _innermost(outer.message)
    if inner is None:
        return outer
    # Only one call passes the upstream's text on.
    upstream = outer.own and outer.code == UPSTREAM
    return replace(inner, own=upstream and inner.own, from_upstream=upstream)


def _outer(data: Mapping[str, Any]) -> ErrorBody:
    error = object_of(data.get("error"))
    if error:
        kind = word_of(error.get("type"))
        own = isinstance(error.get("message"), str) and _OWN_TYPE.fullmatch(kind) is not None
        code = word_of(error.get("code")) or ("" if own else kind)
        return ErrorBody(code, text_of(error.get("message")), word_of(error.get("param")), own)
    code, message = word_of(data.get("code")), text_of(data.get("message"))
    own = code != "" and isinstance(data.get("code"), str) and isinstance(data.get("message"), str) and "data" in data
    return ErrorBody(code, message or text_of(data.get("error")), own=own)


def _innermost(text: str, depth: int = 0) -> ErrorBody | None:
    """The innermost error of a text, which chained gateways wrap several times; None if there is none."""
    start, end = text.find("{"), text.rfind("}")
    data = read_json(text[start : end + 1]) if depth < _MAX_NESTING and 0 <= start < end else None
    if not isinstance(data, dict):
        return None
    body = ark_codes.body_of(data)
    if not body.own and (other := _outer(data)).own:
        body = other
    return _innermost(body.message, depth + 1) or (body if body.code or body.own else None)


def refusal_of(status: int, body: ErrorBody) -> Refusal | None:
    """What an answer to a create proves; None if it proves nothing."""
    if body.from_upstream:
        found = ark_codes.refusal_of(status, body) or _own_refusal(status, body)
        return _passed_on(found) if found is not None and status < 500 else None
    return _own_refusal(status, body)


def _own_refusal(status: int, body: ErrorBody) -> Refusal | None:
    kind = REFUSALS.find(status, body.code)
    if kind == "permission" and _NO_QUOTA.search(body.message):
        kind = "billing"
    elif kind == "permission" and _NO_MODEL.search(body.message):
        kind = "not_open"
    return None if kind is None else Refusal(kind)


def _passed_on(refusal: Refusal) -> Refusal:
    """The upstream's refusal of the gateway's own key or credit affects the models that the gateway buys there, not
    this account."""
    return Refusal("not_open") if refusal.kind in ("auth", "billing", "permission") else refusal


FORM = ErrorForm(read_body, REFUSALS, UNKNOWN_TASK, refine=refusal_of)


def failure_of(reason: str, code: str = "") -> TaskFailure:
    """Why a task failed, from the text that new-api stored: Ark's body as JSON, "Code: message", or plain words."""
    if any(lost in reason for lost in LOST_REASONS):
        return TaskFailure("gateway_lost", redact(reason), retryable=True)
    if (inner := _innermost(reason)) is not None and inner.code:
        return ark_failure(inner.code, inner.message, inner.param)
    head = reason.partition(":")[0].strip()
    if head.isascii() and head.isprintable() and " " not in head and len(head) <= 120:
        # Ark's own code says more than the gateway's.
        code = head if not code or is_ark_code(head) else code
    if code in _FILTERED:
        return TaskFailure("moderation_blocked", redact(reason or code), code)
    return ark_failure(code, reason)


_FILTERED = frozenset({"sensitive_words_detected", "prompt_blocked", "content_filter"})
"""types/error.go, and 12AI's documents: why a task failed. They are not documented as answers to a create."""
