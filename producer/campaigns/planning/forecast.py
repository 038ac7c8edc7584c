"""When a campaign will be finished: a simulation of its jobs in the slots of the accounts.

It assumes that generation times stay as they were lately, that the learnt limits stay, that every job succeeds at its
first attempt, and that the jobs which wait now take every other slot until they are done. Where nothing was learnt yet,
a generation is assumed to take one to four minutes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapreplace
from typing import Any, Final

from producer.wording import plural
from seedance.lanes import lane_of, model_of
from storage.admission import grants, model_limits
from storage.admission.slot_limits import SlotLimit
from storage.campaigns.outlook import jobs_waiting
from storage.database import Connection
from storage.jobs import durations
from storage.jobs.durations import Kind, kind_of
from storage.settings import Settings

ASSUMED_S: Final = tuple(float(seconds) for seconds in range(60, 241, 12))
OVERHEAD_S: Final = 6.0
"""From the end of a generation until it is stored, and the slot is used again: polls and the transfer."""
_JOB_RUNS, _MIN_RUNS, _MAX_RUNS = 400_000, 4, 200
_STOPPED = frozenset({"suspended", "account_paused", "removing", "misrouted", "model_closed"})


@dataclass(frozen=True, slots=True)
class Capacity:
    """One account: its slots, those of models with a limit of their own, and its POSTs per minute; None: no limit."""

    name: str
    slots: int
    models: Mapping[str, int]
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the forecast knows: the accounts that work now, learnt generation times, and how many jobs wait already."""

    accounts: Sequence[Capacity]
    samples: Mapping[Kind, Sequence[float]]
    waiting: int = 0
    stopped: Sequence[str] = ()
    """Accounts that are not used at the moment."""


