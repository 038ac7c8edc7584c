"""Play a round and judge it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from storage.jobs.records import JobView
from storage.jobs.states import TERMINAL, JobState
from tests.chaos.gateway_faults import KINDS, rules_for
from tests.chaos.promises import Verdict
from tests.chaos.rounds import Round
from tests.chaos.system import System

END_S = 180.0
JOBS_PER_KIND = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. `recovered_s`: from the end of the fault until the last job had ended or was held."""

    fault: str
    rounds: int
    verdict: Verdict
    recovered_s: float

    def cells(self) -> tuple[str, ...]:
        v = self.verdict
        numbers = (self.rounds, v.jobs, v.succeeded, v.failed, v.lost, v.paid_twice, v.held)
        return (self.fault, *map(str, numbers), f"{self.recovered_s:.1f}")


HEADINGS = ("fault", "rounds", "jobs", "succeeded", "failed", "lost", "paid twice", "held", "recovered in (s)")


def play(system: System, item: Round, *, jobs: int | None = None) -> Row:
    """Enqueue jobs, inject the fault, restore, wait until every job has ended or is held, judge."""
    ids = system.enqueue(jobs or item.jobs, item.fault)
    system.under_way(ids)
    try:
        item.inject(system, ids)
    finally:
        system.restore()
    verdict, recovered_s = _wait_and_judge(system, ids)
    verdict.broken += ended_without_video(system.parts.jobs(ids))
    return Row(item.fault, 1, verdict, recovered_s)


def ended_without_video(jobs: Sequence[JobView]) -> list[str]:
    """Jobs that ended otherwise than with a video. In these rounds nothing refuses, fails or cancels one."""
    wrong = [job for job in jobs if job.state in TERMINAL and job.state is not JobState.SUCCEEDED]
    return [f"{job.id}: {job.state}, although no gateway or person said so: {job.error or job.reason}" for job in wrong]


def _wait_and_judge(system: System, ids: Sequence[UUID]) -> tuple[Verdict, float]:
    since = time.monotonic()
    with suppress(AssertionError):  # the verdict names the jobs that have not ended
        system.parts.wait_final(ids, END_S)
    recovered_s = time.monotonic() - since
    return system.judge(ids), recovered_s


def play_gateway_faults(system: System, *, jobs: int = JOBS_PER_KIND) -> list[Row]:
    """Every kind of gateway fault at the same time, each on an account of its own."""
    system.parts.add_faults(*rules_for(system.fault_keys))
    by_kind = {name: system.parts.enqueue(jobs, f"kind {name}", account=name, seed=42) for name in system.fault_keys}
    since = time.monotonic()
    every = [job_id for ids in by_kind.values() for job_id in ids]
    _, _ = _wait_and_judge(system, every)
    system.parts.clear_faults()
    ended = {job.id: job.finished_at or job.updated_at for job in system.parts.jobs(every)}
    started = {job.id: job.created_at for job in system.parts.jobs(every)}
    rows = []
    for name, ids in by_kind.items():
        verdict = system.parts.judge(ids)
        verdict.broken += unexpected(name, verdict.states)
        took_s = max((ended[job_id] - started[job_id]).total_seconds() for job_id in ids)
        rows.append(Row(f"gateway: {name}", 1, verdict, min(took_s, time.monotonic() - since)))
    rows[-1].verdict.broken += system.parts.left_behind() + system.leaks()
    return rows


def unexpected(name: str, states: Mapping[JobState, int]) -> list[str]:
    """States that this kind of fault must not lead to, or that it had no effect."""
    allowed = {"": set(), "held": {JobState.UNCONFIRMED}, "failed": {JobState.FAILED}}[KINDS[name][0]]
    wrong = set(states) - {JobState.SUCCEEDED} - allowed
    problems = [f"{name}: {states[state]} jobs are {state}" for state in wrong]
    if allowed and not allowed & set(states):
        problems.append(f"{name}: the fault hit nothing: {dict(states)}")
    return problems
