"""How to pace the polls of each account's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedance.client import GatewayClient
from seedance.errors import GatewayError
from seedance.gateways.base import TaskReport, TaskStatus
from storage.jobs.durations import kind_of
from storage.jobs.records import Work
from worker.polling.forecasts import Forecasts
from worker.polling.pacing import PollPacing
from worker.polling.thinning import Thinning
from worker.runtime import Part, Runtime

_AT_WORK = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING})


class PollPlan(Part):
    """The bounds from the settings, and the forecasts of this process."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.pacing = PollPacing(runtime.settings.poll_min_seconds, runtime.settings.poll_max_seconds)
        self.forecasts = Forecasts(runtime.database)
        self.thinning = Thinning()
        self.lists_again_at: dict[str, float] = {}
        """By account: when to try its task list again after a refusal, on the monotonic clock."""

    def pacing_for(self, client: GatewayClient, request: Mapping[str, Any]) -> PollPacing:
        """The pacing of a task: by the forecast for its kind, if there is one.

        If the gateway calls back, polls are only a fallback and therefore rare.
        """
        if self._is_called_back(client):
            return PollPacing(self.pacing.max_s, self.pacing.max_s)
        forecast = self.forecasts.get(kind_of(client.account.name, request))
        return self.pacing if forecast is None else PollPacing(self.pacing.min_s, self.pacing.max_s, forecast)

    def note(self, client: GatewayClient, work: Work, result: TaskReport | GatewayError) -> None:
        """Learn from one answer about a task how long such tasks take. Where the gateway calls back, polls do not show
        it: they come when it calls."""
        if not isinstance(result, TaskReport) or work.submitted_age_s is None or work.generated_age_s is not None:
            return
        finished = result.status is TaskStatus.SUCCEEDED
        if (finished or result.status in _AT_WORK) and not self._is_called_back(client):
            age_s, seen_s = work.submitted_age_s, None
            if work.unfinished_age_s is not None and work.unfinished_age_s < age_s:  # not of an earlier attempt
                seen_s = age_s - work.unfinished_age_s
            self.forecasts.note(kind_of(client.account.name, work.request), seen_s, age_s, finished=finished)

    def is_worth_recording(self, client: GatewayClient, request: Mapping[str, Any], age_s: float) -> bool:
        """Whether the database is to know how long a generation took that has just ended."""
        return self.thinning.take(kind_of(client.account.name, request), age_s)

    def _is_called_back(self, client: GatewayClient) -> bool:
        calls = client.account.callbacks and client.dialect.capabilities().callbacks
        return bool(calls and self.runtime.settings.public_url)
