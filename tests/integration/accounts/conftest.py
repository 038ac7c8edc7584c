"""Worlds whose accounts change while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simulator.main import SimulatorOptions, running
from storage.settings import Settings
from tests.integration.accounts.runtime_world import RuntimeWorld

Make = Callable[..., RuntimeWorld]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, median_seconds=0.01)) as url:
        yield url


@pytest.fixture
def make(settings: Settings, gateway: str) -> Iterator[Make]:
    worlds: list[RuntimeWorld] = []

    def world(**accounts: dict[str, Any]) -> RuntimeWorld:
        worlds.append(RuntimeWorld(settings, gateway, **accounts))
        return worlds[-1]

    yield world
    for made in worlds:
        made.close()
