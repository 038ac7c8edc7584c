"""What a dialect is: one gateway's words, without I/O.

A dialect turns a `GenerationRequest` into a `WireCall`, and bytes into a `Submitted`, a `TaskReport` or an error of
the tree in `seedance.errors`. `seedance.client` sends for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

from seedance.errors import GatewayError, Operation
from seedance.problems import Problem
from seedance.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class WireCall:
    """One HTTP request: `path` starts with "/" and is added to the account's base URL; `json` None means no body."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    json: Mapping[str, Any] | None = None
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP answer, read whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """What belongs to one POST and not to the request: the seed and the callback URL of this attempt, if any."""

    seed: int | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The gateway took the request. `task_id` is whatever it calls the task; its form is never checked."""

    task_id: str


class TaskStatus(StrEnum):
    """A gateway's many status words, in ours."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "gateway_lost"  # the gateway lost sight of its upstream; the generation may still run there
    UNKNOWN = "unknown"  # a word we do not know: keep polling


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """Why a task failed. `code` is ours, `gateway_code` the gateway's; `retryable` if a new attempt could help."""

    code: str
    message: str
    gateway_code: str = ""
    stage: Literal["input", "output"] | None = None
    modality: str | None = None
    offending: str | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One answer about a task.

    `video_url` is set only when succeeded; `progress` in percent, None when not given; `usage` as the gateway
    reported it (tokens, credits, …), None when not given; `raw_status` is the gateway's own word, for people.
    """

    status: TaskStatus
    raw_status: str
    progress: int | None = None
    video_url: str | None = None
    last_frame_url: str | None = None
    usage: Mapping[str, Any] | None = None
    seed: int | None = None
    failure: TaskFailure | None = None


class Dialect(ABC):
    """One gateway. Every method is pure; a new gateway is one subclass and one line in the registry."""

    name: ClassVar[str]
    default_base_url: ClassVar[str]
    video_life_s: ClassVar[float]
    """How long a video's URL lives when the URL itself does not say."""
    refresh_s: ClassVar[float] = 0.0
    """How often the gateway itself learns something new; polling faster is useless."""

    @abstractmethod
    def model_for(self, request: GenerationRequest) -> str:
        """The gateway's own model name for a request that `refusals` lets through."""

    @abstractmethod
    def refusals(self, request: GenerationRequest) -> list[Problem]:
        """What this gateway cannot do of what is asked; empty when it can serve the request."""

    @abstractmethod
    def submit_call(self, request: GenerationRequest, attempt: Attempt) -> WireCall:
        """The POST that starts the generation. Every media reference is a URL, a data URI or an asset by now."""

    @abstractmethod
    def read_submitted(self, answer: WireAnswer) -> Submitted:
        """Read a 2xx answer to the POST.

        Raises:
            OutcomeUnknown: it names no task, so the generation may run without our knowing its id.
        """

    @abstractmethod
    def query_call(self, task_id: str) -> WireCall:
        """The GET that asks about a task."""

    @abstractmethod
    def read_report(self, answer: WireAnswer) -> TaskReport:
        """Read a 2xx answer to the query.

        Raises:
            BadAnswer: it cannot be read.
        """

    @abstractmethod
    def read_error(self, operation: Operation, answer: WireAnswer) -> GatewayError:
        """Read any answer that is not 2xx. Never raises."""
