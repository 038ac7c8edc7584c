"""ByteDance Ark's error codes. Every gateway wraps Ark, so its codes occur in the answers of all of them.

Ark's form is ``{"error": {"code", "message", "param", "type"}}``.

Sources: [D] the table of error codes, https://www.volcengine.com/docs/82379/1299023 and
https://docs.byteplus.com/en/docs/ModelArk/1299023; [V] answers of the video API that were seen and written down by
others, by code and status; [O] older versions of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from seedance.errors import redact
from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.base import TaskFailure
from seedance.gateways.http_errors import MAX_RETRY_AFTER_S, ErrorBody, ErrorForm
from seedance.gateways.refusals import Codes, Refusal, RefusalList

_MODERATION = re.compile(r"(Input|Output)(Text|Image|Video|Audio)(?:SensitiveContentDetected|RiskDetection)")
_PLAIN_MODERATION = re.compile(r"SensitiveContentDetected|RiskDetection")
_BLAMED = re.compile(r"content\[\d+\](?:\.\w+)*")
_NAMED = re.compile(
    r"\b(?i:parameters?) [`'\"]([\w.\[\]]+)[`'\"]"
    r"|\b(ratio|duration|resolution|output_format|generate_audio|draft|omni_reference_task_type) (?:must|should) be\b"
)
_FACE = re.compile(r"may contain (?:a )?real (?:person|people|human)", re.IGNORECASE)
_FREE_QUOTA = re.compile(r"free|trial|activate|免费|试用|开通", re.IGNORECASE)
_USAGE_QUOTA = re.compile(r"usage quota|reset at|\b(?:hour|week|month)ly?\b|每周|每月|小时", re.IGNORECASE)
_RESET_AT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(?:Z|UTC|([+-]\d\d):?(\d\d))")
_NOT_FETCHED = "timeout while fetching resource"
QUOTA_PAUSE_S = 900.0
"""The wait after a used-up quota if the answer names no time; a refusal costs nothing."""

_INPUTS = tuple(f"Input{modality}SensitiveContentDetected" for modality in ("Text", "Image", "Video", "Audio"))
_RISKS = tuple(f"Input{modality}RiskDetection" for modality in ("Text", "Image", "Video", "Audio"))
REFUSALS = RefusalList(
    {
        400: {
            "rejected": (
                "MissingParameter",  # [D], as the next nine
                "MissingParameter.*",
                "InvalidParameter",
                "InvalidParameter.*",  # also .TaskTypeConstraint, .TaskTypeMismatch of Seedance 2.5 [V]
                "InvalidArgumentError",
                "InvalidArgumentError.*",
                "InvalidImageURL.*",
                "OutofContextError",
                "Duplicate.Tags.Key",
                "InvalidResolutionParameter",  # [V], as the rest
                "ModelParameterNotSupported",
                "LastFrameNotSupported",
                "RefImageNotSupported",
                "MediaInvalid",
                "PromptEmpty",
                "RequestBodyTooLarge",
            ),
            # [D]; inputs only: Output… means that something was generated, whatever the status.
            "moderated": (
                "SensitiveContentDetected",
                "SensitiveContentDetected.*",
                *_INPUTS,
                *(f"{code}.*" for code in _INPUTS),
                *_RISKS,
            ),
            "not_open": ("InvalidEndpoint.ClosedEndpoint",),  # [D] an endpoint id names a model
            "billing": ("InvalidSubscription",),  # [D] with 400; [V] with 403
        },
        401: {
            "auth": ("AuthenticationError",),  # [D]
            "billing": ("InvalidAccountStatus",),  # [D]
        },
        403: {
            "billing": (
                "AccountOverdueError",  # [D]
                "OperationDenied.ServiceOverdue",  # [D]
                "InvalidSubscription",  # [V], as the next
                "InvalidAccountStatus",
            ),
            "permission": ("AccessDenied", "OperationDenied.ArkAccessRoleNotFound"),  # [D]
            # [D] "the model service is unavailable, … activate"; "the specified configuration of the FoundationModel"
            "not_open": ("OperationDenied.ServiceNotOpen", "OperationDenied.PermissionDenied"),
            "input_not_ready": ("OperationDenied.InvalidState",),  # [D] "the specified file is in … state: InProgress"
            "rejected": ("OperationDenied.TosAccessDenied",),  # [D] a file of the request, in a bucket closed to Ark
        },
        404: {
            "not_open": ("ModelNotOpen",),  # [D]
            "unknown_model": (
                "InvalidEndpointOrModel.NotFound",  # [D], as the next two
                "InvalidEndpointOrModel.ModelIDAccessDisabled",
                "UnsupportedModel",
                "InvalidEndpoint.NotFound",  # [O]
                "NotFound.Model",  # [D] NotFound.{Parameter}, as the next two
                "NotFound.Endpoint",
            ),
            "rejected": ("NotFound.*",),  # something else that the request names, such as an asset
        },
        413: {"rejected": ("RequestBodyTooLarge", "RequestTooLarge")},  # [D]
        429: {
            "throttled": (
                "RateLimitExceeded.*",  # [D], as the rest except the two that are marked
                "ModelAccountRpmRateLimitExceeded",
                "ModelAccountTpmRateLimitExceeded",
                "ModelAccountIpmRateLimitExceeded",
                "APIAccountRpmRateLimitExceeded",
                "AccountRateLimitExceeded",
                "InflightBatchsizeExceeded",
                "RequestBurstTooFast",
                "ServerOverloaded",
                "QuotaExceeded",  # three meanings, distinguished by the text
                "QuotaExceeded.*",  # [V] .Concurrency, .AgentPlanQuotaExceeded
                "AccountQuotaExceeded",  # [V] the quota of a plan
            ),
            "limit": ("SetLimitExceeded",),  # [D] "the model service has been paused"
        },
    }
)
UNKNOWN_TASK = Codes.of((404, "NotFound.*"), (404, "ResourceNotFound"))
"""[D] `NotFound.{Parameter}`; `ResourceNotFound` if no specific one fits."""
TOO_LATE = Codes.of(
    (409, "InvalidAction.RunningTaskDeletion"),  # [V]
    (403, "OperationDenied.InvalidState"),  # [D], as the next
    (403, "OperationDenied.UnsupportedPhase"),
)


def read_body(raw: bytes | str) -> ErrorBody:
    """Ark's error, or what can be read of another."""
    return body_of(object_of(read_json(raw)))


