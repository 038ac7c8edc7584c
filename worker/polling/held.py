"""Tasks that this process polls again by itself: it has the lease on their jobs, and found them unfinished.

Such a poll costs its request and little else: no message, no claim, and no write. What it finds is written when the
task has ended, or before the lease ends; then the job is due again, and any worker may go on. If this process is
killed, its tasks are polled once their leases have ended.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID
from weakref import WeakKeyDictionary

from seedance.account import Account
from seedance.boot_clock import boottime_s
from seedance.client import GatewayClient
from storage.database import DatabaseUnavailable
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState
from worker.batch import write_each
from worker.polling.ask import Polled, Task, ask
from worker.polling.plan import PollPlan
from worker.polling.task_list import TaskList
from worker.polling.write import give_back, write
from worker.runtime import Part, Runtime

log = logging.getLogger("reelq.poll")

MOST_HELD = 2_000
"""Tasks of one process; a few kilobytes each."""
AT_ONCE = 100
"""Polls of one account at once. Its client has twice as many connections; a poll that waits too long for one has
failed, which says nothing about the gateway."""
GATHER_S = 0.02
"""How long an answer may wait for others, to be written with them. It names nothing that was paid for: if the process
dies, the poll is repeated."""
TOGETHER_S = 0.1
"""Tasks that are due within this time are polled together: the loop wakes once for many."""
MARGIN = 0.1
"""The share of a lease that is kept for the last write."""


class HeldPolls(Part):
    """The held tasks of this process. Use it on the event loop."""

    wait_s = 3.0

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._held: dict[UUID, tuple[Task, float]] = {}
        """By job: the task, and when it is due."""
        self._rounds: dict[tuple[GatewayClient, int], list[Task]] = {}
        self._rooms: WeakKeyDictionary[GatewayClient, asyncio.Semaphore] = WeakKeyDictionary()
        self._asking: set[asyncio.Task[None]] = set()
        self._answers: list[Polled] = []
        self._writes: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def hold(self, polled: Polled) -> bool:
        """Poll this task again when its decision says so. False: that is not for this process, write the decision."""
        task, due_at = polled.task, boottime_s() + polled.decision.due_in_s
        if not (_is_plain(polled) and self._has_room(task.client.account, due_at, task.lease_ends_at)):
            return False
        self._wait(task.seen(), due_at)
        return True

    def may_take(self, account: Account, due_in_s: float) -> bool:
        """Whether to `take` the tasks of this account that are due then and were just accepted. Any thread may ask."""
        lease_s = self.runtime.settings.poll_lease_seconds
        return "poll" in self.runtime.queues and self._has_room(
            account, boottime_s() + due_in_s, boottime_s() + lease_s
        )

    async def take(self, tasks: Sequence[tuple[Task, float]]) -> None:
        """Poll these tasks when they are due, in as many seconds."""
        for task, due_in_s in tasks:
            self._wait(task, boottime_s() + due_in_s)
        if tasks:
            await tasks[0][0].client.find_out(tasks[0][0].id)

    def drop(self, job_ids: Sequence[UUID]) -> None:
        """Forget the tasks of these jobs, which have been claimed again: after a callback, or to be cancelled."""
        for job_id in job_ids:
            self._held.pop(job_id, None)

    def _has_time(self, due_at: float, lease_ends_at: float, margin: float = 0.0) -> bool:
        settings = self.runtime.settings
        return due_at + settings.query_timeout_seconds + margin * settings.poll_lease_seconds < lease_ends_at

    def _has_room(self, account: Account, due_at: float, lease_ends_at: float) -> bool:
        return (
            self._has_time(due_at, lease_ends_at, MARGIN)
            and len(self._held) < MOST_HELD
            and not self.runtime.stopping.is_set()
            # The scheduler counts the polls of an account with a limit.
            and account.polls_per_minute is None
        )

    def _wait(self, task: Task, due_at: float) -> None:
        """Tasks that the gateway lists by their ids are polled together, with one request."""
        several = task.client.dialect.capabilities().list_ids > 1
        step_s = self.runtime.settings.tick_seconds if several else TOGETHER_S
        key = (task.client, math.ceil(due_at / step_s))
        if key not in self._rounds:
            self._rounds[key] = []
            asyncio.get_running_loop().call_later(key[1] * step_s - boottime_s(), self._begin, key)
        self._rounds[key].append(task)
        self._held[task.work.id] = (task, due_at)

    def _begin(self, key: tuple[GatewayClient, int]) -> None:
        tasks = [task for task in self._rounds.pop(key) if self._is_held(task)]
        client = self.runtime.client(key[0].account.name, key[0].key_id) if tasks else None
        if client is None:  # the account was removed: the row says what becomes of the job
            self.drop([task.work.id for task in tasks])
            return
        task_list = TaskList(self.runtime, client, [task.id for task in tasks])
        if (room := self._rooms.get(client)) is None:
            room = self._rooms[client] = asyncio.Semaphore(AT_ONCE)
        for task in tasks:
            now = task if task.client is client else replace(task, client=client)
            asking = asyncio.get_running_loop().create_task(self._ask(task, now, task_list, room))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)

    def _is_held(self, task: Task) -> bool:
        return self._held.get(task.work.id, (None,))[0] is task

    async def _ask(self, task: Task, now: Task, task_list: TaskList, room: asyncio.Semaphore) -> None:
        polled = None
        async with room:
            try:
                # The wait may have been long: the gateway is slow, or this machine was stopped.
                if self._is_held(task) and self._has_time(boottime_s(), task.lease_ends_at):
                    polled = await ask(self.runtime, now, task_list)
            except Exception:  # a fault of ours: the row is due when its lease ends
                log.exception("poll.failed job_id=%s", task.work.id)
        if not self._is_held(task):
            return
        del self._held[task.work.id]
        if polled is not None and not self.hold(polled):
            self._hand_over(polled)

    def _hand_over(self, polled: Polled) -> None:
        self._answers.append(polled)
        if len(self._answers) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if answers:
            self._write_soon(partial(write_each, partial(write, self.runtime), answers))

    def _write_soon(self, writing: Callable[[], None]) -> None:
        """One thread writes: polls of one kind of video would wait for each other."""
        if self._writer is None:
            writer = threading.Thread(target=self._write, name="reelq-polls", daemon=True)
            writer.start()  # if that fails, the next answer tries again
            self._writer = writer
        self._writes.put(writing)

    def _write(self) -> None:
        while (writing := self._writes.get()) is not None:
            try:
                writing()
                self.runtime.part(PollPlan).forecasts.refresh()
            except DatabaseUnavailable as exc:
                log.warning("poll.not_written error=%s: these jobs wait for their lease to end", exc)
            except Exception:
                log.exception("poll.not_written")

    async def close(self) -> None:
        """Write what was found, and leave the tasks to other workers."""
        now = boottime_s()
        left = [(task, max(0.0, due_at - now)) for task, due_at in self._held.values()]
        self._held.clear()
        self._flush()
        if left:
            self._write_soon(partial(give_back, self.runtime, left))
        if self._writer is not None:
            self._writes.put(None)
            await asyncio.to_thread(self._writer.join, self.wait_s)


def _is_plain(polled: Polled) -> bool:
    """Whether its row has nothing to say now: the job only waits for the end of its task."""
    work, decision = polled.task.work, polled.decision
    return (
        (decision.target, decision.reason) == (JobState.GENERATING, Reason.GENERATING)
        and decision.detail is None
        and work.generated_age_s is None
        and work.cancel_request is None
        and work.missing is None
        and work.setbacks == 0
    )
