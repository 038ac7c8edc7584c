"""QuantumNous/new-api's errors: the software behind several gateways answers in two families.

A. task errors, flat: ``{"code": …, "message": …, "data": null}``; the message may be the upstream body as JSON text.
B. middleware errors, OpenAI-like: ``{"error": {"message": …, "type": …, "code": …}}``.

Source: QuantumNous/new-api, service/error.go, types/error.go, dto/task.go, relay/relay_task.go, middleware/utils.go
"""

from __future__ import annotations

from seedance.errors import GatewayError, Operation, redact
from seedance.gateways.answers import read_json, text_of, word_of
from seedance.gateways.ark_codes import ark_class, ark_failure, blamed, moderation
from seedance.gateways.base import TaskFailure, WireAnswer
from seedance.gateways.http_errors import ErrorBody, ErrorClass, build_error

CODES: dict[str, ErrorClass] = {
    "invalid_request": "rejected",
    "model_price_error": "rejected",
    "model_mapping_failed": "rejected",
    "invalid_api_platform": "rejected",
    "read_request_body_failed": "rejected",
    "bad_request_body": "rejected",
    "convert_request_failed": "rejected",
    "model_not_found": "permission",
    "access_denied": "permission",
    "task_not_exist": "task_unknown",
    "insufficient_user_quota": "billing",
    "pre_consume_token_quota_failed": "billing",
    "sensitive_words_detected": "moderated",
    "prompt_blocked": "moderated",
    "content_filter": "moderated",
    "build_request_failed": "unavailable",
    "get_channel_failed": "unavailable",
    # These are raised after bytes went upstream, so the generation may be running there.
    "do_request_failed": "unknown",
    "read_response_body_failed": "unknown",
    "unmarshal_response_body_failed": "unknown",
    "invalid_response": "unknown",
    "bad_response": "unknown",
    "bad_response_body": "unknown",
    "bad_response_status_code": "unknown",
    "empty_response": "unknown",
    "insert_task_failed": "unknown",
    "channel:response_time_exceeded": "unknown",
    # It broke somewhere, perhaps there.
    "new_api_panic": "unknown",
}
# What the gateway's own poller writes when it lost sight of its upstream, where the generation may still run.
LOST_REASONS = ("upstream returned error", "upstream returned unrecognized message", "任务超时")
_MAX_NESTING = 3


def read_body(body: bytes | str, depth: int = 0) -> ErrorBody:
    """The innermost code and message of either family; gateways behind gateways wrap them as JSON text."""
    data = read_json(body)
    if not isinstance(data, dict):
        return ErrorBody()
    error = data.get("error")
    holder = error if isinstance(error, dict) else data
    message = text_of(error) if isinstance(error, str) else text_of(holder.get("message"))
    code = word_of(holder.get("code")) or (word_of(holder.get("type")) if holder is not data else "")
    if not (message or code):
        return ErrorBody()
    start, end = message.find("{"), message.rfind("}")
    if depth < _MAX_NESTING and 0 <= start < end:
        inner = read_body(message[start : end + 1], depth + 1)
        if inner.readable and inner.code:
            return inner
    return ErrorBody(code, message, word_of(holder.get("param")), readable=True)


def error_class(operation: Operation, answer: WireAnswer, body: ErrorBody) -> ErrorClass | None:
    """What a code of new-api or of Ark behind it means, None to judge by the HTTP status."""
    kind = CODES.get(body.code) or ark_class(body.code, body.message)
    if kind is None and answer.status == 403 and ("quota" in body.code or "额度" in body.message):
        return "billing"
    if kind is None and body.code == "fail_to_fetch_task" and answer.status >= 500:
        return "unknown"  # the upstream's own failure after it had the request
    if kind == "task_unknown" and operation == "submit":
        return None  # a submit names no task
    return kind


def read_error(gateway: str, operation: Operation, answer: WireAnswer) -> GatewayError:
    """Any answer that is not 2xx, as an error of the tree."""
    body = read_body(answer.body)
    kind = error_class(operation, answer, body)
    details = {}
    if kind == "moderated":
        details = (moderation(body.code) or {}) | {"offending": blamed(body.param, body.message)}
    return build_error(gateway, operation, answer, body, kind, **details)


def failure_of(reason: str, code: str = "") -> TaskFailure:
    """Why a task failed, from the text that new-api kept of it: Ark's body as JSON, "Code: message", or plain words."""
    if any(lost in reason for lost in LOST_REASONS):
        return TaskFailure("gateway_lost", redact(reason), retryable=True)
    start, end = reason.find("{"), reason.rfind("}")
    inner = read_body(reason[start : end + 1]) if 0 <= start < end else ErrorBody()
    if inner.readable and inner.code:
        return ark_failure(inner.code, inner.message, inner.param)
    head = reason.partition(":")[0].strip()
    if head.isascii() and head.isprintable() and " " not in head and len(head) <= 120:
        # Ark's own word says more than the gateway's.
        code = head if not code or ark_class(head, reason) is not None else code
    if CODES.get(code) == "moderated":
        return TaskFailure("moderation_blocked", redact(reason or code), code)
    return ark_failure(code, reason)
