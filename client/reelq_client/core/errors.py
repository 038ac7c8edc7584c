"""What can go wrong, as exceptions that say what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelq_client.models.problems import FieldError, Problem


class ReelqError(Exception):
    """Everything that this package raises on its own."""


class ConfigurationError(ReelqError):
    """The URL of the API is missing, or a value cannot be used."""


class ConnectionFailed(ReelqError):
    """The API could not be reached, or its answer was lost."""

    def __init__(self, message: str, *, never_sent: bool = False) -> None:
        super().__init__(message)
        self.never_sent = never_sent
        """True: the request surely did not arrive."""

    def __reduce__(self) -> Any:
        return _again, (type(self), str(self), {"never_sent": self.never_sent})


class WaitTimeout(ReelqError, TimeoutError):
    """A job or a campaign did not finish in time; it continues."""


class DownloadFailed(ReelqError):
    """A file could not be downloaded whole."""


class WebhookVerificationError(ReelqError):
    """A webhook is not from reelq, or too old."""


class ApiError(ReelqError):
    """The API refused. `problem` holds its problem details (RFC 9457)."""

    def __init__(self, status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{problem.detail or problem.title} ({problem.code}, HTTP {status})")
        self.status = status
        self.problem = problem
        self.headers = dict(headers or {})

    def __reduce__(self) -> Any:
        return type(self), (self.status, self.problem, self.headers)

    @property
    def code(self) -> str:
        """What is wrong, in one word; codes never change."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """What is wrong, in a sentence."""
        return self.problem.detail

    @property
    def advice(self) -> str:
        """What to do about it; may be empty."""
        return self.problem.advice

    @property
    def errors(self) -> list[FieldError]:
        """Every field that is wrong."""
        return self.problem.errors

    @property
    def request_id(self) -> str | None:
        """Finds the request in the server's log."""
        return self.headers.get("x-request-id")

    @property
    def retry_after_s(self) -> float | None:
        """When to try again, in seconds; None: the API does not say."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdecimal() else None


class InvalidRequest(ApiError):
    """400, 413, 415, 422: a field, a parameter or the body is not valid; `errors` names the fields."""


class IdempotencyConflict(InvalidRequest):
    """422: the idempotency key is known with another request."""


class NotAuthenticated(ApiError):
    """401: a key is needed, or the key is unknown, revoked or expired."""


class NotAllowed(ApiError):
    """403: the key may not do this."""


class NotFound(ApiError):
    """404: the tenant has nothing with that id or name."""


class NotPossible(ApiError):
    """409: not possible in the current state; `detail` says why."""


class TooManyRequests(ApiError):
    """429: try again after `retry_after_s`."""


class ServerError(ApiError):
    """5xx: the API failed."""


class Unavailable(ServerError):
    """502, 503, 504: the API does not answer now; try again later."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    202: NotPossible,  # the file is still being made
    400: InvalidRequest,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    408: InvalidRequest,
    409: NotPossible,
    413: InvalidRequest,
    415: InvalidRequest,
    416: InvalidRequest,
    422: InvalidRequest,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The exception for an answer that is an error; a proxy's answer, which is no problem details, gets one too."""
    problem = Problem.of_answer(status, body)
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    if problem.code == "idempotency_conflict":
        kind = IdempotencyConflict
    return kind(status, problem, {name.lower(): value for name, value in headers.items()})


def _again(kind: type[ReelqError], message: str, more: Mapping[str, Any]) -> ReelqError:
    return kind(message, **more)
