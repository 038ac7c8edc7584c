"""OpenRouter's HTTP errors: ``{"error": {"code": <the HTTP status>, "message", "metadata"?}, "user_id"?}``.

`metadata` has `reasons` and `flagged_input` if moderation refused the input, `provider_name` and `raw` if the error is
the provider's, and `limit_source` if it is a limit on spending.

Sources: [E] https://openrouter.ai/docs/api/reference/errors-and-debugging; [S] its SDK for Python, openrouter 1.3.84,
video_generation.py: a create declares 400, 401, 402, 403, 404, 413, 429, 499, 500 and 503 in this form; [I] an
inference. 499 ("the caller cancelled"), 500 and 503 do not say that the work had not begun, so they are doubts.
"""

from __future__ import annotations

from dataclasses import replace

from seedance.gateways import ark_codes
from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.http_errors import ErrorBody, ErrorForm
from seedance.gateways.refusals import Codes, Refusal, RefusalList

REFUSALS = RefusalList(
    {
        400: {"rejected": ("400",)},  # [E] "invalid or missing params", [S]
        401: {"auth": ("401",)},  # [E] "invalid credentials", [S]
        402: {"billing": ("402",)},  # [E] "insufficient credits", [S]
        403: {"moderated": ("403",)},  # [E] "your input was flagged"; without reasons it is a matter of permission
        404: {"unknown_model": ("404",)},  # [S]; [I] if the text is about the model
        413: {"rejected": ("413",)},  # [S]
        429: {"throttled": ("429",)},  # [E] "you are being rate limited", [S]
    }
)
UNKNOWN_TASK = Codes.of((404, "404"))
"""[S] "Job not found"."""
_OF_A_PROVIDER = "Provider returned error"
"""[E] its text for a provider's error; `metadata` may be left out."""
_IN_FLIGHT = "openrouter_in_flight_budget"
_TOP = frozenset({"error", "user_id", "openrouter_metadata"})
_NAMES = frozenset({"code", "message", "metadata"})


def read_body(raw: bytes) -> ErrorBody:
    """OpenRouter's error, or what can be read of another. A provider's error that is Ark's is read instead."""
    data = object_of(read_json(raw))
    error = object_of(data.get("error"))
    code, message, metadata = error.get("code"), error.get("message"), object_of(error.get("metadata"))
    own = (
        data.keys() <= _TOP
        and error.keys() <= _NAMES
        and isinstance(code, int)
        and not isinstance(code, bool)
        and isinstance(message, str)
    )
    text = text_of(message) or text_of(data.get("message")) or text_of(data.get("error"))
    if own and isinstance(metadata.get("reasons"), list):
        reasons = ", ".join(filter(None, map(text_of, metadata["reasons"])))
        flagged = {"stage": "input"}
        return ErrorBody(word_of(code), f"{text} ({reasons})" if reasons else text, own=True, details=flagged)
    if own and (text_of(metadata.get("provider_name")) or text.startswith(_OF_A_PROVIDER)):
        inner = ark_codes.read_body(text_of(metadata.get("raw")))
        if inner.own:
            return replace(inner, from_upstream=True)
        return ErrorBody(word_of(code), text, own=True, from_upstream=True)
    return ErrorBody(word_of(code), text, word_of(metadata.get("limit_source")), own)


def refusal_of(status: int, body: ErrorBody) -> Refusal | None:
    """What an answer to a create proves; None if it proves nothing.

    A provider may have begun before it answered with an error, so its error counts only if it is on Ark's own list, or
    says that too much was requested. Its refusal of OpenRouter's key or credit affects the model, not this account.
    """
    kind = REFUSALS.find(status, body.code)
    if body.from_upstream:
        found = ark_codes.refusal_of(status, body)
        if found is not None and found.kind in ("auth", "billing", "permission"):
            return Refusal("not_open")
        return found or (Refusal("throttled") if kind == "throttled" else None)
    if kind == "unknown_model" and "model" not in body.message.lower():
        return None
    if kind == "billing" and body.param == _IN_FLIGHT:
        return Refusal("throttled")  # [E] "honor Retry-After": generations in flight have reserved the credit
    if kind == "moderated" and not body.details:
        return Refusal("permission")
    return None if kind is None else Refusal(kind)


FORM = ErrorForm(read_body, REFUSALS, UNKNOWN_TASK, refine=refusal_of)
