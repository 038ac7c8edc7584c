"""A load on `POST /v1/jobs` from a separate process: at a fixed rate, or as fast as a number of connections allows.

    python -m bench.api.load URL SECONDS --rate 300 | --connections 16

Prints one JSON object. Latency starts at a request's scheduled time, so that a slow server cannot slow down the load
and hide its delay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.report import quantile

OPEN_CONNECTIONS = 128


@dataclass
class Responses:
    """The answers of the API."""

    ids: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    async def post(self, session: aiohttp.ClientSession, url: str, number: int, due_at: float) -> None:
        """Enqueue one job and record the answer."""
        job = {"prompt": f"a lighthouse at dusk, take {number}", "duration": 4, "resolution": "480p"}
        try:
            async with session.post(f"{url}/v1/jobs", json=job) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            self.refused[type(exc).__name__] += 1
            return
        if response.status == 202:
            self.latencies_s.append(time.perf_counter() - due_at)
            self.ids.append(json.loads(content)["id"])
        else:
            self.refused[str(response.status)] += 1


async def at_rate(responses: Responses, session: aiohttp.ClientSession, url: str, rate: float, seconds: float) -> None:
    """Send requests at even intervals, whether or not earlier ones are answered."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            due_at = began + number / rate
            if (wait_s := due_at - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(responses.post(session, url, number, due_at))


async def as_fast_as_possible(
    responses: Responses, session: aiohttp.ClientSession, url: str, connections: int, seconds: float
) -> None:
    """Each connection sends its next request as soon as the previous one is answered."""
    until = time.perf_counter() + seconds

    async def one(first: int) -> None:
        number = first
        while (now := time.perf_counter()) < until:
            await responses.post(session, url, number, now)
            number += connections

    await asyncio.gather(*(one(first) for first in range(connections)))


async def load(url: str, seconds: float, rate: float | None, connections: int) -> dict[str, Any]:
    """Run the load; rates in jobs per second, latencies in milliseconds."""
    responses = Responses()
    limit = aiohttp.TCPConnector(limit=OPEN_CONNECTIONS if rate else connections)
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(total=30)) as session:
        run: Coroutine[Any, Any, None]
        run = (
            at_rate(responses, session, url, rate, seconds)
            if rate
            else as_fast_as_possible(responses, session, url, connections, seconds)
        )
        await run
    took_s = time.perf_counter() - began
    p50, p99 = (quantile(responses.latencies_s, share) for share in (0.5, 0.99))
    return {
        "per_s": len(responses.ids) / took_s,
        "p50_ms": p50 and p50 * 1000,
        "p99_ms": p99 and p99 * 1000,
        "accepted": len(responses.ids),
        "refused": dict(responses.refused),
        "ids": responses.ids,
    }


def main() -> None:
    """Read the command line, run the load, print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(load(given.url, given.seconds, given.rate, given.connections))))


if __name__ == "__main__":
    main()
