"""Accounts: what the gateway allows, what we count, and what we learn from "too many"."""

from __future__ import annotations

import heapq
from collections import deque

from bench.scaling.machinery import Layout
from seedance.account import Account
from storage.admission.circuit_breaker import JOBS_IN_A_ROW, REST_CAP_S, REST_GROWTH, REST_S
from storage.admission.slot_limits import SlotLimit, pause_s
from storage.admission.usage import LockedAccount, Usage
from worker.scheduling.admission import free_slots, learnt

WINDOW_S = 60.0


class Quota:
    """One account. Counts are of jobs; `weight` of them go together."""

    def __init__(self, layout: Layout, weight: int) -> None:
        told = {"name": "a", "gateway": "anyfast", "base_url": "https://g", "api_key": "k"}
        limits = {"max_in_flight": layout.max_in_flight, "requests_per_minute": layout.requests_per_minute}
        self._account = Account.model_validate(told | limits)
        self._allowed = layout.gateway_limit or layout.max_in_flight
        self._weight = weight
        self.in_flight = 0
        """Our count: claimed, being submitted, generating until a poll finds it finished."""
        self.claimed = 0
        self.submitting = self.generating = 0
        self.limit = SlotLimit()
        self._limit_at_s = float("-inf")
        self.throttles = self.rests = self._failed = 0
        """In a row, without an acceptance between them."""
        self.throttled_until_s = self.rests_until_s = float("-inf")
        self._started: deque[float] = deque()
        self._running: list[float] = []
        self._accepted: deque[float] = deque()
        self.refused = 0
        self.most_running = 0

    def free(self, now_s: float) -> int:
        """How many more jobs it may be given, by the rules that the scheduler uses."""
        if now_s < max(self.throttled_until_s, self.rests_until_s):
            return 0
        _forget(self._started, now_s)
        most, unchanged_s = self._account.max_in_flight, now_s - self._limit_at_s
        usage = Usage("a", self.in_flight, self.claimed, self.claimed + self.submitting, self.generating)
        limit = learnt(self.limit, usage, unchanged_s, most)
        if limit != self.limit:
            self.limit, self._limit_at_s = limit, now_s
        state = LockedAccount("a", self.rests > 0, self.rests > 0, self.throttles, limit, unchanged_s)
        free = free_slots(self._account, state, usage, len(self._started) * self._weight)
        return free * self._weight if state.probes(most) is not None else free

    def claim(self, jobs: int) -> None:
        """Jobs were given to it."""
        self.in_flight += jobs
        self.claimed += jobs

    def begin(self, now_s: float, jobs: int) -> None:
        """Their attempts are committed."""
        self.claimed -= jobs
        self.submitting += jobs
        self._started.extend([now_s] * (jobs // self._weight))

    def accept(self, jobs: int, started_s: float) -> None:
        """The gateway took them, as is known now."""
        self.submitting -= jobs
        self.generating += jobs
        self._failed = 0
        if started_s > self.throttled_until_s:
            self.throttles = 0
        if started_s > self.rests_until_s:
            self.rests = 0

    def give_back(self, jobs: int) -> None:
        """It did not take them, or nobody knows."""
        self.submitting -= jobs
        self.in_flight -= jobs

    def finish(self, jobs: int) -> None:
        """A poll found them done."""
        self.generating -= jobs
        self.in_flight -= jobs

    def post(self, at_s: float, generation_s: float) -> float | None:
        """A POST arrives at the gateway: when its video will be done, None for "too many"."""
        while self._running and self._running[0] <= at_s:
            heapq.heappop(self._running)
        most = self._account.requests_per_minute
        _forget(self._accepted, at_s)
        full = (len(self._running) + 1) * self._weight > self._allowed
        if full or (most is not None and (len(self._accepted) + 1) * self._weight > most):
            self.refused += 1
            return None
        self._accepted.append(at_s)
        heapq.heappush(self._running, at_s + generation_s)
        self.most_running = max(self.most_running, len(self._running) * self._weight)
        return at_s + generation_s

    def throttle(self, now_s: float) -> None:
        """It said "too many": as `storage.admission.throttling`."""
        if now_s < self.throttled_until_s:
            return
        self.throttles += 1
        self.throttled_until_s = now_s + pause_s(self.throttles)
        if self.throttles <= 2:  # the gateway of the model refuses for nothing but slots
            self.limit, self._limit_at_s = self.limit.refused(self.generating, self._account.max_in_flight), now_s

    def fail(self, now_s: float, started_s: float) -> bool:
        """It could not be reached: whether that counts against the account, as `storage.admission.circuit_breaker`."""
        if now_s < self.rests_until_s:
            return True
        self._failed += self._weight
        if self.rests == 0 and self._failed < JOBS_IN_A_ROW:
            return False
        if started_s >= self.rests_until_s:
            self.rests_until_s = now_s + min(REST_CAP_S, REST_S * REST_GROWTH ** min(self.rests, 30))
            self.rests += 1
        return True


def _forget(times: deque[float], now_s: float) -> None:
    while times and times[0] <= now_s - WINDOW_S:
        times.popleft()
