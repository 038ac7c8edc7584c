"""A client of the simulator for tests: creates, polls and downloads as a gateway's customer would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from simulator.main import SimulatorOptions, running

KEY = "sk-test"


@dataclass(frozen=True, slots=True)
class Client:
    """One account at a running simulator."""

    http: httpx.Client
    prefix: str

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


@contextmanager
def simulator(prefix: str = "/anyfast", **options: Any) -> Iterator[Client]:
    """A simulator with options of its own, and a client of one account."""
    with running(SimulatorOptions(**{"seed": 7, **options})) as url, client_at(url, prefix) as client:
        yield client


@contextmanager
def client_at(url: str, prefix: str = "/anyfast", key: str = KEY) -> Iterator[Client]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as http:
        yield Client(http, prefix)


def wait_until(condition: Any, seconds: float = 15) -> Any:
    """Ask again and again until the answer is true, and give it back."""
    end = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