@dataclass(frozen=True, slots=True)
class Work:
    """One job: its canonical request, the accounts that can serve it in order, and its deadline in seconds from now."""

    request: Mapping[str, Any]
    accounts: Sequence[str]
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds until everything is done, in half of the runs (`p50_s`) and in nine of ten (`p90_s`); None: there is no
    account that works. `late`: for each job, the share of the runs in which it misses its deadline."""

    p50_s: float | None
    p90_s: float | None
    late: Sequence[float]
    assumes: Sequence[str]

    @staticmethod
    def instant(seconds: float | None, now: datetime | None = None) -> str | None:
        """The time at which that many seconds have passed, in UTC."""
        if seconds is None:
            return None
        return ((now or datetime.now(UTC)) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def read_outlook(conn: Connection, settings: Settings) -> Outlook:
    """The outlook of this moment."""
    limits = model_limits.model_limits(conn)
    accounts, stopped = [], []
    for grant in grants.survey(conn, settings):
        account = grant.account
        if grant.hold is not None and grant.hold.code in _STOPPED:
            stopped.append(account.name)
            continue
        learnt = {model: item.limit for (name, model), item in limits.items() if name == account.name}
        models = {model: limit.allowed(account.max_in_flight) for model, limit in learnt.items()}
        closed = {model: 0 for model, hold in grant.model_holds.items() if hold.code in _STOPPED}
        accounts.append(Capacity(account.name, account.max_in_flight, models | closed, account.requests_per_minute))
    return Outlook(accounts, durations.samples(conn), jobs_waiting(conn), stopped)


def outlook_without_database(settings: Settings) -> Outlook:
    """The outlook by the settings alone."""
    accounts = [
        Capacity(item.name, SlotLimit().allowed(item.max_in_flight), {}, item.requests_per_minute)
        for item in settings.accounts
    ]
    return Outlook(accounts, {})


def forecast(jobs: Sequence[Work], outlook: Outlook, settings: Settings, seed: int = 0) -> Forecast:
    """Simulate the jobs, in this order. The same jobs and the same outlook give the same forecast."""
    rng = random.Random(seed)  # noqa: S311 - no secret depends on it
    roads = _Roads(outlook, settings)
    plans = [_Plan(roads.of(job), job.deadline_s) for job in jobs]
    served = [plan for plan in plans if plan.road.places]
    assumes = list(_assumptions(served, plans, outlook))
    if not served:
        end = None if jobs else 0.0
        return Forecast(end, end, [float(plan.deadline_s is not None) for plan in plans], assumes)
    others = min(outlook.waiting, len(served))
    runs = max(_MIN_RUNS, min(_MAX_RUNS, _JOB_RUNS // (len(served) + others)))
    ends = []
    for _ in range(runs):
        finished = _run(served, others, roads, rng)
        ends.append(max(finished))
        for plan, end in zip(served, finished, strict=True):
            if plan.deadline_s is not None and end > plan.deadline_s:
                plan.missed += 1
    ends.sort()
    late = [plan.missed / runs if plan.road.places else float(plan.deadline_s is not None) for plan in plans]
    return Forecast(_quantile(ends, 0.5), _quantile(ends, 0.9), late, assumes)


@dataclass(frozen=True, slots=True)
class _Road:
    """Where jobs of one kind may run: the places of their accounts, and the generation times at each."""

    places: Sequence[int]
    samples: Sequence[Sequence[float]]
    learnt: bool


@dataclass(slots=True)
class _Plan:
    road: _Road
    deadline_s: float | None
    missed: int = 0


class _Roads:
    """The roads of all jobs, which are few, and the slots that they lead to."""

    def __init__(self, outlook: Outlook, settings: Settings) -> None:
        self._outlook = outlook
        self._settings = settings
        self._places = {capacity.name: place for place, capacity in enumerate(outlook.accounts)}
        self._known: dict[tuple[Any, ...], _Road] = {}
        self._models: list[dict[str, int]] = [{} for _ in outlook.accounts]

    def of(self, job: Work) -> _Road:
        """The road of a job."""
        lane = lane_of(job.request)
        key = (tuple(job.accounts), lane, kind_of("", job.request))
        if key not in self._known:
            places = [place for name in job.accounts if (place := self._places.get(name)) is not None]
            places = [place for place in places if self._opens(place, lane)]
            found = [_sample(self._outlook.samples, kind_of(self._name(place), job.request)) for place in places]
            self._known[key] = _Road(places, [sample or ASSUMED_S for sample in found], any(found))
        return self._known[key]

    def slots(self) -> list[int]:
        """By place: the slots of the account, or of those of its models that are used, if those are fewer."""
        pairs = zip(self._outlook.accounts, self._models, strict=True)
        return [min(capacity.slots, sum(models.values()) or capacity.slots) for capacity, models in pairs]

    def gaps(self) -> list[float]:
        """By place: seconds between two POSTs."""
        return [60.0 / item.per_minute if item.per_minute else 0.0 for item in self._outlook.accounts]

    def _name(self, place: int) -> str:
        return self._outlook.accounts[place].name

    def _opens(self, place: int, lane: str) -> bool:
        capacity = self._outlook.accounts[place]
        account = self._settings.account(capacity.name)
        model = (model_of(account.dialect, lane) if account is not None else None) or ""
        allowed = min(capacity.models.get(model, capacity.slots), capacity.slots)
        if allowed > 0:
            self._models[place][model] = allowed
        return allowed > 0


def _sample(samples: Mapping[Kind, Sequence[float]], kind: Kind) -> Sequence[float]:
    """The times of this kind of video; else those of the same account and tier, else of the account."""
    if samples.get(kind):
        return samples[kind]
    account, tier, _, _ = kind
    same_tier = [second for other, times in samples.items() if other[:2] == (account, tier) for second in times]
    return same_tier or [second for other, times in samples.items() if other[0] == account for second in times]


def _run(plans: Sequence[_Plan], others: int, roads: _Roads, rng: random.Random) -> list[float]:
    """When each job ends in one run, in seconds from now."""
    slots = [[0.0] * number for number in roads.slots()]
    gaps = roads.gaps()
    posted = [-gap for gap in gaps]
    ended = []

    def start(road: _Road) -> float:
        begin, nth = min((max(slots[place][0], posted[place] + gaps[place]), i) for i, place in enumerate(road.places))
        place, sample = road.places[nth], road.samples[nth]
        posted[place] = begin
        end = begin + sample[int(rng.random() * len(sample))] + OVERHEAD_S
        heapreplace(slots[place], end)
        return end

    for number, plan in enumerate(plans):
        if number < others:
            start(plan.road)
        ended.append(start(plan.road))
    return ended


def _quantile(ends: Sequence[float], share: float) -> float:
    return ends[min(int(share * len(ends)), len(ends) - 1)]


def _assumptions(served: Sequence[_Plan], plans: Sequence[_Plan], outlook: Outlook) -> list[str]:
    said = ["every job succeeds at its first attempt"]
    if any(not plan.road.learnt for plan in served):
        said.append("no generation time is known for some jobs yet: 1 to 4 minutes each")
    if outlook.waiting:
        said.append(f"every other slot goes to {plural(outlook.waiting, 'job')} of the queue")
    if outlook.stopped:
        said.append(f"not used at the moment: {', '.join(outlook.stopped)}")
    if len(served) < len(plans):
        said.append(f"no account that works at the moment takes {plural(len(plans) - len(served), 'job')}")
    return said
