"""The slots an account has in use, and how many more jobs it accepts by the scheduler's rules."""

from __future__ import annotations

from bench.scaling.machinery import Layout
from seedance.account import Account
from storage.admission.circuit_breaker import JOBS_IN_A_ROW, PROBES
from storage.admission.grants import free_slots
from storage.admission.usage import Usage
from worker.retry import OUTAGE


class Quota:
    """One account. It counts jobs; `weight` of them are simulated as one."""

    def __init__(self, layout: Layout, weight: int) -> None:
        self._account = Account.model_validate(
            {
                "name": "a",
                "gateway": "evolink",
                "base_url": "https://g",
                "api_key": "k",
                "max_in_flight": layout.max_in_flight,
            }
        )
        self._weight = weight
        self.in_flight = 0
        """Jobs that hold a slot: claimed, being submitted, or generating until a poll finds them finished."""
        self.claimed = self.submitting = self.generating = 0
        self.most_in_flight = 0
        self.pauses = self._failed = 0
        """Consecutive pauses and failed POSTs, with no accepted POST in between."""
        self.paused_until_s = float("-inf")

    @property
    def account(self) -> Account:
        """The account for the real code."""
        return self._account

    def free(self, now_s: float) -> int:
        """How many more jobs it accepts."""
        if now_s < self.paused_until_s:
            return 0
        usage = Usage(self.in_flight, self.claimed, self.claimed + self.submitting, self.generating)
        slots = free_slots(self._account, usage, started=0)
        return min(slots, (PROBES - usage.starting) * self._weight) if self.pauses > 0 else slots

    def claim(self, jobs: int) -> None:
        """Jobs were claimed for it."""
        self.in_flight += jobs
        self.claimed += jobs
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def begin(self, jobs: int) -> None:
        """Their attempts are committed."""
        self.claimed -= jobs
        self.submitting += jobs

    def accept(self, jobs: int, started_s: float) -> None:
        """The gateway accepted them."""
        self.submitting -= jobs
        self.generating += jobs
        self._failed = 0
        if started_s > self.paused_until_s:
            self.pauses = 0

    def release(self, jobs: int) -> None:
        """The gateway did not accept them, or the outcome is unknown."""
        self.submitting -= jobs
        self.in_flight -= jobs

    def finish(self, jobs: int) -> None:
        """A poll found them finished."""
        self.generating -= jobs
        self.in_flight -= jobs

    def fail(self, now_s: float, started_s: float) -> None:
        """A POST could not be sent; several in a row open the circuit breaker. The real rule is an SQL statement over
        attempts (`storage.admission.circuit_breaker`), so only its numbers are used here."""
        if now_s < self.paused_until_s:
            return
        self._failed += self._weight
        if self.pauses == 0 and self._failed < JOBS_IN_A_ROW:
            return
        if started_s >= self.paused_until_s:
            self.pauses += 1
            self.paused_until_s = now_s + OUTAGE.wait_s(self.pauses)
