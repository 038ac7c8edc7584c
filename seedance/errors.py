"""What can go wrong between us and a gateway, as a tree that answers "may I repeat this?".

GatewayError
├── NotSent          no byte of the request left us: repeat freely
│   └── NotTried     for a reason of our own, which says nothing about the gateway
├── NotServed        no gateway of this form is behind the URL: a configuration fault, not the job's; wait, try one
├── Throttled        refused for now: repeat after `retry_after_s`
├── InputNotReady    the gateway could not use a file of the request yet: nothing was started, repeat a few times
├── Unavailable      a question was not answered: ask again. Never raised for a submit
├── OutcomeUnknown   bytes were sent and no clear answer came: it may run and be charged, never repeat on its own
├── Rejected         the same request will always be refused
│   ├── Moderated    refused for its content
│   └── InputGone    a file that belongs to it is not where it was stored
├── AccountProblem   our key, permission or credit: stop using the account, tell a person
├── ModelProblem     this key may not use this model: stop using the model for the account, other models go on
├── TaskUnknown      the gateway itself, with its own code, does not know the task
├── TooLate          the gateway itself, with its own code, refuses to cancel the task
└── BadAnswer        an answer to a question that cannot be read (to a submit: OutcomeUnknown)

A submit costs money, and a proxy, a cache, a firewall or a load balancer may answer in front of every gateway, before
or after the gateway took the request. So after the first byte an answer proves that nothing was started only where

* it is in the dialect's own documented error form, and its pair of HTTP status and code is on that dialect's closed
  list of refusals made before the work (`seedance.gateways.refusals`): Throttled, InputNotReady, Rejected, Moderated,
  AccountProblem, ModelProblem, and NotServed for "there is no such call here";
* or the route itself is missing (404 or 405 in any form), or an intermediary answers with a page and a status by which
  it refuses what it does not pass on (`NO_ROUTE_STATUSES`, `PAGE_STATUSES` in `seedance.gateways.http_errors`):
  NotServed.

Everything else is OutcomeUnknown: every 5xx that is not on the list, a page with 2xx, 408, 429 or 499, JSON that is not
the gateway's own, a code that is not listed or comes with another status, an empty body, a 2xx that names no task.
docs/decisions/0018-refusals-are-a-closed-list.md has the reasons, class by class.
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


class NotServed(GatewayError):
    """No gateway of this form takes the call at the account's `base_url`: 404, 405, or a page of what stands in front.

    It is the configuration's fault, or a deployment's; jobs wait. An answer that lies here costs a second generation,
    so one job at a time is tried.
    """

    code = "not_served"


class InputNotReady(GatewayError):
    """The gateway could not fetch a file of the request, or is still checking it. Nothing was started; another try can
    help, but not for ever."""

    code = "input_not_ready"


class Unavailable(GatewayError):
    """A question (query, list, cancel, download) was not answered: 5xx, a time-out, a lost connection. Asking again is
    harmless. Of a submit these are `OutcomeUnknown`."""

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
    """The account cannot be used at all: `kind` is auth (key), billing (credit) or permission (address, group). What
    concerns one model alone is a `ModelProblem`."""

    code = "account_problem"
    kind: Literal["auth", "billing", "permission"] = "auth"

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": self.kind}


class ModelProblem(GatewayError):
    """The account cannot use this one model: only the pair (account, model) is affected.

    `kind`: not_open (not activated, or not for this key), unknown_model (the gateway serves no model or endpoint of
    that name), limit (the account's own spending limit has paused the model). Nothing was started.
    """

    code = "model_problem"
    kind: Literal["not_open", "unknown_model", "limit"] = "not_open"

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": self.kind}


class TaskUnknown(GatewayError):
    """The gateway says with its own code that it does not know the task (yet, or any more). A proxy's 404 never becomes
    this."""

    code = "task_unknown"


class TooLate(GatewayError):
    """The gateway says with its own code that it cannot cancel the task any more."""

    code = "cancel_too_late"


class BadAnswer(GatewayError):
    """A query was answered with something that cannot be read; `message` keeps the start of it."""

    code = "bad_answer"
