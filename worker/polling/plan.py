"""How to pace the polls of each account's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seedance.client import GatewayClient
from storage.jobs.durations import kind_of
from worker.polling.forecasts import Forecasts
from worker.polling.pacing import PollPacing
from worker.runtime import Part, Runtime


class PollPlan(Part):
    """The bounds from the settings, and the forecasts of this process."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.pacing = PollPacing(runtime.settings.poll_min_seconds, runtime.settings.poll_max_seconds)
        self.forecasts = Forecasts(runtime.database)
        self.lists_again_at: dict[str, float] = {}
        """By account: when to try its task list again after a refusal, on the monotonic clock."""

    def pacing_for(self, client: GatewayClient, request: Mapping[str, Any]) -> PollPacing:
        """The pacing of a task: by the forecast for its kind, if there is one.

        If the gateway calls back, polls are only a fallback and therefore rare.
        """
        calls_back = client.account.callbacks and client.dialect.capabilities().callbacks
        if calls_back and self.runtime.settings.public_url:
            return PollPacing(self.pacing.max_s, self.pacing.max_s)
        forecast = self.forecasts.get(kind_of(client.account.name, request))
        return self.pacing if forecast is None else replace(self.pacing, forecast=forecast)
