"""The interface of a dialect: it reads its gateway's requests and writes its gateway's answers. No I/O."""

from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.dialects.callback_urls import CallbackRules
from simulator.faults.kinds import Where
from simulator.tasks.limits import NO_LIMITS
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.ark_error import ArkError
from simulator.wire.webhook_signer import WebhookSigner

_ALPHABET = string.ascii_lowercase + string.digits
REFERENCE_VIDEO_S = 5.0  # assumed length of a reference video: references are not fetched


@dataclass(frozen=True, slots=True)
class Route:
    """The operation that a request asks for."""

    operation: Where
    task_id: str = ""
    action: str = ""
    by_user: bool = False
    """The request has a user's token instead of an API key. The dialect checks it; the user owns all keys."""


@dataclass(frozen=True, slots=True)
class Links:
    """Newly signed URLs of a task that succeeded."""

    video: str
    last_frame: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A task at one moment."""

    phase: Phase
    now: float
    links: Links | None = None
    """None unless the task succeeded and no fault hides the links."""
    lost: bool = False
    word: str | None = None
    """A wrong status to show instead of the real one."""
    hides_prompt: bool = False
    """True when lists leave out the prompt."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One POST to a callback URL."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Dialect(ABC):
    """One gateway."""

    name: str
    signed_links = True
    """Whether video URLs carry a signature and an expiry."""
    callbacks: CallbackRules | None = None
    """None: the gateway does not call back."""
    key_scheme = "bearer"
    """The scheme of the Authorization header, in lower case."""
    limits_4k = NO_LIMITS
    """The limits of 4K tasks of each model and account, where the gateway documents some."""
    deletes_records = True
    """Whether a delete of an ended task removes its record."""

    @abstractmethod
    def route(self, method: str, path: str) -> Route | None:
        """The operation of a request; None when the gateway has no such path."""

    def route_of(self, call: Call) -> Route | None:
        """The operation of a request, where more than its path decides."""
        return self.route(call.method, call.path)

    def public(self, call: Call, signer: WebhookSigner) -> Answer | None:
        """The answer to a request that needs no key; None: it needs one."""
        return None

    def file_of(self, call: Call) -> str | None:
        """The task whose video a request with a key downloads; None: it downloads none."""
        return None

    @abstractmethod
    def read_order(self, call: Call) -> Order:
        """Parse and validate a create.

        Raises:
            Refused: carries the gateway's own answer.
        """

    def complete(self, order: Order, find: Callable[[str], Task | None], now: float) -> Order:
        """The order with what other tasks of the account decide; `find` gives one by its id.

        Raises:
            Refused: carries the gateway's own answer.
        """
        return order

    @abstractmethod
    def new_id(self) -> str:
        """An id for a new task, in the gateway's format."""

    @abstractmethod
    def created(self, task: Task) -> Answer:
        """The answer to a create."""

    @abstractmethod
    def shown(self, task: Task, view: View) -> Answer:
        """The answer to a query."""

    def shown_at(self, task: Task, view: View, action: str) -> Answer:
        """The answer to a query of a gateway with several; `action` is the route's."""
        return self.shown(task, view)

    def called_back(self, task: Task, view: View, signer: WebhookSigner, now: float) -> Callback:
        """A callback's body, and its headers besides the content type."""
        return Callback(self.shown(task, view).body)

    def rejected(self, error: ArkError) -> Answer:
        """The answer to a create that breaks one of Ark's rules."""
        return json_answer(error.status, error.body())

    @abstractmethod
    def unknown_task(self, task_id: str) -> Answer:
        """The answer to a query for a task that is not this account's."""

    def listed(self, call: Call, tasks: Sequence[Task], now: float, view: Callable[[Task], View]) -> Answer:
        """The answer to a list; `tasks` are the account's, or those of all keys for a user's call, oldest first."""
        return self.not_found(call)

    def deletion(self, task: Task, phase: Phase) -> Answer:
        """The answer to a delete of a task in this phase: a waiting task is cancelled, a running one is left alone,
        the record of a finished one is removed."""
        return self.unknown_task(task.id)

    @abstractmethod
    def not_found(self, call: Call) -> Answer:
        """The answer to an unknown path."""

    @abstractmethod
    def unauthorized(self) -> Answer:
        """The answer to a missing or wrong key."""

    @abstractmethod
    def no_money(self) -> Answer:
        """The answer when the account has no credit."""

    @abstractmethod
    def rate_limited(self, per_minute: int) -> Answer:
        """The answer to too many creates in a minute."""

    @abstractmethod
    def busy(self) -> Answer:
        """The answer to too many unfinished tasks, or to a saturated upstream."""

    @abstractmethod
    def too_big(self) -> Answer:
        """The answer to a body above the size limit."""

    @abstractmethod
    def moderated(self, code: str, message: str) -> Answer:
        """The answer to input that moderation rejected; `code` is Ark's."""

    @abstractmethod
    def failure(self, status: int, code: str, message: str) -> Answer:
        """The answer to any other failure; an empty `code` or `message` means the gateway's usual one."""


def random_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def json_object(body: bytes) -> dict[str, Any] | None:
    """Parse a JSON object; None for anything else."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None


def refuse(status: int, body: Mapping[str, Any], reason: str) -> Refused:
    return Refused(json_answer(status, body), reason)
