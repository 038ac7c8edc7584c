"""The whole system as a discrete-event simulation: the shared state of a run and its counts.

Every simulated job represents `weight` jobs: its costs, slots, bytes and batches count `weight` times.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Any
from uuid import UUID

import simpy

from bench.scaling.costs import WAL, Costs
from bench.scaling.job_table import Job, JobTable
from bench.scaling.machinery import Cores, Cpu, Layout
from bench.scaling.quotas import Quota
from bench.scaling.workload import Latency, Outages, Workload
from storage.jobs.records import Work
from storage.jobs.states import TERMINAL, JobState
from worker.batch import GATHER_S, WRITE_FOR_S
from worker.decisions import Decision

Steps = Generator[simpy.Event, Any, None]
LATE_S = 300.0
CONNECT_TIMEOUT_S = 30.0  # a worker's wait for a database connection; after it the message is lost

_ID, _EPOCH = UUID(int=0), datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Message:
    """A batch of jobs, each with the end of its lease, which identifies a job that has moved on. It represents `units`
    messages."""

    kind: str
    items: Sequence[tuple[Job, float]]
    units: int

    def held(self, state: JobState, now_s: float) -> list[Job]:
        """The jobs whose lease is still held."""
        return [job for job, due_s in self.items if job.state is state and job.due_s == due_s > now_s]


@dataclass(slots=True)
class Tally:
    """Counts of a run; the lists have one entry per simulated job, in seconds."""

    queue_waits: list[float] = field(default_factory=list)
    detections: list[float] = field(default_factory=list)
    lives_used: list[float] = field(default_factory=list)
    """Shares of a URL's life that had passed when the copy was done."""
    polls: int = 0
    posts: int = 0
    transactions: int = 0
    rounds: int = 0
    parts: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """How often each part of the work was done, by process and part; see `bench.scaling.costs.PARTS`."""
    messages: int = 0
    last_s: float = 0.0
    last_late_s: float = 0.0
    """When the last job ended that the system had delayed by more than `LATE_S`."""
    most_queued: int = 0
    most_copies_waiting: int = 0


