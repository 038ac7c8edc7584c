"""What can go wrong between us and a gateway, as a tree that answers "may I repeat this?".

GatewayError
├── NotSent          no byte of the request left us: repeat freely
│   └── NotTried     for a reason of our own, which says nothing about the gateway
├── Throttled        refused for now: repeat after `retry_after_s`
├── Unavailable      the gateway says in its own words that it failed: nothing was started, repeat a few times
├── OutcomeUnknown   bytes were sent and no clear answer came: it may run and be charged, never repeat on its own
├── Rejected         the same request will always be refused
│   ├── Moderated    refused for its content
│   └── InputGone    a file that belongs to it is not where it was stored
├── AccountProblem   our key, permission or credit: stop using the account, tell a person
├── TaskUnknown      a query named a task the gateway does not know
└── BadAnswer        an answer to a query that cannot be read (to a submit: OutcomeUnknown)
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self

Operation = Literal["submit", "query", "download", "cancel", "list"]

KEPT_BODY_CHARS = 2048
_READ_BODY_CHARS = 16_384  # far more than is kept, so that no secret is cut in two before it is found
_SECRETS = re.compile(
    r"(?i)(bearer\s+)[\w.~+/=-]{6,}"
    r"|\b((?:sk|ak|rq)-)[\w-]{6,}"
    r"|((?:signature|credential|token|api[_-]?key|secret)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]{6,}"
)

_DATA_URI = re.compile(r"(data:[\w/.+-]{1,80};base64,)[\w+/=\s-]{32,}")


def redact(text: str, *secrets: str) -> str:
    """Text that may be stored and shown: without known secrets, bearer tokens, signatures and NULs, and cut."""
    text = text[:_READ_BODY_CHARS].replace("\0", "")
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = _DATA_URI.sub(r"\1…", text)
    text = _SECRETS.sub(lambda found: next(filter(None, found.groups()), "") + "***", text)
    return text if len(text) <= KEPT_BODY_CHARS else text[: KEPT_BODY_CHARS - 1] + "…"


class GatewayError(Exception):
    """A call to a gateway did not give what was asked for.

    `code` is our stable word for it, `gateway_code` the gateway's own, `status` the HTTP status (None when no answer
    came), `message` what a person should read, already free of secrets.
    """

    code = "gateway_error"

    def __init__(
        self,
        message: str,
        *,
        gateway: str = "",
        operation: Operation = "submit",
        status: int | None = None,
        gateway_code: str = "",
        **more: Any,
    ) -> None:
        self.message = redact(message)
        self.gateway = gateway
        self.operation = operation
        self.status = status
        self.gateway_code = gateway_code
        for name, value in more.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message  # not args: the message may be redacted further on its way

    def __reduce__(self) -> tuple[Any, ...]:
        # Not the notes that others may add to an exception.
        return _rebuild, (type(self), {name: value for name, value in vars(self).items() if name[:2] != "__"})

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return cls(state.pop("message"), **state)

    def as_dict(self) -> dict[str, Any]:
        """The error as it is stored with an attempt or a job."""
        return {
            "code": self.code,
            "message": self.message,
            "status": self.status,
            "gateway_code": self.gateway_code or None,
        }


def _rebuild(kind: type[GatewayError], state: dict[str, Any]) -> GatewayError:
    return kind._from_state(state)


class NotSent(GatewayError):
    """No byte of the request left us: refused connection, DNS, TLS, no free connection."""

    code = "not_sent"


class NotTried(NotSent):
    """We did not even try, for a reason of our own: the lease was over, or a file could not be read."""

    code = "not_tried"


class Throttled(GatewayError):
    """The gateway refuses for now. `retry_after_s` is its own wish in seconds, None when it named none."""

    code = "throttled"
    retry_after_s: float | None = None


class Unavailable(GatewayError):
    """The gateway reports a failure of its own in its own words, before it took the request."""

    code = "gateway_unavailable"


class OutcomeUnknown(GatewayError):
    """The request was (partly) sent and no clear answer came: it may be running and be charged."""

    code = "outcome_unknown"


class Rejected(GatewayError):
    """The request is refused, and will be whenever it is repeated."""

    code = "invalid_request"


class Moderated(Rejected):
    """Refused for content. `stage` is input or output, `modality` what offended, `offending` which input, if told."""

    code = "moderation_blocked"
    stage: Literal["input", "output"] = "input"
    modality: str | None = None
    offending: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {
            "stage": self.stage,
            "modality": self.modality,
            "offending": self.offending,
        }


class InputGone(Rejected):
    """A file that was stored with the request is not in the bucket any more; nothing was sent."""

    code = "input_gone"


class AccountProblem(GatewayError):
    """The account cannot be used: `kind` is auth (key), billing (credit), permission (model or feature)
    or configuration (the base URL sends us elsewhere)."""

    code = "account_problem"
    kind: Literal["auth", "billing", "permission", "configuration"] = "auth"

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": self.kind}


class ModelProblem(GatewayError):
    """This model cannot be used with this key; other models can. `kind` is not_open, unknown_model or limit."""

    code = "model_problem"
    kind: Literal["not_open", "unknown_model", "limit"] = "not_open"

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": self.kind}


class NotServed(GatewayError):
    """The URL does not lead to this gateway's API: what answered has no such route."""

    code = "not_served"


class TaskUnknown(GatewayError):
    """The gateway does not know the task we asked about (yet, or any more)."""

    code = "task_unknown"


class BadAnswer(GatewayError):
    """A query was answered with something that cannot be read; `message` keeps the start of it."""

    code = "bad_answer"
