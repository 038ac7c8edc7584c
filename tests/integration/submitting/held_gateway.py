"""A gateway whose answers wait until the test gives them, and its own book of what it accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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

# What the worker is told of a POST; those of DOUBTFUL leave it in the dark.
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
ANSWERS = ("accepted", *REFUSALS, *DOUBTFUL)


@dataclass(eq=False)
class Post:
    """One POST as the gateway knows it. `accepted` is the truth, None while it is in flight."""

    prompt: str
    account: str
    seed: int | None
    task_id: str
    arrived_at: float = field(default_factory=time.time)
    accepted: bool | None = None
    told: bool = False
    """The worker has the gateway's word on it, and has written it down."""
    disproved: bool = False
    """The gateway's list shows that it was not accepted, and the grace is over."""
    excused: bool = False
    """A person, or the policy, has decided to send the job again all the same."""
    ended: TaskStatus | None = None

    @property
    def may_be_paid(self) -> bool:
        """Whether, for all that our side can know, this POST may have been accepted."""
        if self.accepted is None:
            return True
        return self.accepted or not (self.told or self.disproved)


@dataclass(eq=False)
class Call:
    """A call that waits for its answer."""

    answer: asyncio.Future[str]
    post: Post | None = None


class HeldGateway:
    """All accounts together. Lives on the worker's loop; the test reads it between its own steps."""

    def __init__(self, on_post: Callable[[Post], None]) -> None:
        self.posts: list[Post] = []
        self.calls: list[Call] = []
        self.hold_queries = False
        self._listed: set[str] = set()
        self._on_post = on_post

    def of(self, prompt: str) -> list[Post]:
        return [post for post in self.posts if post.prompt == prompt]

    def tasks(self) -> list[Post]:
        return [post for post in self.posts if post.accepted]

    async def submit(self, account: str, prompt: str, seed: int | None) -> Submitted:
        post = Post(prompt, account, seed, f"task-{len(self.posts)}")
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
        """Those of the tasks that the account has. A question about one of them that follows is answered at once: the
        batch has waited already."""
        await self._held()
        self._listed.update(task_ids)
        found = (post for post in self.tasks() if post.account == account and post.task_id in task_ids)
        return {post.task_id: _report(post) for post in found}

    async def query(self, task_id: str) -> TaskReport:
        if task_id in self._listed:
            self._listed.discard(task_id)
        else:
            await self._held()
        post = next((post for post in self.tasks() if post.task_id == task_id), None)
        if post is None:
            raise TaskUnknown("no such task")
        return _report(post)

    async def cancel(self, task_id: str) -> CancelOutcome:
        post = next(post for post in self.tasks() if post.task_id == task_id)
        if post.ended is not None:
            return CancelOutcome.TOO_LATE
        post.ended = TaskStatus.CANCELLED
        return CancelOutcome.CANCELLED

    async def list_tasks(self, account: str, page: int) -> TaskPage:
        """The newest first, each with its seed only once it has ended, as Ark does it."""
        shown = [post for post in reversed(self.tasks()) if post.account == account] if page == 1 else []
        return TaskPage(None, tuple(ListedTask(p.task_id, int(p.arrived_at), "m", _report(p)) for p in shown))


def _report(post: Post) -> TaskReport:
    status = post.ended or TaskStatus.QUEUED
    return TaskReport(
        status,
        str(status),
        video_url=f"https://videos.example/{post.task_id}" if status is TaskStatus.SUCCEEDED else None,
        seed=post.seed if post.ended else None,
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

    async def submit(self, request: GenerationRequest, attempt: AttemptOptions) -> Submitted:
        return await self.gateway.submit(self.account.name, request.prompt, attempt.seed)

    async def query(self, task_id: str) -> TaskReport:
        return await self.gateway.query(task_id)

    async def query_many(self, task_ids: Sequence[str]) -> dict[str, TaskReport]:
        return await self.gateway.query_many(self.account.name, task_ids)

    async def cancel(self, task_id: str) -> CancelOutcome:
        return await self.gateway.cancel(task_id)

    async def list_tasks(self, page: int) -> TaskPage:
        return await self.gateway.list_tasks(self.account.name, page)


class HeldRuntime(Runtime):
    """A worker's runtime whose accounts are all at the held gateway."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.gateway: HeldGateway

    def client(self, account_name: str) -> GatewayClient | None:
        account = self.settings.account(account_name)
        return None if account is None else cast(GatewayClient, _Client(account, self.gateway))
