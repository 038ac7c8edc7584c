"""What to run for a number of videos per day, and the effect of an hour without one part, in the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, exp

from bench.scaling.costs import Costs
from bench.scaling.machinery import THREADS, Layout
from bench.scaling.run import Figures, simulate
from bench.scaling.workload import Outage, Part, Workload
from worker.transferring.capacity import ONE_HOST_BYTES, ONE_HOST_COPIES
from worker.transferring.upload import held_bytes

DAY_S, HOUR_S = 86400.0, 3600.0
MOST_BUSY = 0.6
"""Largest load of a process or a database in normal operation; the rest is for peaks and for catching up."""
SLOTS_BUSY = 0.8
"""The same for the slots of the accounts."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Size:
    """A system for a number of videos per day."""

    name: str
    per_day: int
    slots: int
    """Slots of each account."""
    weight: int
    """Number of jobs that runs of a day simulate as one."""


SIZES = (Size("10k", 10_000, 10, 1), Size("1M", 1_000_000, 100, 10), Size("10M", 10_000_000, 500, 200))
LIVES = (43200.0, 86400.0)
BEHIND = ((1.0, 0.9), (6.0, 0.6), (6.0, 0.9), (10.0, 0.9))
"""Hours without the object store, and the load of the transfer workers in normal operation."""


def workload(size: Size, seconds: float) -> Workload:
    """Videos of 5 to 30 MiB that take a minute and a half; half of the gateways keep them for 12 h, half for 24 h."""
    rate = size.per_day / DAY_S
    return Workload(int(rate * seconds), per_second=rate, url_life_s=LIVES)


def held_s(work: Workload) -> float:
    """Seconds that a job holds its slot: the POST, the generation, and the time until a poll (about an eighth)."""
    mean_s = work.generation.median_s * exp(work.generation.sigma**2 / 2)
    return mean_s * 1.12 + work.submit.median_s


def copies_per_s(work: Workload, layout: Layout) -> float:
    """Copies per second of one transfer process, by its byte limit and the speed of a connection."""
    mib = sum(work.video_mib) / 2
    at_once = min(ONE_HOST_COPIES, ONE_HOST_BYTES // held_bytes(int(mib * MIB)))
    return at_once / (mib / layout.connection_mib_s + layout.store_s)


def provision(size: Size, costs: Costs) -> Layout:
    """Enough processes and accounts that no part exceeds its load limit.

    The CPU of a run with ample capacity gives the processes and cores; two rules give the slots and the copies at once.
    """
    rate = size.per_day / DAY_S
    work = workload(size, 60.0)
    accounts = ceil(rate * held_s(work) / SLOTS_BUSY / size.slots)
    ample = Layout(
        accounts=accounts, max_in_flight=size.slots, submit_poll=max(2, ceil(rate / 10)), transfer=1, database_cores=16
    )
    transfer_processes = ceil(rate / copies_per_s(work, ample) / MOST_BUSY)
    ample = replace(ample, transfer=max(1, transfer_processes))
    seen = _steady(size, ample, costs)
    return replace(
        ample,
        submit_poll=ceil(max(seen.submit_poll_share, seen.submit_poll_threads / THREADS["work"]) / MOST_BUSY),
        transfer=max(1, transfer_processes, ceil(seen.transfer_share / MOST_BUSY)),
        database_cores=max(2, ceil(seen.database_share / MOST_BUSY)),
    )


def _steady(size: Size, layout: Layout, costs: Costs, seconds: float = 120.0) -> Figures:
    """Normal operation after a warm-up, each job simulated separately; at least several hundred jobs."""
    seconds = max(seconds, 600 / (size.per_day / DAY_S))
    warm_s = 300.0
    return simulate(workload(size, warm_s + seconds * 2), layout, costs, warm_s=warm_s, horizon_s=warm_s + seconds)


def steady(costs: Costs, size: Size) -> tuple[Layout, Figures]:
    """What to run, and its figures."""
    layout = provision(size, costs)
    return layout, _steady(size, layout, costs)


def in_lots(layout: Layout, tick_s: float) -> Layout:
    """The layout for runs of many hours, which simulate lots of jobs as one: two accounts share all slots, so that a
    lot is a small part of an account's slots."""
    accounts = min(2, layout.accounts)
    slots = layout.accounts * layout.max_in_flight // accounts
    return replace(layout, accounts=accounts, max_in_flight=slots, tick_s=tick_s)


@dataclass(frozen=True, slots=True)
class AfterOutage:
    """The effect of an outage."""

    figures: Figures
    failed_posts: int
    caught_up_s: float
    """Time from the end of the outage to the end of the last delayed job."""


def outage(size: Size, layout: Layout, costs: Costs, part: Part, hours: float = 1.0) -> AfterOutage:
    """Simulate an outage; jobs arrive from an hour before it until all delayed jobs are done."""
    begin_s, length_s = HOUR_S, hours * HOUR_S
    work = workload(size, begin_s + length_s * (2 + SLOTS_BUSY / (1 - SLOTS_BUSY)))
    outages = [Outage(part, begin_s, length_s)]
    figures = simulate(work, in_lots(layout, layout.tick_s), costs, outages=outages, weight=size.weight)
    return AfterOutage(figures, figures.posts - figures.jobs, figures.last_late_s - (begin_s + length_s))


def transfers_behind(size: Size, layout: Layout, costs: Costs, busy: float, hours: float) -> tuple[int, Figures]:
    """Simulate an outage of the object store with transfer processes that have the load `busy` in normal operation."""
    work = workload(size, HOUR_S * (hours + 14))
    needed = work.per_second / copies_per_s(work, layout) if work.per_second else 0.0
    layout = replace(in_lots(layout, 1.0), transfer=max(1, ceil(needed / busy)))
    outages = [Outage("store", HOUR_S, hours * HOUR_S)]
    return layout.transfer, simulate(work, layout, costs, outages=outages, weight=2 * size.weight)
