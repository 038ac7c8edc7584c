"""How the tasks of each account are polled."""

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
    """The bounds of the settings, and what this process knows of generation times."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.pacing = PollPacing(runtime.settings.poll_min_seconds, runtime.settings.poll_max_seconds)
        self.forecasts = Forecasts(runtime.database)
        self.lists_again_at: dict[str, float] = {}
        """By account, when to try its list of tasks again after it was refused; on the monotonic clock."""

    def pacing_for(self, client: GatewayClient, request: Mapping[str, Any]) -> PollPacing:
        """The pacing of a task: by when others of its kind were finished, if that is known, and rarely where the
        gateway calls back, because polls are only the fallback there."""
        calls_back = client.account.callbacks and client.dialect.capabilities().callbacks
        if calls_back and self.runtime.settings.public_url:
            return PollPacing(self.pacing.max_s, self.pacing.max_s)
        forecast = self.forecasts.get(kind_of(client.account.name, request))
        return self.pacing if forecast is None else replace(self.pacing, forecast=forecast)
