"""Accounts: what the gateway allows, what we count, and what we learn from "too many"."""

from __future__ import annotations

import heapq
from collections import deque

from bench.scaling.machinery import Layout
from seedance.account import Account
from storage.accounts import SHRINK_APART_S
from storage.admission import LockedAccount, Usage
from worker.admission import GROW_AFTER_S, GROW_SHARE, free_slots

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
        self.slot_limit: int | None = None
        self._limit_at_s = float("-inf")
        self.throttled_until_s = 0.0
        self._started: deque[float] = deque()
        self._running: list[float] = []
        self._accepted: deque[float] = deque()
        self.refused = 0
        self.most_running = 0

    def free(self, now_s: float) -> int:
        """How many more jobs it may be given, by the rule that the scheduler uses."""
        if now_s < self.throttled_until_s:
            return 0
        quiet = now_s - self._limit_at_s > GROW_AFTER_S
        if self.slot_limit is not None and quiet:
            most = self._account.max_in_flight
            raised = self.slot_limit + max(1, most // GROW_SHARE)
            self.slot_limit, self._limit_at_s = (raised if raised < most else None), now_s
        _forget(self._started, now_s)
        state = LockedAccount("a", False, self.slot_limit, quiet)
        usage = Usage("a", self.in_flight, self.claimed, self.claimed)
        return free_slots(self._account, state, usage, len(self._started) * self._weight)

    def claim(self, jobs: int) -> None:
        """Jobs were given to it."""
        self.in_flight += jobs
        self.claimed += jobs

    def begin(self, now_s: float, jobs: int) -> None:
        """Their attempts are committed."""
        self.claimed -= jobs
        self._started.extend([now_s] * (jobs // self._weight))

    def release(self, jobs: int) -> None:
        """They hold no slot any more."""
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

    def throttle(self, now_s: float, seconds: float) -> None:
        """It said "too many": rest, and less at once after that."""
        self.throttled_until_s = max(self.throttled_until_s, now_s + seconds)
        if now_s - self._limit_at_s > SHRINK_APART_S:
            self.slot_limit = max(1, (self.slot_limit or self._account.max_in_flight) // 2)
            self._limit_at_s = now_s


def _forget(times: deque[float], now_s: float) -> None:
    while times and times[0] <= now_s - WINDOW_S:
        times.popleft()
