"""The interface of a dialect: one gateway's wire format, without I/O.

A dialect turns a `GenerationRequest` into a `WireCall`, and bytes into a `Submitted`, a `TaskReport` or an error of
the tree in `seedance.errors`. `seedance.client` does the I/O for all dialects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from seedance.errors import BadAnswer, GatewayError, Operation, OutcomeUnknown
from seedance.gateways.answers import excerpt, object_of, read_json, says_failure, task_id_of
from seedance.gateways.capabilities import Capabilities, Mark
from seedance.gateways.checks import callback_problem_of, refusals_of, sure_prompt_chars_of, warnings_of
from seedance.gateways.http_errors import ErrorForm, read_error
from seedance.gateways.signatures import Callback as Callback
from seedance.gateways.signatures import CallbackProof as CallbackProof
from seedance.gateways.wire import WireAnswer as WireAnswer  # dialects import it from here
from seedance.gateways.wire import WireCall as WireCall
from seedance.models.catalog import Catalog, OwnModels, catalog_of
from seedance.models.rows import ModelRow
from seedance.problems import Problem
from seedance.request import RANDOM_SEED, GenerationRequest

NO_TASK = "00000000-0000-4000-8000-000000000000"
"""The id of a task that no gateway has."""


@dataclass(frozen=True, slots=True)
class AttemptOptions:
    """Options of one POST that are not part of the request. Each is left out if the gateway has no field for it.

    `seed` is used if the request has none. The dialect's `callback_problem` must accept the URL. `expires_after_s`:
    seconds until the video is of no use, None: no such time. `mark`: the exact value of `execution_expires_after` to
    send (3600 to 259,200, seconds), which identifies the attempt in a list; it replaces `expires_after_s`. The job's
    own `gateway_options` replace both. `draft_task_id` and `draft_model`: the draft's task and the gateway's name of
    its model, for a final, which cannot be sent without them.
    """

    seed: int | None = None
    callback_url: str | None = None
    expires_after_s: float | None = None
    mark: int | None = None
    draft_task_id: str | None = None
    draft_model: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The gateway accepted the request. `task_id` is the gateway's id of the task; its form is never checked."""

    task_id: str


class CancelOutcome(StrEnum):
    """The result of cancelling a task. A missing or unclear answer is a `GatewayError` instead."""

    CANCELLED = "cancelled"  # it had not started, and never will
    TOO_LATE = "too_late"  # the gateway refuses with its own code: the task runs, or has ended
    NOT_OFFERED = "not_offered"  # the gateway has no such call


class TaskStatus(StrEnum):
    """The status of a task; each dialect maps its gateway's own words to these."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "gateway_lost"  # the gateway lost sight of its upstream; the generation may still run there
    UNKNOWN = "unknown"  # an unknown word: keep polling


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """Why a task failed. `code` is reelq's, `gateway_code` the gateway's; `retryable`: a new attempt could help.

    `field`: the field of the gateway's request that it blames; None: it names none.
    """

    code: str
    message: str
    gateway_code: str = ""
    stage: Literal["input", "output"] | None = None
    modality: str | None = None
    offending: str | None = None
    field: str | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One answer about a task.

    `video_url` is set only if it succeeded; `progress` in percent, None if not given; `usage` as the gateway reported
    it (tokens, credits, …), None if not given; `raw_status` is the gateway's own word, for people. `finished_at` is
    when the generation succeeded, in Unix seconds by the gateway's clock, None if not given; `created_at` likewise when
    the gateway accepted the task.
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
    created_at: int | None = None
    content_url: str | None = None
    """Where the gateway itself should send the video of a task that succeeded without a URL; None: it named a URL, or
    has no such call."""


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One task of a gateway's list, with the fields of its request that the list echoes. None, or "" for `model`: not
    shown.

    `created_at` in Unix seconds: when the gateway accepted it, which may be a while after the POST began. `model` is
    the requested name. `duration` in seconds, as requested or as generated: fractions occur, and -1. `media` are the
    references in the gateway's order. `report.seed` is the seed that was used, which Ark shows only at the end.
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
    draft_task_id: str | None = None
    service_tier: str | None = None
    execution_expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a gateway's list of tasks, the newest first.

    `total` counts the tasks of all pages, None if not given. `unreadable` counts the entries of this page that are not
    in `tasks` because they could not be read: if there is one, no task is known to be absent.
    """

    total: int | None
    tasks: tuple[ListedTask, ...]
    unreadable: int = 0


