"""How far a video is, and when to ask again, from how long such videos took lately."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from producer.http.problems import ApiProblem
from producer.http.service import Service
from storage.database import DatabaseUnavailable
from storage.jobs import durations
from storage.jobs.durations import Kind, kind_of
from storage.jobs.records import JobView
from storage.jobs.states import JobState

REFRESH_S = 10.0
MIN_SAMPLE = 5
_ALMOST = 99
_SHARE_DONE = 0.9
_UNKNOWN_MS, _SOONEST_MS, _LATEST_MS = 5_000, 1_000, 10_000
_LOOKS = 15
"""Polls during a generation of usual length."""


class Progress:
    """Recent generation times, refreshed every few seconds."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._samples: dict[Kind, tuple[float, ...]] = {}
        self._read_at = -math.inf

    async def refresh(self) -> None:
        """Read the latest times, if the known ones are old. A failure keeps those: a job that is stored must not be
        answered with an error."""
        if time.monotonic() - self._read_at > REFRESH_S:
            self._read_at = time.monotonic()
            with suppress(DatabaseUnavailable, ApiProblem):
                self._samples = await self._service.read(durations.samples)

    def percent(self, job: JobView) -> int:
        """0 to 100. While a video is generated: its age as a share of the time in which nine of ten such videos were
        done; 0 if too few are known."""
        if job.state is JobState.SUCCEEDED:
            return 100
        if job.state is JobState.TRANSFERRING:
            return _ALMOST
        sample = self._sample(job)
        if job.state is not JobState.GENERATING or not sample or job.submitted_at is None:
            return 0
        age_s = (datetime.now(UTC) - job.submitted_at).total_seconds()
        return max(0, min(int(100 * age_s / max(_quantile(sample, _SHARE_DONE), 0.001)), _ALMOST))

    def ask_again_ms(self, job: JobView) -> int:
        """After how many milliseconds to ask again."""
        sample = self._sample(job)
        if not sample:
            return _UNKNOWN_MS
        return max(_SOONEST_MS, min(int(1000 * _quantile(sample, 0.5) / _LOOKS), _LATEST_MS))

    def _sample(self, job: JobView) -> Sequence[float]:
        found = self._samples.get(kind_of(job.account or "", job.request), ())
        return found if len(found) >= MIN_SAMPLE else ()


def _quantile(sample: Sequence[float], share: float) -> float:
    return sorted(sample)[min(int(len(sample) * share), len(sample) - 1)]
