"""What a dialect is: one gateway's words, without I/O.

A dialect turns a `GenerationRequest` into a `WireCall`, and bytes into a `Submitted`, a `TaskReport` or an error of
the tree in `seedance.errors`. `seedance.client` sends for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from seedance.errors import BadAnswer, GatewayError, Operation, OutcomeUnknown
from seedance.gateways.answers import excerpt, read_json, task_id_of
from seedance.gateways.capabilities import Capabilities, Mark
from seedance.gateways.checks import callback_problem_of, refusals_of, warnings_of
from seedance.gateways.http_errors import ErrorForm, read_error
from seedance.gateways.wire import WireAnswer as WireAnswer  # a dialect takes its words from here
from seedance.gateways.wire import WireCall as WireCall
from seedance.problems import InvalidInput, Problem
from seedance.request import RANDOM_SEED, GenerationRequest, Tier


@dataclass(frozen=True, slots=True)
class AttemptOptions:
    """What belongs to one POST and not to the request. Each is left out where the gateway has no field for it.

    `seed` is used where the request has none. The URL must be one that the dialect's `callback_problem` has nothing
    against. `expires_after_s`: seconds until the video is of no use, None when there is no such time. `mark`: the exact
    value of `execution_expires_after` to send (3600 to 259,200, seconds), by which a list shows the attempt again; it
    replaces `expires_after_s`. What the job's own `gateway_options` say replaces both.
    """

    seed: int | None = None
    callback_url: str | None = None
    expires_after_s: float | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The gateway took the request. `task_id` is whatever it calls the task; its form is never checked."""

    task_id: str


class CancelOutcome(StrEnum):
    """What became of a wish to cancel a task. No answer at all, or an unclear one, is a `GatewayError` instead."""

    CANCELLED = "cancelled"  # it had not begun, and never will
    TOO_LATE = "too_late"  # the gateway refuses with its own code: the task runs, or has ended
    NOT_OFFERED = "not_offered"  # the gateway has no such call


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
    `finished_at` is when the generation succeeded, in Unix seconds by the gateway's clock, None when not given.
    """

    status: TaskStatus
    raw_status: str
    progress: int | None = None
    video_url: str | None = None
    last_frame_url: str | None = None
    usage: Mapping[str, Any] | None = None
    seed: int | None = None
    failure: TaskFailure | None = None
    finished_at: int | None = None


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One task of a gateway's list, with all that the list echoes of its request. None, or "" for `model`: not shown.

    `created_at` in Unix seconds: when the gateway took it, which may be a while after the POST began. `model` is the
    name that was asked for. `duration` in seconds, as asked for or as generated: fractions occur, and -1. `media` are
    the references in the gateway's order. `report.seed` is the seed that was used, which Ark shows only at the end.
    """

    task_id: str
    created_at: int | None
    model: str
    report: TaskReport
    prompt: str | None = None
    media: tuple[str, ...] | None = None
    duration: float | None = None
    resolution: str | None = None
    ratio: str | None = None
    audio: bool | None = None
    draft: bool | None = None
    service_tier: str | None = None
    execution_expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a gateway's list of tasks, the newest first.

    `total` counts the tasks of all pages, None when not given. `unreadable` counts the entries of this page that
    are not among `tasks` because they could not be read: while there is one, nothing is known to be absent.
    """

    total: int | None
    tasks: tuple[ListedTask, ...]
    unreadable: int = 0


class Dialect(ABC):
    """One gateway. Every method is pure; a new gateway is one subclass and one line in the registry."""

    name: ClassVar[str]
    default_base_url: ClassVar[str | None]
    """None: the gateway's pages name no host, so each account must."""
    errors: ClassVar[ErrorForm]
    """How its own errors look, and which of them are refusals."""
    video_life_s: ClassVar[float] = 24 * 3600.0
    """How long a video's URL lives when the URL itself does not say."""
    refresh_s: ClassVar[float] = 0.0
    """How often the gateway itself learns something new; polling faster is useless."""
    gateway_names: ClassVar[frozenset[str]] = frozenset()
    """All of the registry, which sets this: an object under any other name in `gateway_options` is a mistake."""

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
        """The gateway options of a request that are meant for this gateway, or for none that there is."""
        known = self.gateway_names | {self.name}
        given = request.gateway_options.items()
        astray = {name: value for name, value in given if isinstance(value, dict) and name not in known}
        return request.options_for(self.name) | astray

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

    def read_error(self, operation: Operation, answer: WireAnswer) -> GatewayError:
        """Read any answer that is not 2xx. Never raises."""
        return read_error(self.name, operation, answer, self.errors)

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

    def marks(self, request: GenerationRequest) -> frozenset[Mark]:
        """The marks that an attempt of this request can carry: those that the request does not set itself."""
        marks = self.capabilities().marks
        return marks if request.seed in (None, RANDOM_SEED) else marks - {"seed"}

    def list_call(
        self,
        *,
        page: int = 1,
        page_size: int = 100,
        since: float | None = None,
        until: float | None = None,
        flex: bool = False,
        task_ids: Sequence[str] = (),
    ) -> WireCall | None:
        """The GET that lists tasks, newest first, pages counted from 1, None when the gateway has none.

        Times are Unix seconds, both included; a gateway that does not filter by time ignores them (`ListLimits`). Give
        an `until` that has passed: tasks that come between two pages would move the entries otherwise. `flex`: the
        tasks of the flex tier instead of the others, where they are listed apart.
        """
        return None

    def user_headers(self, token: str, user_id: str) -> Mapping[str, str]:
        """The headers of a call that is made as the account's user."""
        return {"Authorization": f"Bearer {token}"}

    def read_list(self, answer: WireAnswer) -> TaskPage:
        """Read a 2xx answer to the list. Entries that cannot be read are counted, never dropped silently.

        Raises:
            BadAnswer: it cannot be read as a whole.
        """
        raise self.bad_answer(answer, "not a list of tasks", "list")

    def bad_answer(self, answer: WireAnswer, what: str = "not a task", operation: Operation = "query") -> BadAnswer:
        """The error for a 2xx answer to a question that makes no sense."""
        text = f"{what}: {excerpt(answer.body)}"
        return BadAnswer(text, gateway=self.name, operation=operation, status=answer.status)
