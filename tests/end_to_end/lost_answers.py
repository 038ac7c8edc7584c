"""A stack whose gateways are a simulator of the test, which may accept jobs and lose the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulator.main import SimulatorOptions, running
from tests.servers import TestServers
from tests.stack import Stack, running_stack

JOBS = 20
PATHS = {"ark": "ark/api/v3", "12ai": "12ai"}


@contextmanager
def stack_with(
    servers: TestServers, directory: Path, settings: dict[str, str], *gateways: str, callbacks: bool = False
) -> Iterator[Stack]:
    """A stack with an account for each of these gateways, named after it."""
    with running(SimulatorOptions(median_seconds=1.5)) as url:
        accounts = [
            {
                "name": gateway,
                "gateway": gateway,
                "base_url": f"{url}/{PATHS[gateway]}",
                "api_key": f"sk-unconfirmed-{gateway}",
                "max_in_flight": JOBS,
                "callbacks": callbacks,
            }
            for gateway in gateways
        ]
        own = {"REELQ_ACCOUNTS": json.dumps(accounts), "REELQ_ALLOW_PRIVATE_NETWORKS": "true"}
        with running_stack(directory, own | settings, simulator=url, servers=servers) as started:
            yield started
