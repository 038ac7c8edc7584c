"""A gateway that answers when the test says so, with its own record of accepted POSTs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from seedance.account import Account
from seedance.client import GatewayClient
from seedance.errors import (
    AccountProblem,
    GatewayError,
    InputNotReady,
    ModelProblem,
    NotSent,
    NotServed,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    Unavailable,
)
from seedance.gateways.base import (
    AttemptOptions,
    CancelOutcome,
    ListedTask,
    Submitted,
    TaskFailure,
    TaskPage,
    TaskReport,
    TaskStatus,
)
from seedance.request import GenerationRequest
from storage.settings import Settings
from worker.runtime import Runtime

# Answers that the worker gets to a POST; after those of DOUBTFUL the outcome is unknown.
REFUSALS: dict[str, Callable[[], GatewayError]] = {
    "throttled": lambda: Throttled("slow down"),
    "closed": lambda: ModelProblem("not activated"),
    "not_served": lambda: NotServed("404 page not found"),
    "not_ready": lambda: InputNotReady("timeout while fetching resource"),
    "not_sent": lambda: NotSent("no route"),
    "account": lambda: AccountProblem("no money"),
    "model": lambda: ModelProblem("not activated"),
    "rejected": lambda: Rejected("no such ratio"),
}
DOUBTFUL = ("taken_and_lost", "taken_and_died", "lost", "died")
LISTS = ("whole", "cut", "shifted", "unreadable", "failing")
PAGE = 2
DEFAULT_EXPIRY_S = 172_800
ANSWERS = ("accepted", *REFUSALS, *DOUBTFUL)


@dataclass(eq=False)
class Post:
    """One POST at the gateway. `accepted`: whether it was accepted; None: it is in flight."""

    prompt: str
    account: str
    sent: AttemptOptions
    task_id: str
    arrived_at: float = field(default_factory=time.time)
    accepted: bool | None = None
    known: bool = False
    """The worker has received and stored the gateway's answer."""
    disproved: bool = False
    """The gateway's list shows that it was not accepted, and the grace is over."""
    excused: bool = False
    """A person or the policy has decided to submit the job again nevertheless."""
    ended: TaskStatus | None = None

    @property
    def may_be_paid(self) -> bool:
        """Whether this POST may have been accepted, as far as reelq can know."""
        if self.accepted is None:
            return True
        return self.accepted or not (self.known or self.disproved)


@dataclass(eq=False)
class Call:
    """A call that waits for its answer."""

    answer: asyncio.Future[str]
    post: Post | None = None


