"""kie.ai's errors: HTTP 200 with ``{"code": <number>, "msg", "data"?}``, whose `code` reads as an HTTP status.

Sources: [D] https://docs.kie.ai/market/common/get-task-detail lists 200 401 402 404 422 429 455 500 501 505 as the
codes of every answer, and the meaning of 401, 404, 422, 500, 501; [Q] https://docs.kie.ai/market/quickstart and the
pages of the models: the meaning of the others. With the same number as HTTP status they mean the same.

455 (maintenance), 500 (internal error) and 501 (generation failed) are not on the list: nothing says that they come
before the work.
"""

from __future__ import annotations

from typing import TypeGuard

from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.http_errors import ErrorBody, ErrorForm
from seedance.gateways.plain_failures import is_moderation
from seedance.gateways.refusals import Codes, Refusal, RefusalKind, RefusalList

_MEANINGS: dict[str, RefusalKind] = {
    "401": "auth",  # [D] "unauthorized: the API key is invalid or missing"
    "402": "billing",  # [Q] "insufficient credits"
    "404": "not_served",  # [Q] "the requested resource or endpoint does not exist"
    "422": "rejected",  # [D] "validation error in the request"
    "429": "throttled",  # [Q] "request limit exceeded"; the surplus is refused, not queued
    "505": "not_open",  # [Q] "the requested feature is disabled"
}
REFUSALS = RefusalList(
    {200: {kind: (code,) for code, kind in _MEANINGS.items()}}
    | {int(code): {kind: (code,)} for code, kind in _MEANINGS.items() if code != "505"}
)
UNKNOWN_TASK = Codes.of((200, "404"), (404, "404"))
"""[D] "task not found: check the taskId"."""
OK = 200
_NAMES = frozenset({"code", "msg", "data"})


def read_body(raw: bytes) -> ErrorBody:
    """kie.ai's error, or what can be read of another."""
    data = object_of(read_json(raw))
    code, message = data.get("code"), data.get("msg")
    own = is_number(code) and code != OK and isinstance(message, str) and data.keys() <= _NAMES
    named = data.get("data") not in (None, {}, [], "")  # whatever it is, it may be a task
    return ErrorBody(word_of(code), text_of(message) or text_of(data.get("message")), own=own and not named)


def refusal_of(status: int, body: ErrorBody) -> Refusal | None:
    """What an answer to a create proves; None if it proves nothing. Moderation has no code of its own."""
    kind = REFUSALS.find(status, body.code)
    if kind == "rejected" and is_moderation(body.message):
        kind = "moderated"
    return None if kind is None else Refusal(kind)


def is_number(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


FORM = ErrorForm(read_body, REFUSALS, UNKNOWN_TASK, refine=refusal_of)
