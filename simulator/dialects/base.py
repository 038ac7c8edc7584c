"""What a dialect is: it reads orders in its gateway's words and shows tasks in its gateway's shapes. No I/O."""

from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.dialects.callback_urls import CallbackRules
from simulator.faults.kinds import Where
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.ark_error import ArkError

_ALPHABET = string.ascii_lowercase + string.digits
REFERENCE_VIDEO_S = 5.0  # references are not fetched: each is taken to be this long


@dataclass(frozen=True, slots=True)
class Route:
    """Which operation a request is."""

    operation: Where
    task_id: str = ""
    action: str = ""
    by_user: bool = False
    """Made with a user's token instead of an API key; the dialect checks it, and the user owns all keys."""


@dataclass(frozen=True, slots=True)
class Links:
    """Freshly signed URLs of a task that succeeded."""

    video: str
    last_frame: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A task at one moment."""

    phase: Phase
    now: float
    links: Links | None = None
    """None unless it succeeded (and a fault does not hide them)."""
    lost: bool = False
    word: str | None = None
    """A status word to show instead of the right one."""


class Dialect(ABC):
    """One gateway."""

    name: str
    signed_links = True
    """Whether video URLs carry a signature and an end."""
    callbacks: CallbackRules | None = None
    """None: the gateway does not call back."""

    @abstractmethod
    def route(self, method: str, path: str) -> Route | None:
        """What a request is, None when the gateway has no such path."""

    @abstractmethod
    def read_order(self, call: Call) -> Order:
        """Read a create.

        Raises:
            Refused: with the gateway's own answer.
        """

    @abstractmethod
    def new_id(self) -> str:
        """An id for a new task, in the gateway's manner."""

    @abstractmethod
    def created(self, task: Task) -> Answer:
        """The answer to a create."""

    @abstractmethod
    def shown(self, task: Task, view: View) -> Answer:
        """The answer to a query."""

    def rejected(self, error: ArkError) -> Answer:
        """The answer to a create that breaks one of Ark's rules."""
        return json_answer(error.status, error.body())

    @abstractmethod
    def unknown_task(self, task_id: str) -> Answer:
        """The answer to a query for a task that is not this account's."""

    def listed(self, call: Call, tasks: Sequence[Task], now: float, view: Callable[[Task], View]) -> Answer:
        """The answer to a list of the account's tasks, or all keys' if the call is a user's, in the order of their
        creation."""
        return self.not_found(call)

    def deletion(self, task: Task, phase: Phase) -> Answer:
        """The answer to a delete, given the phase the task was in: waiting tasks are cancelled, running ones are not
        touched, records of others are removed."""
        return self.unknown_task(task.id)

    @abstractmethod
    def not_found(self, call: Call) -> Answer:
        """The answer to a path that the gateway does not have."""

    @abstractmethod
    def unauthorized(self) -> Answer:
        """No key, or a wrong one."""

    @abstractmethod
    def no_money(self) -> Answer:
        """The account is empty."""

    @abstractmethod
    def rate_limited(self, per_minute: int) -> Answer:
        """Too many creates in a minute."""

    @abstractmethod
    def busy(self) -> Answer:
        """Too many unfinished tasks, or the upstream is saturated."""

    @abstractmethod
    def too_big(self) -> Answer:
        """The body is larger than the gateway takes."""

    @abstractmethod
    def moderated(self, code: str, message: str) -> Answer:
        """The input was refused for its content; `code` is Ark's."""

    @abstractmethod
    def failure(self, status: int, code: str, message: str) -> Answer:
        """Any other failure; empty `code` and `message` stand for the gateway's usual ones."""


def random_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def json_object(body: bytes) -> dict[str, Any] | None:
    """A JSON object, None for anything else."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None


def refuse(status: int, body: Mapping[str, Any], reason: str) -> Refused:
    return Refused(json_answer(status, body), reason)
