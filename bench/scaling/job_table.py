"""The job table of the model: jobs by state and due time, in the order of the real claims."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count

from seedance.link_expiry import URGENT_SHARE
from storage.jobs.states import TERMINAL, JobState, check_transition


class Job:
    """One job, or a lot of jobs that are simulated as one. Times are seconds of the run."""

    __slots__ = (
        "account",
        "created_s",
        "detected_s",
        "due_s",
        "ends_s",
        "expires_s",
        "finished_s",
        "life_s",
        "mib",
        "polled_s",
        "polls",
        "reason",
        "refusals",
        "setbacks",
        "state",
        "submitted_s",
    )

    def __init__(self, created_s: float, mib: float, life_s: float) -> None:
        self.created_s, self.mib, self.life_s = created_s, mib, life_s
        self.state = JobState.QUEUED
        self.reason: str | None = None
        self.account = -1
        self.due_s = created_s
        self.submitted_s = self.ends_s = self.polled_s = self.detected_s = self.expires_s = self.finished_s = 0.0
        self.polls = self.refusals = self.setbacks = 0


class JobTable:
    """The only writer of states and due times."""

    def __init__(self) -> None:
        self.queued = 0
        self.lost: list[int] = []
        """Accounts of jobs whose lease ended before their POST; the scheduler frees their slots and clears it."""
        self.ended: dict[JobState, int] = dict.fromkeys(TERMINAL, 0)
        self._numbers = count()
        self._waiting: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._polls: list[tuple[float, int, Job]] = []
        self._copies_later: list[tuple[float, int, Job]] = []
        self._copies: list[tuple[float, int, Job]] = []

    def set(self, job: Job, state: JobState, due_s: float) -> None:
        """Set the state and the due time of a job.

        Raises:
            ValueError: the real state machine does not allow it.
        """
        if state is not job.state or state in TERMINAL:
            check_transition(job.state, state)
        job.state, job.due_s = state, due_s
        if state in TERMINAL:
            self.ended[state] += 1
            return
        entry = (due_s, next(self._numbers), job)
        if state is JobState.QUEUED:
            heapq.heappush(self._later, entry)
        elif state is JobState.GENERATING:
            heapq.heappush(self._polls, entry)
        elif state is JobState.TRANSFERRING:
            heapq.heappush(self._copies_later, entry)

    def add(self, job: Job) -> None:
        """Enqueue a job."""
        self.queued += 1
        self._waiting.append(job)

    def _due(self, heap: list[tuple[float, int, Job]], state: JobState, now_s: float) -> Iterator[Job]:
        """Jobs that are due. An entry that no longer matches its job is stale and skipped."""
        while heap and heap[0][0] <= now_s:
            due_s, _, job = heapq.heappop(heap)
            if job.state is state and job.due_s == due_s:
                yield job

    def claim_polls(self, now_s: float, limit: int, lease_s: float) -> list[Job]:
        """Claim due polls, the longest overdue first."""
        return self._lease(self._due(self._polls, JobState.GENERATING, now_s), limit, now_s + lease_s)

    def _lease(self, due: Iterator[Job], limit: int, until_s: float) -> list[Job]:
        found = [job for _, job in zip(range(limit), due, strict=False)]
        for job in found:
            self.set(job, job.state, until_s)
        return found

    def claim_transfers(self, now_s: float, limit: int, lease_s: float, *, urgent: bool) -> list[Job]:
        """Claim due transfers, the URL that expires first in front; `urgent`: only URLs near their expiry."""
        for job in self._due(self._copies_later, JobState.TRANSFERRING, now_s):
            heapq.heappush(self._copies, (job.expires_s, next(self._numbers), job))

        def ready() -> Iterator[Job]:
            while self._copies:
                job = self._copies[0][2]
                if urgent and job.expires_s - now_s >= job.life_s * URGENT_SHARE:
                    return
                heapq.heappop(self._copies)
                if job.state is JobState.TRANSFERRING and job.due_s <= now_s:
                    yield job

        return self._lease(ready(), limit, now_s + lease_s)

    def claim_submits(self, account: int, now_s: float, limit: int, lease_s: float) -> list[Job]:
        """Claim queued jobs: jobs that were tried before first, then the oldest."""
        for job in self._due(self._later, JobState.QUEUED, now_s):
            if job.account >= 0:  # claimed, but the lease ended before the POST
                self.lost.append(job.account)
                self.queued += 1
                job.account = -1
            self._waiting.appendleft(job)
        found = [self._waiting.popleft() for _ in range(min(max(limit, 0), len(self._waiting)))]
        self.queued -= len(found)
        for job in found:
            job.account = account
            self.set(job, JobState.QUEUED, now_s + lease_s)
        return found

    def has_queued(self, now_s: float) -> bool:
        """Whether a claim may find queued jobs."""
        return self.queued > 0 or bool(self._later and self._later[0][0] <= now_s)

    def requeue(self, job: Job, due_s: float) -> None:
        """Return a job to the queue, for any account."""
        job.account = -1
        self.queued += 1
        self.set(job, JobState.QUEUED, due_s)
