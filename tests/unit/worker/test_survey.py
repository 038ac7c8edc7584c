"""How far a gateway's list is read, and what it proves: lists that are cut, shifted, unreadable, unordered or long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from seedance.client import LIST_PAGE, GatewayClient
from seedance.errors import Unavailable
from seedance.gateways.base import TaskPage
from seedance.gateways.capabilities import ListLimits
from tests.unit.worker.doubts import NOW, listed
from worker.polling.survey import DISORDER_S, Seen, Survey

BEGIN = NOW.timestamp()
LIMITS = ListLimits(page_size=500, max_tasks=10_000, proves_absence=True)


@dataclass
class Lister:
    """A gateway's list, by how many seconds after the beginning its tasks were created."""

    ages: list[float]
    flex: list[float] = field(default_factory=list)
    before_page: dict[int, Callable[[], None]] = field(default_factory=dict)
    """What happens before a page is read for the first time."""
    total: Callable[[int], int | None] = lambda number: number
    unreadable_on: dict[int, int] = field(default_factory=dict)
    pages: list[tuple[bool, int]] = field(default_factory=list)

    account = SimpleNamespace(name="main")

    async def list_tasks(self, page: int, *, since: float, until: float, flex: bool) -> TaskPage:
        self.pages.append((flex, page))
        self.before_page.pop(page, lambda: None)()
        ages = self.flex if flex else self.ages
        shown = ages[(page - 1) * LIST_PAGE : page * LIST_PAGE]
        lost = self.unreadable_on.get(page, 0) if not flex else 0
        tasks = tuple(listed(f"t{age:g}", after_s=age) for age in shown[: len(shown) - lost])
        return TaskPage(self.total(len(ages)), tasks, lost)


def survey(lister: Lister, since: float, limits: ListLimits = LIMITS) -> Seen:
    async def run() -> Seen:
        made = Survey(cast(GatewayClient, lister), limits, BEGIN + since, BEGIN + 10_000)
        reading = asyncio.create_task(made.read())
        seen = await made.wait_for(BEGIN + since)
        await reading
        return seen

    return asyncio.run(run())


def newest_first(count: int, step: float = 10.0) -> list[float]:
    return [n * step for n in range(count - 1, -1, -1)]


def ids(seen: Seen) -> set[str]:
    return {task.task_id for task in seen.tasks}


def test_it_reads_no_further_back_than_needed() -> None:
    lister = Lister(newest_first(1000))
    seen = survey(lister, 8500.0)
    assert lister.pages == [(False, 1), (False, 2)]
    assert seen.proves_absence(BEGIN + 8500)
    assert not seen.covers(BEGIN + 7000)


def test_one_that_needs_less_does_not_wait_for_the_rest() -> None:
    lister = Lister(newest_first(1000))
    release = asyncio.Event()

    async def run() -> tuple[Seen, bool]:
        real = lister.list_tasks

        async def held(page: int, **fields: Any) -> TaskPage:
            if page == 3:
                await release.wait()
            return await real(page, **fields)

        lister.list_tasks = held  # type: ignore[method-assign] # a stand-in
        made = Survey(cast(GatewayClient, lister), LIMITS, BEGIN, BEGIN + 10_000)
        reading = asyncio.create_task(made.read())
        young = await made.wait_for(BEGIN + 9500)
        early = reading.done()
        release.set()
        await reading
        return young, early

    young, early = asyncio.run(run())
    assert young.proves_absence(BEGIN + 9500) and not early


def test_a_short_list_is_read_whole() -> None:
    for count in (0, 7, LIST_PAGE, LIST_PAGE + 1):
        seen = survey(Lister(newest_first(count)), -100.0)
        assert len(seen.tasks) == count and seen.proves_absence(BEGIN - 100)


def test_a_list_that_ends_before_its_total_proves_nothing() -> None:
    seen = survey(Lister(newest_first(150), total=lambda number: number + 30), -100.0)
    assert len(seen.tasks) == 150
    assert not seen.covers(BEGIN - 100)
    assert seen.covers(BEGIN + DISORDER_S), "what was read in order was read"


def test_tasks_that_arrive_while_the_list_is_read_hide_nothing() -> None:
    lister = Lister(newest_first(250))
    for page in (2, 3):
        lister.before_page[page] = lambda: lister.ages.insert(0, lister.ages[0] + 1)
    seen = survey(lister, -100.0)
    assert {f"t{age:g}" for age in newest_first(250)} <= ids(seen)
    assert seen.proves_absence(BEGIN - 100)


def test_records_that_are_removed_while_the_list_is_read_hide_nothing() -> None:
    """The first of page 2 slips onto page 1, which was read already."""
    lister = Lister(newest_first(250))
    slips = f"t{lister.ages[LIST_PAGE]:g}"
    lister.before_page[2] = lambda: lister.ages.pop(5)  # type: ignore[assignment] # what it returns is not used
    seen = survey(lister, -100.0)
    assert slips in ids(seen)
    assert (False, 1) in lister.pages[1:], "page 1 is read again"
    silent = Lister(newest_first(250), total=lambda _: None)
    silent.before_page[2] = lambda: silent.ages.pop(5)  # type: ignore[assignment] # what it returns is not used
    assert slips in ids(survey(silent, -100.0))


def test_an_entry_that_cannot_be_read_may_be_any_task_of_its_time() -> None:
    first = survey(Lister(newest_first(250), unreadable_on={1: 1}), 2000.0)
    assert first.covers(BEGIN + 2000) and not first.proves_absence(BEGIN + 2000)
    second = survey(Lister(newest_first(250), unreadable_on={2: 1}), -100.0)
    assert not second.proves_absence(BEGIN - 100)
    assert not second.proves_absence(BEGIN + 1000)
    assert second.proves_absence(BEGIN + 2000), "it is older than that"


def test_a_list_in_no_order_is_read_to_its_end() -> None:
    ages = newest_first(150)
    lister = Lister([*ages[:60], 5000.0, *ages[60:]])
    seen = survey(lister, 1000.0)
    assert len(lister.pages) == 2 and len(seen.tasks) == 151
    assert seen.proves_absence(BEGIN + 1000)


def test_a_list_that_shows_only_so_many_covers_only_their_time() -> None:
    limits = ListLimits(page_size=500, max_tasks=150, proves_absence=True)
    seen = survey(Lister(newest_first(150)), -100.0, limits)
    assert not seen.covers(BEGIN - 100)
    assert seen.covers(BEGIN + DISORDER_S)


def test_flex_tasks_are_asked_for_where_they_are_listed_apart() -> None:
    apart = ListLimits(page_size=500, flex_apart=True, proves_absence=True)
    lister = Lister(newest_first(3), flex=[4.0])
    seen = survey(lister, -100.0, apart)
    assert {flex for flex, _ in lister.pages} == {True, False}
    assert ids(seen) == {"t0", "t10", "t20", "t4"} and seen.proves_absence(BEGIN - 100)

    def refuse() -> None:
        raise Unavailable("no such filter")

    broken = Lister(newest_first(3), before_page={1: refuse})
    seen = survey(broken, -100.0, apart)
    assert ids(seen) == {"t0", "t10", "t20"}, "what is listed may still be found"
    assert not seen.covers(BEGIN - 100) and seen.error is not None


def test_a_list_that_fails_half_way_proves_what_it_has_shown() -> None:
    def fail() -> None:
        raise Unavailable("try later")

    seen = survey(Lister(newest_first(250), before_page={2: fail}), -100.0)
    assert len(seen.tasks) == LIST_PAGE
    assert seen.proves_absence(BEGIN + 2000)
    assert not seen.covers(BEGIN - 100)
