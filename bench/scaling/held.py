"""The tasks that a simulated worker polls again by itself, with the rules of `worker.polling.held`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.scaling.job_table import Job
from bench.scaling.system import Steps, System
from worker.polling.held import MARGIN, MOST_HELD, TOGETHER_S


class HeldPolls:
    """The held tasks of a worker process. `ask` polls the jobs that are due, each with the end of its lease."""

    def __init__(self, system: System, ask: Callable[[Sequence[tuple[Job, float]]], Steps]) -> None:
        self._system, self._ask = system, ask
        self._rounds: dict[int, list[tuple[Job, float]]] = {}
        self._count = 0

    def hold(self, job: Job, due_in_s: float, lease_ends_s: float) -> bool:
        """Poll this job's task in `due_in_s`. False: its lease ends too early, or there are too many."""
        layout, now_s = self._system.layout, self._system.now_s
        last_s = now_s + due_in_s + layout.query_timeout_s + MARGIN * layout.poll_lease_s
        if last_s >= lease_ends_s or self._count * self._system.weight >= MOST_HELD:
            return False
        number = math.ceil((now_s + due_in_s) / TOGETHER_S)
        if number not in self._rounds:
            self._rounds[number] = []
            self._system.env.process(self._begin(number))
        self._rounds[number].append((job, lease_ends_s))
        self._count += 1
        return True

    def _begin(self, number: int) -> Steps:
        yield self._system.until(number * TOGETHER_S)
        tasks = self._rounds.pop(number)
        self._count -= len(tasks)
        yield from self._ask(tasks)