class HeldGateway:
    """The gateway of all accounts. Runs on the worker's event loop; the test reads it between its own steps."""

    def __init__(self, on_post: Callable[[Post], None]) -> None:
        self.posts: list[Post] = []
        self.calls: list[Call] = []
        self.hold_queries = False
        self.lists: str = "whole"
        """The state of the list: one of `LISTS`."""
        self._listed: set[str] = set()
        self._on_post = on_post

    def of(self, prompt: str) -> list[Post]:
        return [post for post in self.posts if post.prompt == prompt]

    def tasks(self) -> list[Post]:
        return [post for post in self.posts if post.accepted]

    async def submit(self, account: str, request: GenerationRequest, attempt: AttemptOptions) -> Submitted:
        prompt = request.prompt
        post = Post(prompt, account, attempt, f"task-{len(self.posts)}")
        self._on_post(post)
        self.posts.append(post)
        call = Call(asyncio.get_running_loop().create_future(), post)
        self.calls.append(call)
        answer = await call.answer
        post.accepted = answer in ("accepted", "taken_and_lost", "taken_and_died")
        if answer.endswith("died"):
            raise asyncio.CancelledError
        if answer.endswith("lost"):
            raise OutcomeUnknown("the connection was cut")
        if answer in REFUSALS:
            raise REFUSALS[answer]()
        return Submitted(post.task_id)

    async def _held(self) -> None:
        if not self.hold_queries:
            return
        call = Call(asyncio.get_running_loop().create_future())
        self.calls.append(call)
        answer = await call.answer
        if answer == "died":
            raise asyncio.CancelledError
        if answer != "accepted":
            raise Unavailable("try later")

    async def query_many(self, account: str, task_ids: Sequence[str]) -> dict[str, TaskReport]:
        """The given tasks that the account has. A query for one of them that follows is answered at once, because the
        batch has already waited."""
        await self._held()
        self._listed.update(task_ids)
        found = (post for post in self.tasks() if post.account == account and post.task_id in task_ids)
        return {post.task_id: _report(post) for post in found}

    async def query(self, account: str, task_id: str) -> TaskReport:
        """A task of the account; a task of another one is unknown, as at every gateway."""
        if task_id in self._listed:
            self._listed.discard(task_id)
        else:
            await self._held()
        post = next((post for post in self.tasks() if post.task_id == task_id and post.account == account), None)
        if post is None:
            raise TaskUnknown("no such task")
        return _report(post)

    async def cancel(self, account: Account, task_id: str) -> CancelOutcome:
        post = next(post for post in self.tasks() if post.task_id == task_id)
        if not account.dialect.capabilities().cancel:
            return CancelOutcome.NOT_OFFERED
        if post.ended is not None:
            return CancelOutcome.TOO_LATE
        post.ended = TaskStatus.CANCELLED
        return CancelOutcome.CANCELLED

    async def list_tasks(self, account: str, page: int, *, flex: bool) -> TaskPage:
        """Two entries per page, newest first, with the fields that this gateway shows; faulty according to `lists`."""
        shown = [] if flex else [post for post in reversed(self.tasks()) if post.account == account]
        total = len(shown)
        if self.lists == "failing":
            raise Unavailable("try later")
        if self.lists == "cut":
            shown = shown[:1]
        elif self.lists == "shifted" and page > 1:  # tasks have come since, or records were removed
            shown = shown[1:] if len(shown) % 2 else [*shown[:1], *shown]
            total = len(shown)
        entries = shown[(page - 1) * PAGE : page * PAGE]
        lost = 1 if self.lists == "unreadable" and entries else 0
        return TaskPage(total, tuple(_listed(post) for post in entries[lost:]), lost)


def _listed(post: Post) -> ListedTask:
    """On Ark with its mark, and with its seed after it has ended; on new-api with the prompt."""
    created_at, report = int(post.arrived_at), _report(post)
    if post.account == "ark":
        mark = post.sent.mark or DEFAULT_EXPIRY_S
        return ListedTask(post.task_id, created_at, "", report, execution_expires_after=mark)
    return ListedTask(post.task_id, created_at, "seedance", replace(report, seed=None), prompt=post.prompt)


def _report(post: Post) -> TaskReport:
    status = post.ended or TaskStatus.QUEUED
    return TaskReport(
        status,
        str(status),
        video_url=f"https://videos.example/{post.task_id}" if status is TaskStatus.SUCCEEDED else None,
        seed=post.sent.seed if post.ended else None,
        failure=TaskFailure("generation_failed", "it failed") if status is TaskStatus.FAILED else None,
    )


@dataclass
class _Client:
    """The part of `GatewayClient` that the worker calls."""

    account: Account
    gateway: HeldGateway

    @property
    def dialect(self) -> Any:
        return self.account.dialect

    @property
    def key_id(self) -> int | None:
        return self.account.key_id

    async def submit(self, request: GenerationRequest, attempt: AttemptOptions) -> Submitted:
        return await self.gateway.submit(self.account.name, request, attempt)

    async def query(self, task_id: str) -> TaskReport:
        return await self.gateway.query(self.account.name, task_id)

    async def query_many(self, task_ids: Sequence[str]) -> dict[str, TaskReport]:
        return await self.gateway.query_many(self.account.name, task_ids)

    async def cancel(self, task_id: str) -> CancelOutcome:
        return await self.gateway.cancel(self.account, task_id)

    async def list_tasks(
        self, page: int, *, since: float | None = None, until: float | None = None, flex: bool = False
    ) -> TaskPage:
        return await self.gateway.list_tasks(self.account.name, page, flex=flex)


class HeldRuntime(Runtime):
    """A worker's runtime whose accounts are all at the held gateway."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.gateway: HeldGateway

    def client(self, account_name: str, key_id: int | None = None) -> GatewayClient | None:
        account = self.settings.account(account_name)
        return None if account is None else cast(GatewayClient, _Client(account, self.gateway))