def body_of(data: Mapping[str, Any]) -> ErrorBody:
    """As `read_body`, from parsed JSON."""
    error = object_of(data.get("error"))
    holder = error or data
    code, message = word_of(holder.get("code")), text_of(holder.get("message"))
    texts = all(isinstance(error.get(name), str) and error[name] for name in ("code", "message", "type"))
    param = word_of(holder.get("param"))
    details = (moderation(code) or _face(message) or {}) | {"offending": blamed(param, message)}
    return ErrorBody(code, message, param or named(message), own=texts, details=details)


def refusal_of(status: int, body: ErrorBody) -> Refusal | None:
    """What Ark's answer to a create proves; None if it proves nothing."""
    kind = REFUSALS.find(status, body.code)
    if kind == "rejected" and body.code.startswith("InvalidParameter") and _NOT_FETCHED in body.message.lower():
        return Refusal("input_not_ready")
    if kind == "rejected" and _face(body.message) is not None:
        return Refusal("moderated")
    if kind == "throttled" and "QuotaExceeded" in body.code and not body.code.endswith(".Concurrency"):
        return _quota(body.message)
    return None if kind is None else Refusal(kind)


FORM = ErrorForm(read_body, REFUSALS, UNKNOWN_TASK, TOO_LATE, refusal_of)


def _quota(message: str) -> Refusal:
    """One code, three meanings: the quota of a plan ("the 5-hour/weekly/monthly usage quota. It will reset at …"), the
    free trial ("has exhausted its free trial quota"), and too many queued tasks ("has exceeded the quota")."""
    if _USAGE_QUOTA.search(message):
        return Refusal("throttled", _seconds_until_reset(message))
    return Refusal("billing") if _FREE_QUOTA.search(message) else Refusal("throttled")


def _seconds_until_reset(message: str) -> float:
    """Seconds until the time in the text ("It will reset at 2026-05-11 21:57:42 +0800 CST"), within bounds."""
    if found := _RESET_AT.search(message):
        day, time, hours, minutes = found.groups()
        try:
            at = datetime.fromisoformat(f"{day}T{time}{hours or '+00'}:{minutes or '00'}")
        except ValueError:
            return QUOTA_PAUSE_S
        return min(max((at - datetime.now(UTC)).total_seconds(), 60.0), MAX_RETRY_AFTER_S)
    return QUOTA_PAUSE_S


def moderation(code: str) -> dict[str, Any] | None:
    """Stage and modality of a moderation code; None for any other code."""
    if found := _MODERATION.search(code):
        return {"stage": found[1].lower(), "modality": found[2].lower()}
    if _PLAIN_MODERATION.search(code):
        return {"stage": "output" if code.startswith("Output") else "input"}
    return None


def _face(message: str) -> dict[str, Any] | None:
    """Stage and modality of a text that says that an input shows a real person, whatever its code; None for others."""
    if _FACE.search(message) is None:
        return None
    return {"stage": "input", "modality": "video" if "video" in message.lower() else "image"}


def named(message: str) -> str:
    """The field that a text blames ("the specified parameter `camera_fixed` is not supported", "ratio must be …"); ""
    if it names none."""
    found = _NAMED.search(message)
    return "" if found is None else found[1] or found[2]


def blamed(param: str, message: str) -> str | None:
    """The content item that Ark names as offending (`content[2].image_url`); None if it names none."""
    found = _BLAMED.search(param) or _BLAMED.search(message)
    return found[0] if found else None


_KNOWN = frozenset(code.removesuffix(".*") for _, code, _ in REFUSALS) | {"InternalServiceError"}


def is_ark_code(code: str) -> bool:
    """Whether a code is Ark's own, whatever the status."""
    return moderation(code) is not None or code in _KNOWN or code.partition(".")[0] in _KNOWN


def ark_failure(code: str, message: str, param: str = "") -> TaskFailure:
    """Why a task failed, from Ark's code. Output moderation is not deterministic: another seed can pass."""
    text = redact(message or code or "the gateway gave no reason")
    if (found := moderation(code) or _face(message)) is not None:
        output = found["stage"] == "output"
        offending = None if output else blamed(param, message)
        return TaskFailure("moderation_blocked", text, code, retryable=output, offending=offending, **found)
    refusal = refusal_of(400, ErrorBody(code, message))
    if refusal is not None and refusal.kind == "rejected":
        return TaskFailure("invalid_request", text, code, field=param or named(message) or None)
    return TaskFailure("generation_failed", text, code, retryable=True)
