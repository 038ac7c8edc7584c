"""A survey of a gateway's list of tasks: read from the newest back, as far as a doubt needs it, with a record of how
far it can be trusted.

A page that shifts while the list is read shows an entry twice when tasks arrive, and hides one when records are
removed: the total tells, and the page before is read again. A list that ends before its total is cut. An entry that
cannot be read may be any task of its time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field

from seedance.client import LIST_PAGE, GatewayClient
from seedance.errors import GatewayError
from seedance.gateways.base import ListedTask, TaskPage
from seedance.gateways.capabilities import ListLimits

log = logging.getLogger("reelq.reconcile")

MAX_PAGES = 100
DISORDER_S = 5.0
"""Entries of the same moment may stand in any order."""
WINDOW_MARGIN_S = 3600.0
"""The last hour of a list's window is not relied on."""
_NEVER, _EVER = math.inf, -math.inf


@dataclass(frozen=True, slots=True)
class Seen:
    """What a survey knows at one moment.

    `read_from`: every entry created since then was read. `readable_from`: entries that cannot be read are not newer
    than that. `error`: why it ended early, None when it did not.
    """

    tasks: tuple[ListedTask, ...] = ()
    read_from: float = _NEVER
    readable_from: float = _EVER
    error: GatewayError | None = None

    def covers(self, moment: float) -> bool:
        """Whether a task created since that moment would be among the tasks."""
        return self.read_from <= moment

    def proves_absence(self, moment: float) -> bool:
        """Whether a task created since that moment which is not among the tasks does not exist."""
        return self.covers(moment) and self.readable_from < moment


@dataclass
class _List:
    """One list, as far as it was read."""

    flex: bool
    entries: dict[str, ListedTask] = field(default_factory=dict)
    unreadable: dict[int, int] = field(default_factory=dict)
    """By page."""
    expected: int | None = None
    """How many entries it must have at the least, None when it does not say. Those that came since do not count."""
    oldest: float = _NEVER
    in_order: bool = True
    read_from: float = _NEVER
    readable_from: float = _EVER

    def add(self, number: int, page: TaskPage) -> None:
        above = self.oldest
        for task in page.tasks:
            self.entries[task.task_id] = task
            if task.created_at is not None:
                self.in_order = self.in_order and task.created_at <= self.oldest + DISORDER_S
                self.oldest = min(self.oldest, float(task.created_at))
        if page.unreadable:
            self.unreadable[number] = page.unreadable
            # It stands somewhere on this page: at most as new as the last entry of the page before.
            self.readable_from = max(self.readable_from, above + DISORDER_S)
        if page.total is not None:
            self.expected = page.total if self.expected is None else min(self.expected, page.total)
        self.read_from = self.oldest + DISORDER_S if self.in_order else _NEVER

    def add_again(self, number: int, page: TaskPage) -> None:
        """A page that was read before: what has slipped onto it since."""
        self.entries |= {task.task_id: task for task in page.tasks}
        if page.unreadable > self.unreadable.get(number, 0):
            self.readable_from = _NEVER  # it may have been anywhere below

    @property
    def complete(self) -> bool:
        """Whether it has shown as many entries as it must."""
        return self.expected is None or len(self.entries) + sum(self.unreadable.values()) >= self.expected


class Survey:
    """To be used on the loop: one task reads, others wait until it has come far enough for them."""

    def __init__(self, client: GatewayClient, limits: ListLimits, since: float, until: float) -> None:
        """Read the tasks created from `since` to `until`, Unix seconds; the second only where the gateway filters."""
        self._client = client
        self._since = since
        self._until = until
        self._limits = limits
        self._seen = Seen()
        self._ended = False
        self._progress = asyncio.Condition()

    async def wait_for(self, moment: float) -> Seen:
        """What is known when every task since that moment has been read, or when no more will be."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._ended or self._seen.covers(moment))
        return self._seen

    async def read(self) -> None:
        """Read until everything since the beginning is read, or the list ends, or cannot be had."""
        lists = [_List(True), _List(False)] if self._limits.flex_apart else [_List(False)]
        error = None
        try:
            for one in lists:
                try:
                    await self._read(one, lists)
                except GatewayError as exc:  # the other list may still show a task, though it proves nothing alone
                    name = self._client.account.name
                    log.warning("reconcile.no_list account=%s code=%s %s", name, exc.code, exc.message)
                    error = exc
        finally:
            await self._tell(lists, error, ended=True)

    async def _read(self, one: _List, lists: list[_List]) -> None:
        most = min(MAX_PAGES, self._limits.max_pages or MAX_PAGES)
        before: TaskPage | None = None
        for number in range(1, most + 1):
            page = await self._page(one, number)
            if before is not None and (page.total is None or before.total is None or page.total < before.total):
                one.add_again(number - 1, await self._page(one, number - 1))
            one.add(number, page)
            entries = len(page.tasks) + page.unreadable
            if not entries or (entries < LIST_PAGE and one.expected is not None and one.complete):
                self._end(one)
                break
            await self._tell(lists)
            if one.read_from <= self._since:
                break
            before = page

    def _end(self, one: _List) -> None:
        """The list has no more entries: it was read whole, unless it should have had more."""
        name, most = self._client.account.name, self._limits.max_tasks
        if not one.complete:
            log.warning("reconcile.list_cut account=%s entries=%d of=%s", name, len(one.entries), one.expected)
        elif most is None or len(one.entries) < most:
            one.read_from = _EVER

    async def _page(self, one: _List, number: int) -> TaskPage:
        return await self._client.list_tasks(number, since=self._since, until=self._until, flex=one.flex)

    async def _tell(self, lists: list[_List], error: GatewayError | None = None, *, ended: bool = False) -> None:
        read_from = max(one.read_from for one in lists)
        tasks = tuple({task.task_id: task for one in lists for task in one.entries.values()}.values())
        readable_from = max(one.readable_from for one in lists)
        async with self._progress:
            self._seen, self._ended = Seen(tasks, read_from, readable_from, error), ended
            self._progress.notify_all()
