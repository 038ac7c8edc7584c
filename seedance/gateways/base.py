"""What a dialect is: one gateway's words, without I/O.

A dialect turns a `GenerationRequest` into a `WireCall`, and bytes into a `Submitted`, a `TaskReport` or an error of
the tree in `seedance.errors`. `seedance.client` sends for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from seedance.errors import BadAnswer, GatewayError, Operation, OutcomeUnknown
from seedance.gateways.answers import excerpt, read_json, task_id_of
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.checks import callback_problem_of, refusals_of, warnings_of
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest, Tier


@dataclass(frozen=True, slots=True)
class WireCall:
    """One HTTP request: `path` starts with "/" and is added to the account's base URL.

    A parameter with several values is sent once for each. A body that is not `json` is `content`, of `content_type`;
    neither of them: no body.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    json: Mapping[str, Any] | None = None
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP answer, read whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AttemptOptions:
    """What belongs to one POST and not to the request: the seed and the callback URL of this attempt, if any.

    The URL must be one that the dialect's `callback_problem` has nothing against. Either is left out where the gateway
    has no field for it. In `expires_after_s` seconds nobody wants the video any more, None when there is no such time;
    a gateway that can give up by itself is told.
    """

    seed: int | None = None
    callback_url: str | None = None
    expires_after_s: float | None = None


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


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One task of a gateway's list: `created_at` in Unix seconds, None when not given."""

    task_id: str
    created_at: int | None
    model: str
    report: TaskReport


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a gateway's list of tasks: `total` counts all pages, None when not given."""

    total: int | None
    tasks: tuple[ListedTask, ...]


class Dialect(ABC):
    """One gateway. Every method is pure; a new gateway is one subclass and one line in the registry."""

    name: ClassVar[str]
    default_base_url: ClassVar[str | None]
    """None: the gateway's pages name no host, so each account must."""
    video_life_s: ClassVar[float] = 24 * 3600.0
    """How long a video's URL lives when the URL itself does not say."""
    refresh_s: ClassVar[float] = 0.0
    """How often the gateway itself learns something new; polling faster is useless."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the gateway supports: the data that `refusals` and `warnings` use."""

    @abstractmethod
    def model_for(self, request: GenerationRequest) -> str:
        """The gateway's own model name for a request that `refusals` lets through."""

    def with_models(self, models: Mapping[Tier, str]) -> Self:
        """The same dialect with other model names, for gateways where each account has its own.

        Raises:
            InvalidInput: this gateway's model names are fixed.
        """
        if models:
            raise InvalidInput([Problem("models", f"the model names of {self.name} are fixed")])
        return self

    def options(self, request: GenerationRequest) -> dict[str, Any]:
        """The gateway options of a request that are meant for this gateway."""
        return dict(request.options_for(self.name))

    def refusals(self, request: GenerationRequest) -> list[Problem]:
        """What this gateway cannot do of what is asked; empty when it can serve the request."""
        return list(refusals_of(self.capabilities(), request, self.options(request)))

    def warnings(self, request: GenerationRequest) -> list[Problem]:
        """What this gateway would leave out or not quite do, of a request that `refusals` lets through."""
        return list(warnings_of(self.capabilities(), request))

    def callback_problem(self, url: str, *, allow_private: bool = False) -> str | None:
        """Why the gateway would not call that URL back, None when it would.

        `allow_private` is for rehearsals, where the gateway runs on the same machine or network.
        """
        return callback_problem_of(self.capabilities(), url, allow_private)

    @abstractmethod
    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        """The POST that starts the generation. Every media reference is a URL, a data URI or an asset by now."""

    def read_submitted(self, answer: WireAnswer) -> Submitted:
        """Read a 2xx answer to the POST.

        Raises:
            OutcomeUnknown: it names no task, so the generation may run without our knowing its id.
        """
        if task_id := task_id_of(read_json(answer.body)):
            return Submitted(task_id)
        raise OutcomeUnknown(
            f"accepted without a task id: {excerpt(answer.body)}", gateway=self.name, status=answer.status
        )

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

    def read_callback(self, body: bytes) -> str:
        """The id of the task that a callback is about, "" when it names none.

        No gateway signs its callbacks, so nothing else in it is believed: the task is queried.
        """
        return task_id_of(read_json(body))

    def callback_is_unfinished(self, body: bytes) -> bool:
        """Whether a callback only tells that its task goes on, which is no reason to ask. False where gateways do not
        say what their callbacks hold."""
        return False

    def cancel_call(self, task_id: str) -> WireCall | None:
        """The call that cancels a task which has not begun, None when the gateway has none. Any 2xx means it did."""
        return None

    def list_call(
        self, *, page: int = 1, page_size: int = 100, status: TaskStatus | None = None, task_ids: Sequence[str] = ()
    ) -> WireCall | None:
        """The GET that lists tasks, pages counted from 1, None when the gateway has none."""
        return None

    def read_list(self, answer: WireAnswer) -> TaskPage:
        """Read a 2xx answer to the list.

        Raises:
            BadAnswer: it cannot be read.
        """
        raise self.bad_answer(answer, "not a list of tasks")

    def bad_answer(self, answer: WireAnswer, what: str = "not a task") -> BadAnswer:
        """The error for a 2xx answer to a query that makes no sense."""
        return BadAnswer(f"{what}: {excerpt(answer.body)}", gateway=self.name, operation="query", status=answer.status)
