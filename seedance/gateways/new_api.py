"""QuantumNous/new-api's errors: the software behind several gateways answers in two families.

A. task errors, flat: ``{"code": …, "message": …, "data": null}``; the message may be the upstream body as JSON text.
B. middleware errors, OpenAI-like: ``{"error": {"message": …, "type": …, "code": …}}``.

Source: QuantumNous/new-api, service/error.go, dto/task.go, relay/relay_task.go, middleware/utils.go
"""

from __future__ import annotations

import re

from seedance.errors import GatewayError, Operation
from seedance.gateways.ark_codes import ark_class, moderation
from seedance.gateways.base import WireAnswer
from seedance.gateways.http_errors import ErrorBody, ErrorClass, build_error, read_json, text_of

CODES: dict[str, ErrorClass] = {
    "invalid_request": "rejected",
    "model_price_error": "rejected",
    "model_mapping_failed": "rejected",
    "invalid_api_platform": "rejected",
    "read_request_body_failed": "rejected",
    "model_not_found": "permission",
    "task_not_exist": "task_unknown",
    "insufficient_user_quota": "billing",
    "pre_consume_token_quota_failed": "billing",
    # These are raised after bytes went upstream, so the generation may be running there.
    "do_request_failed": "unknown",
    "read_response_body_failed": "unknown",
    "unmarshal_response_body_failed": "unknown",
    "invalid_response": "unknown",
    "build_request_failed": "unavailable",
}
_MAX_NESTING = 3
_JSON_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


def read_body(body: bytes | str, depth: int = 0) -> ErrorBody:
    """The innermost code and message of either family; gateways behind gateways wrap them as JSON text."""
    data = read_json(body.encode() if isinstance(body, str) else body)
    if not isinstance(data, dict):
        return ErrorBody()
    error = data.get("error")
    holder = error if isinstance(error, dict) else data
    message = text_of(error) if isinstance(error, str) else text_of(holder.get("message"))
    code = text_of(holder.get("code")) or (text_of(holder.get("type")) if holder is not data else "")
    if not (message or code):
        return ErrorBody()
    if depth < _MAX_NESTING and (found := _JSON_OBJECT.search(message)):
        inner = read_body(found[0], depth + 1)
        if inner.readable and inner.code:
            return inner
    return ErrorBody(code, message, readable=True)


def read_error(gateway: str, operation: Operation, answer: WireAnswer) -> GatewayError:
    """Any answer that is not 2xx, as an error of the tree."""
    body = read_body(answer.body)
    kind = CODES.get(body.code) or ark_class(body.code, body.message)
    if kind == "rejected" and operation == "query":
        kind = None  # a query is never refused for good: judge by the status
    if kind is None and answer.status == 403 and ("quota" in body.code or "额度" in body.message):
        kind = "billing"
    if kind is None and body.code == "fail_to_fetch_task" and answer.status >= 500:
        kind = "unknown"  # the upstream's own failure after it had the request
    details = moderation(body.code) or {} if kind == "moderated" else {}
    return build_error(gateway, operation, answer, body, kind, **details)