class System:
    """The state that the simulated scheduler and workers share: clock, machines, job table, costs."""

    def __init__(
        self, work: Workload, layout: Layout, costs: Costs, outages: Outages, *, seed: int, weight: int, warm_s: float
    ) -> None:
        self.env = simpy.Environment()
        self.work, self.layout, self.costs, self.outages = work, layout, costs, outages
        self.weight, self.warm_s, self.lots = weight, warm_s, work.jobs // weight
        self.rng = random.Random(seed)
        self.table, self.tally = JobTable(), Tally()
        machine = Cores(layout.machine_cores) if layout.machine_cores else None
        self.database = Cores(layout.database_cores) if machine is None else machine
        self.submit_poll_threads_s = 0.0
        self.schedulers = [Cpu(machine) for _ in range(layout.schedulers)]
        self.submit_poll = [Cpu(machine) for _ in range(layout.submit_poll)]
        self.transfer = [Cpu(machine) for _ in range(layout.transfer)]
        self.quotas = [Quota(layout, weight) for _ in range(layout.accounts)]
        self.queues: dict[str, simpy.Store] = {"work": simpy.Store(self.env), "copies": simpy.Store(self.env)}
        self.waiting: dict[str, int] = defaultdict(int)
        self.in_transfer = 0
        self.done = simpy.Event(self.env)
        self.hints: set[str] = set()
        """Queues for which work may be due."""
        self.hinted = simpy.Event(self.env)
        self.unfollowed = 0.0
        """Hints of single jobs, where lots are simulated, that no round has followed."""
        self._writes: dict[tuple[int, float], int] = {}

    @property
    def now_s(self) -> float:
        return float(self.env.now)

    def until(self, at_s: float) -> simpy.Event:
        """An event at that time, or now if it has passed."""
        return self.env.timeout(max(0.0, at_s - self.now_s))

    def hint(self, queue: str) -> None:
        """Say that work may be due. A lot is many jobs, whose hints come one by one."""
        if self.weight > 1:
            self.unfollowed += self.weight
        else:
            self.hints.add(queue)
            if not self.hinted.triggered:
                self.hinted.succeed()

    def take_hints(self) -> set[str]:
        """The hints that were given since they were last taken."""
        hints, self.hints = self.hints, set()
        if self.hinted.triggered:
            self.hinted = simpy.Event(self.env)
        return hints

    # --- costs ---

    def spend(self, role: str, **times: float) -> float:
        """Count parts of the work of a kind of process; returns the CPU seconds that they take."""
        for part, number in times.items():
            self.tally.parts[role, part] += number
        return self.costs.of(role, **times) / 1000

    def log(self, **times: float) -> None:
        """Count what PostgreSQL writes to its log."""
        for part, number in times.items():
            self.tally.parts[WAL, part] += number

    def transact(
        self, cpu: Cpu, at_s: float, calls: float, own_s: float = 0.0, *, jobs: float = 0.0, still: float = 0.0
    ) -> float:
        """Run transactions of a worker from `at_s` on, which take `own_s` of its CPU; returns the time of the last
        commit. `jobs`: simulated jobs whose rows are written; `still`: those of tasks that have not ended."""
        jobs, still = jobs * self.weight, still * self.weight
        self.tally.transactions += ceil(calls)
        self.log(transaction=calls, job=jobs, still=still)
        sent_s = cpu.book(self.outages.up_at("database", at_s), own_s)
        return self.database.book(sent_s, self.spend("database", transaction=calls, job=jobs))

    def enqueued(self) -> None:
        """Count what the database does to store a simulated job; the client's part is not of reelq's processes here."""
        times = {"enqueue": self.weight / self.work.enqueued_together, "enqueued": self.weight}
        self.log(**times)
        self.database.book(self.now_s, self.spend("database", **times))

    def batches(self, jobs: int, size: int) -> int:
        """Number of messages of `size` jobs for `jobs` simulated ones."""
        return ceil(jobs * self.weight / size)

    def writes(self, group: int, latency: Latency, size: int) -> float:
        """Number of transactions that write the outcomes of a group of simulated jobs. The outcomes of a real batch
        arrive one after the other, and only those within a few milliseconds share a transaction."""
        if self.weight == 1:
            return 1.0
        jobs = group * self.weight
        full = min(jobs, size)
        key = (full, latency.median_s)
        if key not in self._writes:
            rng = random.Random(0)
            answers = sorted(latency.draw(rng) for _ in range(full))
            self._writes[key] = sum(1 for _ in gathered(answers))
        return self._writes[key] * jobs / full

    # --- outcomes ---

    def work_of(self, job: Job, loaded_s: float) -> Work:
        """The job as a worker sees it that loaded it at `loaded_s`."""
        return Work(
            id=_ID,
            claim=1,
            state=job.state,
            attempt=1,
            refusals=job.refusals,
            setbacks=job.setbacks,
            polls=job.polls,
            reason=job.reason,
            account="a",
            request={},
            gateway_task_id="task",
            video_url=None,
            last_frame_url=None,
            created_at=_EPOCH,
            submitted_age_s=loaded_s - job.submitted_s,
            generated_age_s=loaded_s - job.detected_s,
            deadline_in_s=None,
            expires_in_s=job.expires_s - loaded_s,
            cancel_request=None,
        )

    def apply_decision(self, job: Job, decision: Decision) -> None:
        """Write a worker's decision about a job."""
        job.reason = decision.reason
        job.refusals = decision.patch.get("refusals", job.refusals)
        job.setbacks = decision.patch.get("setbacks", job.setbacks)
        if decision.target in TERMINAL:
            self.end(job, decision.target)
        elif decision.target is JobState.QUEUED:
            self.table.requeue(job, self.now_s + decision.due_in_s)
        else:
            self.table.set(job, decision.target, self.now_s + decision.due_in_s)

    def write_out(
        self,
        outcomes: list[tuple[float, Job, Any]],
        write: Callable[[list[tuple[float, Job, Any]]], float],
        apply: Callable[[Job, Any], None],
        lost: Callable[[Job], None],
        gather_s: float = GATHER_S,
    ) -> Steps:
        """Write outcomes as they arrive, those within `gather_s` together, as `worker.batch` does."""
        outcomes.sort(key=lambda outcome: outcome[0])
        at = 0
        while at < len(outcomes):
            first_s = max(self.now_s, outcomes[at][0])
            upto = at + 1
            while upto < len(outcomes) and outcomes[upto][0] <= first_s + gather_s:
                upto += 1
            group = outcomes[at:upto]
            yield self.until(max(first_s, group[-1][0]) if upto == len(outcomes) else first_s + gather_s)
            if self.outages.up_at("database", self.now_s) - self.now_s > WRITE_FOR_S:
                yield self.env.timeout(WRITE_FOR_S)
                for _, job, _ in group:
                    lost(job)
            else:
                yield self.until(write(group))
                for _, job, outcome in group:
                    apply(job, outcome)
            at = upto

    def end(self, job: Job, state: JobState) -> None:
        """End a job."""
        self.table.set(job, state, self.now_s)
        job.finished_s = self.tally.last_s = self.now_s
        if job.finished_s - job.created_s - (job.ends_s - job.submitted_s) > LATE_S:
            self.tally.last_late_s = self.now_s
        if job.created_s >= self.warm_s and state is JobState.SUCCEEDED:
            self.tally.queue_waits.append(job.submitted_s - job.created_s)
            self.tally.detections.append(job.detected_s - job.ends_s)
            self.tally.lives_used.append((job.finished_s - job.ends_s) / job.life_s)
        if sum(self.table.ended.values()) >= self.lots and not self.done.triggered:
            self.done.succeed()


def gathered(answers: Sequence[float]) -> Generator[int, None, None]:
    """Group sorted times: each group spans `GATHER_S` from its first time. Yields the sizes of the groups."""
    at = 0
    while at < len(answers):
        upto = at
        while upto < len(answers) and answers[upto] <= answers[at] + GATHER_S:
            upto += 1
        yield upto - at
        at = upto
