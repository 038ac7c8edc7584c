"""A simulated gateway that loses answers, and accounts at it: what the tests of doubts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulator.main import SimulatorOptions, running
from storage.settings import Settings
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock

LOST = {"kind": "close_after_accept", "where": "create"}
DROPPED = {"kind": "close_before_read", "where": "create"}


@dataclass(frozen=True, slots=True)
class DoubtfulGateway:
    """The simulator, with its clock."""

    url: str
    clock: Clock = field(default_factory=Clock)

    def account(self, gateway: str, **fields: Any) -> dict[str, Any]:
        """An account at it; at new-api's gateways with a list."""
        path = gateway + ("/api/v3" if gateway == "ark" else "")
        user = {"user_token": "secret", "user_id": 7} if gateway in ("anyfast", "12ai", "uniall") else {}
        return {"gateway": gateway, "base_url": f"{self.url}/{path}", **user, **fields}

    def arm(self, *rules: dict[str, Any]) -> None:
        """These faults instead of those before."""
        httpx.delete(f"{self.url}/_sim/faults").raise_for_status()
        if rules:
            httpx.post(f"{self.url}/_sim/faults", json=list(rules)).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.url}/_sim/ledger").json())

    def prompts(self) -> dict[str, str]:
        """What each task was asked for, by its id."""
        return {task["id"]: task["prompt"] for task in self.ledger()["tasks"]}

    def generations(self) -> Counter[str]:
        """How often each prompt is paid for."""
        return Counter(self.prompts().values())

    def finish(self, seconds: float = 100.0) -> None:
        """Let every generation end."""
        self.clock.now += seconds


@contextmanager
def doubtful_gateway(**options: Any) -> Iterator[DoubtfulGateway]:
    clock = Clock()
    with running(
        SimulatorOptions(**{"time": "fixed", "median_seconds": 60, "clock": clock, "seed": 7, **options})
    ) as url:
        yield DoubtfulGateway(url, clock)


@contextmanager
def world_at(settings: Settings, more: dict[str, Any] | None = None, **accounts: dict[str, Any]) -> Iterator[World]:
    """Accounts, a scheduler and a worker; `more` settings."""
    world = World(settings.model_copy(update=more or {}), **accounts)
    try:
        yield world
    finally:
        world.close()
