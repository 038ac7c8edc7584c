"""Play a round and judge it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from storage.jobs.states import JobState
from tests.chaos.gateway_faults import KINDS, rules_for
from tests.chaos.promises import Verdict
from tests.chaos.rounds import Round
from tests.chaos.system import System

REST_S = 180.0
JOBS_PER_KIND = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `recovered_s`: from the end of the fault until the last job was at rest."""

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
    """Enqueue, break, restore, wait for every job to be at rest, judge."""
    ids = system.enqueue(jobs or item.jobs, item.fault)
    system.under_way(ids)
    try:
        item.strike(system, ids)
    finally:
        system.restore()
    return Row(item.fault, 1, *_settle(system, ids))


def _settle(system: System, ids: Sequence[UUID]) -> tuple[Verdict, float]:
    since = time.monotonic()
    with suppress(AssertionError):  # the verdict names the jobs that have not ended
        system.parts.wait_final(ids, REST_S)
    recovered_s = time.monotonic() - since
    return system.judge(ids), recovered_s


def play_gateway_faults(system: System, *, jobs: int = JOBS_PER_KIND) -> list[Row]:
    """Every kind of gateway fault at the same time, each on an account of its own."""
    system.parts.add_faults(*rules_for(system.trouble))
    by_kind = {name: system.parts.enqueue(jobs, f"kind {name}", account=name) for name in system.trouble}
    since = time.monotonic()
    every = [job_id for ids in by_kind.values() for job_id in ids]
    _, _ = _settle(system, every)
    system.parts.clear_faults()
    ended = {job.id: job.finished_at or job.updated_at for job in system.parts.jobs(every)}
    begun = {job.id: job.created_at for job in system.parts.jobs(every)}
    rows = []
    for name, ids in by_kind.items():
        verdict = system.parts.judge(ids)
        verdict.broken += unexpected(name, system.parts.states(ids))
        took_s = max((ended[job_id] - begun[job_id]).total_seconds() for job_id in ids)
        rows.append(Row(f"gateway: {name}", 1, verdict, min(took_s, time.monotonic() - since)))
    rows[-1].verdict.broken += system.parts.left_behind() + system.leaks()
    return rows


def unexpected(name: str, states: dict[JobState, int]) -> list[str]:
    """What a kind of fault should not have led to."""
    allowed = {"": set(), "held": {JobState.UNCONFIRMED}, "failed": {JobState.FAILED}}[KINDS[name][0]]
    wrong = set(states) - {JobState.SUCCEEDED} - allowed
    problems = [f"{name}: {states[state]} jobs are {state}" for state in wrong]
    if allowed and not allowed & set(states):
        problems.append(f"{name}: the fault hit nothing: {dict(states)}")
    return problems