class Dialect(ABC):
    """One gateway. Every method is pure; a new gateway is one subclass and one line in the registry."""

    name: ClassVar[str]
    default_base_url: ClassVar[str | None]
    """None: the gateway's documents name no host, so each account must."""
    errors: ClassVar[ErrorForm]
    """The form of its own errors, and which of them are refusals."""
    video_life_s: ClassVar[float] = 24 * 3600.0
    """The life of a video's URL in seconds, if the URL itself does not state it."""
    refresh_s: ClassVar[float] = 0.0
    """How often the gateway itself refreshes a task, in seconds; polling faster is useless."""
    accepted_statuses: ClassVar[frozenset[int]] = frozenset({200, 201})
    """The HTTP statuses with which the gateway accepts a generation."""
    callback_proof: ClassVar[CallbackProof] = CallbackProof.NONE
    """How the gateway signs its callbacks."""
    callback_keys_url: ClassVar[str | None] = None
    """Where the gateway publishes the keys that verify its callbacks (JWKS)."""
    gateway_names: ClassVar[frozenset[str]] = frozenset()
    """All gateways' names, set by the registry: an object under any other name in `gateway_options` is an error."""

    facts: ClassVar[Capabilities]
    """What the gateway supports whatever the model, as data for `refusals` and `warnings`."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self._given = catalog

    @cached_property
    def catalog(self) -> Catalog:
        """What the account can use; of the gateway itself, all that it sells. Few processes ask every gateway."""
        return catalog_of(self.name) if self._given is None else self._given

    def capabilities(self) -> Capabilities:
        """What the gateway supports, and the rows of the models that this account can use."""
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        return replace(self.facts, tiers=self.catalog.tiers, models=self.catalog.models)

    def row_of(self, request: GenerationRequest) -> ModelRow | None:
        """The row of the model that serves a request; None: this account sells no such tier or model."""
        return self.catalog.row_of(request)

    def row_for(self, request: GenerationRequest) -> ModelRow:
        """The row for a request that `refusals` accepts.

        Raises:
            KeyError: `refusals` does not accept it.
        """
        row = self.row_of(request)
        if row is None:
            raise KeyError(request.model or request.tier)
        return row

    def model_for(self, request: GenerationRequest) -> str:
        """The gateway's own model name for a request that `refusals` accepts."""
        return self.row_for(request).model_of(request.use, request.resolution)

    def settled(self, request: GenerationRequest) -> GenerationRequest:
        """An accepted request as it is sent, with the documented default of each field that it leaves open."""
        return self.row_for(request).settled(request)

    def with_models(self, models: OwnModels, *, base_url: str | None = None, default_model: str | None = None) -> Self:
        """The same dialect for an account: with its own models (`[accounts.models]`), those of the platform at its
        `base_url`, and the model of its jobs that name none.

        Raises:
            InvalidInput: `models` is not valid.
        """
        catalog = catalog_of(self.name, models, base_url=base_url, default_model=default_model)
        return self if catalog == self.catalog else type(self)(catalog)

    @cached_property
    def sure_prompt_chars(self) -> int:
        """`refusals` of a request without files does not depend on a prompt of up to this many characters."""
        return sure_prompt_chars_of(self.capabilities())

    def options(self, request: GenerationRequest) -> dict[str, Any]:
        """The gateway options of a request that are for this gateway, or for an unknown one."""
        known = self.gateway_names | {self.name}
        given = request.gateway_options.items()
        astray = {name: value for name, value in given if isinstance(value, dict) and name not in known}
        return request.options_for(self.name) | astray

    def refusals(self, request: GenerationRequest) -> list[Problem]:
        """The parts of a request that this gateway cannot do; empty if it can serve the request."""
        return list(refusals_of(self.capabilities(), self.row_of(request), request, self.options(request)))

    def warnings(self, request: GenerationRequest) -> list[Problem]:
        """The parts of an accepted request that this gateway would leave out or not do exactly."""
        return list(warnings_of(self.capabilities(), self.row_for(request), request))

    def callback_problem(self, url: str, *, allow_private: bool = False) -> str | None:
        """Why the gateway would not call that URL back; None if it would.

        `allow_private` is for rehearsals with a gateway on the same machine or network.
        """
        return callback_problem_of(self.capabilities(), url, allow_private)

    @abstractmethod
    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        """The POST that starts the generation, of the `settled` request. Every media reference is now a URL, a data URI
        or an asset."""

    def read_submitted(self, answer: WireAnswer) -> Submitted:
        """Read a 2xx answer to the POST.

        Raises:
            OutcomeUnknown: it names no task, so the generation may run with an unknown id; or it is not the answer of a
                gateway of ours, which is 200 without an error: what stands in between numbers its own requests.
        """
        data = read_json(answer.body)
        own = answer.status in self.accepted_statuses and not says_failure(object_of(data))
        if own and (task_id := task_id_of(data)):
            return Submitted(task_id)
        raise OutcomeUnknown(
            f"accepted without a task id: {excerpt(answer.body)}", gateway=self.name, status=answer.status
        )

    @abstractmethod
    def query_call(self, task_id: str) -> WireCall:
        """The GET that queries a task."""

    @abstractmethod
    def read_report(self, answer: WireAnswer) -> TaskReport:
        """Read a 2xx answer to the query.

        Raises:
            BadAnswer: it cannot be read.
        """

    def result_call(self, task_id: str, answer: WireAnswer) -> WireCall | None:
        """The GET for the result of an ended task, if the answer to a query does not hold it; None: it holds all."""
        return None

    def read_result(self, answer: WireAnswer) -> TaskReport:
        """Read any answer to that GET, whatever its status: the result of a failed task is an error.

        Raises:
            GatewayError: it says nothing about the task.
        """
        raise self.bad_answer(answer, "not a result")

    def content_path(self, task_id: str) -> str | None:
        """The path of the GET with which the gateway itself sends a task's video, below its base URL; None: it has no
        such call."""
        return None

    def task_handle(self, named: str, model: str) -> str:
        """The id by which a task is stored and queried, from the id that an answer, a callback or a person names.
        `model` is the gateway's name of the model that the attempt was sent to."""
        return named

    def is_error(self, answer: WireAnswer) -> bool:
        """Whether an answer is an error. Some gateways send theirs with HTTP 200."""
        return not 200 <= answer.status < 300

    def read_error(self, operation: Operation, answer: WireAnswer) -> GatewayError:
        """Read an answer that is an error. Never raises."""
        return read_error(self.name, operation, answer, self.errors)

    def read_callback(self, body: bytes) -> str:
        """The id of the task that a callback is about; "" if it names none. Nothing else in it is trusted, signed or
        not: the task is queried."""
        return task_id_of(read_json(body))

    def callback_forgery(self, callback: Callback, keys: Sequence[str], now: float) -> str | None:
        """Why a callback does not come from the gateway; None if its signature is right, or the gateway signs none.

        `keys`: what verifies it, the account's secret or the gateway's published keys, any of which may match. `now`:
        Unix seconds.
        """
        return None

    def callback_is_unfinished(self, body: bytes) -> bool:
        """Whether a callback only reports that its task is still running, so no query is needed. False if the gateway
        does not document the content of its callbacks."""
        return False

    def cancel_call(self, task_id: str) -> WireCall | None:
        """The call that cancels a task that has not started; None if the gateway has none. After any 2xx the task
        is queried: it shows whether it is cancelled."""
        return None

    def marks(self, request: GenerationRequest) -> frozenset[Mark]:
        """The marks that an attempt of this request can carry, because the request does not set them itself."""
        row = self.row_of(request)
        taken = request.seed not in (None, RANDOM_SEED) or row is None or "seed" not in row.flags
        taken = taken or request.draft_of is not None
        return self.facts.marks - {"seed"} if taken else self.facts.marks

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
        """The GET that lists tasks, newest first, pages counted from 1; None if the gateway has none.

        Times are Unix seconds, both inclusive; a gateway that does not filter by time ignores them (`ListLimits`). Give
        an `until` in the past: otherwise tasks created between two pages would shift the entries. `flex`: the tasks of
        the flex tier instead of the others, if they are listed separately.
        """
        return None

    def free_call(self) -> WireCall:
        """A GET that costs nothing and needs the account's key: one entry of the list, or a task that is unknown."""
        listed = self._free_list()
        if listed is not None:
            return listed
        rows = iter(self.catalog.models.values())
        model = next((row.model_of("text", None) for row in rows), "")
        return self.query_call(self.task_handle(NO_TASK, model))

    def read_free(self, answer: WireAnswer) -> None:
        """Read a 2xx answer to the free call.

        Raises:
            BadAnswer: it is not that of a gateway of this kind.
        """
        if self._free_list() is not None:
            self.read_list(answer)
        else:
            self.read_report(answer)

    def _free_list(self) -> WireCall | None:
        """The call of the list, if the account's key opens it."""
        limits = self.facts.list_limits
        return None if limits is None or limits.needs_user else self.list_call(page_size=1)

    def key_headers(self, key: str) -> Mapping[str, str]:
        """The headers that carry the account's API key."""
        return {"Authorization": f"Bearer {key}"}

    def user_headers(self, token: str, user_id: str) -> Mapping[str, str]:
        """The headers of a call on behalf of the account's user."""
        return {"Authorization": f"Bearer {token}"}

    def read_list(self, answer: WireAnswer) -> TaskPage:
        """Read a 2xx answer to the list. Unreadable entries are counted, never dropped silently.

        Raises:
            BadAnswer: it is not a list at all.
        """
        raise self.bad_answer(answer, "not a list of tasks", "list")

    def bad_answer(self, answer: WireAnswer, what: str = "not a task", operation: Operation = "query") -> BadAnswer:
        """The error for a 2xx answer that makes no sense."""
        text = f"{what}: {excerpt(answer.body)}"
        return BadAnswer(text, gateway=self.name, operation=operation, status=answer.status)
