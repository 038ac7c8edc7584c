"""A survey of a gateway's task list: read from the newest entry back as far as a doubt needs, and note how far the list
can be trusted.

Pages shift while the list is read: new tasks show an entry twice, removed records hide one. The total reveals this, and
the previous page is read again. A list that ends before its total is incomplete. An entry that cannot be read may be
any task of its time.
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
"""Entries of the same moment may be in any order."""
WINDOW_MARGIN_S = 3600.0
"""The last hour of a list's window is not relied on."""
_NEVER, _EVER = math.inf, -math.inf


@dataclass(frozen=True, slots=True)
class Seen:
    """The knowledge of a survey at one moment. Times are Unix seconds.

    `read_from`: every entry created since then was read. `readable_from`: no unreadable entry is newer than that.
    `error`: why the survey ended early; None: it did not.
    """

    tasks: tuple[ListedTask, ...] = ()
    read_from: float = _NEVER
    readable_from: float = _EVER
    error: GatewayError | None = None

    def covers(self, moment: float) -> bool:
        """Whether a task created since that moment would be among the tasks."""
        return self.read_from <= moment

    def proves_absence(self, moment: float) -> bool:
        """Whether a task created since that moment does not exist if it is not among the tasks."""
        return self.covers(moment) and self.readable_from < moment


@dataclass
class _List:
    """One list, as far as it has been read."""

    flex: bool
    entries: dict[str, ListedTask] = field(default_factory=dict)
    unreadable: dict[int, int] = field(default_factory=dict)
    """The number of unreadable entries by page."""
    expected: int | None = None
    """The minimum number of entries; None: the list gives no total. Entries added since do not count."""
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
            # It is somewhere on this page: at most as new as the last entry of the previous page.
            self.readable_from = max(self.readable_from, above + DISORDER_S)
        if page.total is not None:
            self.expected = page.total if self.expected is None else min(self.expected, page.total)
        self.read_from = self.oldest + DISORDER_S if self.in_order else _NEVER

    def add_again(self, number: int, page: TaskPage) -> None:
        """Add a page that was read before, with the entries that have moved onto it since."""
        self.entries |= {task.task_id: task for task in page.tasks}
        if page.unreadable > self.unreadable.get(number, 0):
            self.readable_from = _NEVER  # it may have been anywhere below

    @property
    def complete(self) -> bool:
        """Whether it has shown at least the expected number of entries."""
        return self.expected is None or len(self.entries) + sum(self.unreadable.values()) >= self.expected


class Survey:
    """Use it on the event loop: one task reads, others wait until it has read far enough for them."""

    def __init__(self, client: GatewayClient, limits: ListLimits, since: float, until: float) -> None:
        """Read the tasks created from `since` to `until`, Unix seconds; `until` only if the gateway can filter."""
        self._client = client
        self._since = since
        self._until = until
        self._limits = limits
        self._seen = Seen()
        self._ended = False
        self._progress = asyncio.Condition()

    async def wait_for(self, moment: float) -> Seen:
        """The knowledge when every task since that moment has been read, or when reading has ended."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._ended or self._seen.covers(moment))
        return self._seen

    async def read(self) -> None:
        """Read until all tasks since `since` are read, the list ends, or the gateway fails."""
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
            await self._publish(lists, error, ended=True)

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
            await self._publish(lists)
            if one.read_from <= self._since:
                break
            before = page

    def _end(self, one: _List) -> None:
        """Note that the list has no more entries: it was read completely, unless entries are missing."""
        name, most = self._client.account.name, self._limits.max_tasks
        if not one.complete:
            log.warning("reconcile.list_cut account=%s entries=%d of=%s", name, len(one.entries), one.expected)
        elif one.expected is None and not one.entries:
            log.warning("reconcile.list_empty account=%s: it does not say how long it is", name)
        elif most is None or len(one.entries) < most:
            one.read_from = _EVER

    async def _page(self, one: _List, number: int) -> TaskPage:
        return await self._client.list_tasks(number, since=self._since, until=self._until, flex=one.flex)

    async def _publish(self, lists: list[_List], error: GatewayError | None = None, *, ended: bool = False) -> None:
        read_from = max(one.read_from for one in lists)
        tasks = tuple({task.task_id: task for one in lists for task in one.entries.values()}.values())
        readable_from = max(one.readable_from for one in lists)
        async with self._progress:
            self._seen, self._ended = Seen(tasks, read_from, readable_from, error), ended
            self._progress.notify_all()
