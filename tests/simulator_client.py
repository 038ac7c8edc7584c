"""A client of the simulator for tests: creates, polls and downloads as a customer of the gateway does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulator.main import SimulatorOptions, running
from tests.waiting import PATIENCE_S

KEY = "sk-test"


@dataclass(slots=True)
class Clock:
    """The clock of a simulator: it stands still until the test moves it on."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Client:
    """One account at a running simulator."""

    http: httpx.Client
    prefix: str
    clock: Clock = field(default_factory=Clock)
    """The simulator's, if the test started it with one."""

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(self.prefix + path, json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(self.prefix + path)

    def arm(self, *rules: dict[str, Any]) -> None:
        answer = self.http.post("/_sim/faults", json=list(rules))
        assert answer.status_code == 200, answer.text

    def ledger(self) -> dict[str, Any]:
        return dict(self.http.get("/_sim/ledger").json())

    def only_task(self) -> dict[str, Any]:
        (task,) = self.ledger()["tasks"]
        return dict(task)

    def until(self, condition: Any) -> Any:
        """Move the clock on in small steps until the answer is true; gives the answer."""
        end = self.clock.now + 60
        while not (answer := condition()):
            assert self.clock.now < end, "the condition did not hold within a minute of the simulator's time"
            self.clock.now += 0.02
        return answer


@contextmanager
def simulator(prefix: str = "/anyfast", **options: Any) -> Iterator[Client]:
    """Run a simulator; gives a client of one account that controls its clock."""
    clock = Clock()
    given = SimulatorOptions(**{"seed": 7, "clock": clock, **options})
    with running(given) as url, client_at(url, prefix, clock=clock) as client:
        yield client


@contextmanager
def client_at(url: str, prefix: str = "/anyfast", key: str = KEY, clock: Clock | None = None) -> Iterator[Client]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False) as http:
        yield Client(http, prefix, clock or Clock())
