"""What can go wrong between us and a gateway: a tree that answers "may I repeat this?".

GatewayError
├── NotSent          no byte of the request was sent: repeat freely
│   └── NotTried     for a reason of our own, which says nothing about the gateway
├── NotServed        the URL leads to no gateway of this kind: a configuration fault; jobs wait, one at a time is tried
├── Throttled        refused for now: repeat after `retry_after_s`
├── InputNotReady    the gateway could not use a file of the request yet: nothing was started, repeat a few times
├── Unavailable      a query was not answered: repeat it. Never raised for a submit
├── OutcomeUnknown   bytes were sent and no clear answer came: it may run and be charged, never repeat automatically
├── Rejected         the same request will always be refused
│   ├── Moderated    refused for its content
│   └── InputGone    a stored file of the request is no longer in the bucket
├── AccountProblem   our key, permission or credit: stop using the account, alert a person
├── ModelProblem     this key may not use this model: stop using the model for the account, other models go on
├── TaskUnknown      the gateway itself, with its own code, does not know the task
├── TooLate          the gateway itself, with its own code, refuses to cancel the task
└── BadAnswer        the answer to a query cannot be read (to a submit: OutcomeUnknown)

A submit costs money, and a proxy, a cache, a firewall or a load balancer may answer in place of any gateway, before or
after the gateway took the request. So after the first byte, an answer proves that nothing was started only if

* it has the dialect's own documented error form, and its pair of HTTP status and code is on that dialect's closed list
  of refusals made before the work (`seedance.gateways.refusals`): Throttled, InputNotReady, Rejected, Moderated,
  AccountProblem, ModelProblem, and NotServed for "there is no such call here";
* or the route itself is missing (404 or 405 in any form), or an intermediary answers with a page and a status that it
  uses for requests it does not pass on (`NO_ROUTE_STATUSES`, `PAGE_STATUSES` in `seedance.gateways.http_errors`):
  NotServed.

Everything else is OutcomeUnknown: a 5xx that is not on the list, a page with 2xx, 408, 429 or 499, JSON in another
form than the gateway's, a code that is not listed or has another status, an empty body, a 2xx without a task id.
docs/decisions/0018-refusals-are-a-closed-list.md gives the reasons for each class.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self, TypeVar

from seedance.masking import mask_secrets

Operation = Literal["submit", "query", "download", "cancel", "list"]
E = TypeVar("E", bound=BaseException)

KEPT_BODY_CHARS = 2048
_READ_BODY_CHARS = 16_384  # far more than is kept, so that no secret is cut in two before it is found
_DATA_URI = re.compile(r"(data:[\w/.+-]{1,80};base64,)[\w+/=\s-]{32,}")


def redact(text: str, *secrets: str) -> str:
    """Text that may be stored and shown: shortened, without known secrets, what `mask_secrets` finds, NULs, and what is
    no text, as bytes of a header in an old encoding are."""
    text = text[:_READ_BODY_CHARS].replace("\0", "").encode("utf-8", "replace").decode()
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = _DATA_URI.sub(r"\1…", text)
    text = mask_secrets(text)
    return text if len(text) <= KEPT_BODY_CHARS else text[: KEPT_BODY_CHARS - 1] + "…"


def without_frames(error: E) -> E:
    """The error, without its traceback and those of its causes: for one that is kept as a value.

    A traceback holds its frames, and they hold the request with its files, and the answer. Often one of them leads back
    to the error, as a closed connection does that keeps why it was closed. All of that would stay until the collector
    of garbage runs, which counts objects and not bytes.
    """
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one.__traceback__ is not None:
            one.__traceback__ = None
            left += (one.__cause__, one.__context__)
    return error


class GatewayError(Exception):
    """A call to a gateway failed.

    `code` is our own stable code, `gateway_code` the gateway's, `status` the HTTP status (None: no answer), `message` a
    text for people, without secrets.
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
        return self.message  # not args: the message may be redacted again later

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the notes that other code may have added.
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
    """No byte of the request was sent: connection refused, DNS, TLS."""

    code = "not_sent"


class NotTried(NotSent):
    """The call was not attempted, for a reason of our own: the lease ended, a file could not be read, or all our
    connections were in use."""

    code = "not_tried"


class Throttled(GatewayError):
    """The gateway refuses for now. `retry_after_s`: the wait it asks for, in seconds; None: it named none."""

    code = "throttled"
    retry_after_s: float | None = None


class NotServed(GatewayError):
    """No gateway of this kind serves the call at the account's `base_url`: 404, 405, or a page from a proxy.

    The configuration or a deployment is at fault; jobs wait. If such an answer is wrong, a retry is charged a second
    time, so only one job at a time is tried.
    """

    code = "not_served"


class InputNotReady(GatewayError):
    """The gateway could not fetch a file of the request, or is still checking it. Nothing was started; a few retries
    may help."""

    code = "input_not_ready"


class Unavailable(GatewayError):
    """A query, list, cancel or download was not answered: 5xx, a timeout, a lost connection. Repeating it is harmless.
    For a submit, these are `OutcomeUnknown`."""

    code = "gateway_unavailable"


class OutcomeUnknown(GatewayError):
    """The request was sent, at least in part, and no clear answer came: it may be running and be charged."""

    code = "outcome_unknown"


class Rejected(GatewayError):
    """The request is refused, and the same request always will be. `field`: the field of the gateway's request that it
    blames; None: it names none."""

    code = "invalid_request"
    field: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | ({} if self.field is None else {"field": self.field})


class Moderated(Rejected):
    """Refused for its content. `modality`: which kind of content; `offending`: which input; None: not given."""

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
    """A file that was stored with the request is no longer in the bucket; nothing was sent."""

    code = "input_gone"


class AccountProblem(GatewayError):
    """The account cannot be used at all. `kind`: auth (key), billing (credit) or permission (address, group). A problem
    with one model only is a `ModelProblem`."""

    code = "account_problem"
    kind: Literal["auth", "billing", "permission"] = "auth"

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": self.kind}


class ModelProblem(GatewayError):
    """The account cannot use this model; its other models are not affected. Nothing was started.

    `kind`: not_open (not activated, or not for this key), unknown_model (the gateway has no model or endpoint of this
    name), limit (the account's own spending limit has paused the model).
    """

    code = "model_problem"
    kind: Literal["not_open", "unknown_model", "limit"] = "not_open"

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": self.kind}


class TaskUnknown(GatewayError):
    """The gateway says with its own code that it does not know the task (yet, or any more). A proxy's 404 is never
    this."""

    code = "task_unknown"


class TooLate(GatewayError):
    """The gateway says with its own code that it cannot cancel the task any more."""

    code = "cancel_too_late"


class BadAnswer(GatewayError):
    """The answer to a query cannot be read; `message` keeps the start of it."""

    code = "bad_answer"
