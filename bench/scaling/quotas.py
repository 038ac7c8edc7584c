"""What an account has in use, and how many more jobs it takes by the rules of the scheduler."""

from __future__ import annotations

from bench.scaling.machinery import Layout
from seedance.account import Account
from storage.admission.circuit_breaker import JOBS_IN_A_ROW, PROBES
from storage.admission.grants import free_slots
from storage.admission.usage import Usage
from worker.retry import OUTAGE


class Quota:
    """One account. Counts are of jobs; `weight` of them go together."""

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
        """Our count: claimed, being submitted, generating until a poll finds it finished."""
        self.claimed = self.submitting = self.generating = 0
        self.most_in_flight = 0
        self.rests = self._failed = 0
        """In a row, with nothing accepted in between."""
        self.rests_until_s = float("-inf")

    @property
    def account(self) -> Account:
        """The account as the real code knows it."""
        return self._account

    def free(self, now_s: float) -> int:
        """How many more jobs it takes."""
        if now_s < self.rests_until_s:
            return 0
        usage = Usage(self.in_flight, self.claimed, self.claimed + self.submitting, self.generating)
        slots = free_slots(self._account, usage, started=0)
        return min(slots, (PROBES - usage.starting) * self._weight) if self.rests > 0 else slots

    def claim(self, jobs: int) -> None:
        """Jobs were given to it."""
        self.in_flight += jobs
        self.claimed += jobs
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def begin(self, jobs: int) -> None:
        """Their attempts are committed."""
        self.claimed -= jobs
        self.submitting += jobs

    def accept(self, jobs: int, started_s: float) -> None:
        """The gateway took them."""
        self.submitting -= jobs
        self.generating += jobs
        self._failed = 0
        if started_s > self.rests_until_s:
            self.rests = 0

    def give_back(self, jobs: int) -> None:
        """It did not take them, or what became of them is unknown."""
        self.submitting -= jobs
        self.in_flight -= jobs

    def finish(self, jobs: int) -> None:
        """A poll found them done."""
        self.generating -= jobs
        self.in_flight -= jobs

    def fail(self, now_s: float, started_s: float) -> None:
        """A POST could not be sent: several in a row open the breaker. The real rule is a statement over the attempts
        (`storage.admission.circuit_breaker`), so its numbers are used here."""
        if now_s < self.rests_until_s:
            return
        self._failed += self._weight
        if self.rests == 0 and self._failed < JOBS_IN_A_ROW:
            return
        if started_s >= self.rests_until_s:
            self.rests += 1
            self.rests_until_s = now_s + OUTAGE.wait_s(self.rests)
