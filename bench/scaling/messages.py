"""Measure the cost of a message from the scheduler through the broker to a worker, and of idle processes.

The whole stack of `reelq up` runs, with a simulated gateway and no jobs.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery
from redis import Redis

from bench.metering import pss_bytes
from bench.scaling.cpu import PAUSE_S, tree_cpu_s
from producer.local.background import BackgroundStack, running_stack
from storage.settings import Settings
from worker.scheduling.batches import SUBMIT_BATCH
from worker.scheduling.envelopes import Envelopes

TICK_S = Settings().tick_seconds
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class StackCpu:
    """CPU seconds of a stack's processes so far, by name."""

    seconds: Mapping[str, float]

    def since(self, before: StackCpu) -> dict[str, float]:
        return {name: value - before.seconds.get(name, 0.0) for name, value in self.seconds.items()}


@contextmanager
def small_stack(**settings: str) -> Iterator[BackgroundStack]:
    """Run a stack in a temporary directory; `settings` are environment variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    with tempfile.TemporaryDirectory(prefix="reelq-bench-") as name:
        directory = Path(name)
        (directory / "empty.toml").write_text("")
        environ = inherited | {"REELQ_CONFIG": str(directory / "empty.toml")} | settings
        with running_stack(directory, arguments=("--no-flower",), environ=environ, cwd=directory) as stack:
            yield stack


def stack_cpu(stack: BackgroundStack) -> StackCpu:
    """The CPU time of each process of the stack."""
    return StackCpu({name: tree_cpu_s(int(pid)) for name, pid in stack.content()["processes"].items()})


def measure_messages(count: int, idle_s: float) -> dict[str, float]:
    """The values of `OtherCosts` that need a stack, and `receive_ms`."""
    with small_stack() as stack:
        time.sleep(3.0)  # until the workers' start-up messages are over
        before = stack_cpu(stack)
        time.sleep(idle_s)
        idle = {name: spent / idle_s for name, spent in stack_cpu(stack).since(before).items()}
        memory_mib = {name: pss_bytes([int(pid)]) / 2**20 for name, pid in stack.content()["processes"].items()}
        broker = str(stack.content()["broker_url"])
        before, began_s = stack_cpu(stack), time.monotonic()
        _send(broker, "poll", count, 0, PAUSE_S)
        _wait_until_empty(broker, "poll")
        time.sleep(1.0)
        took_s = time.monotonic() - began_s
        busy = stack_cpu(stack).since(before)
        bytes_waiting, send_s = _message_bytes(broker, count)
    each = {name: (busy[name] - idle[name] * took_s) / count * 1000 for name in ("worker-submit-poll", "valkey")}
    return {
        "receive_ms": each["worker-submit-poll"],
        "message_broker_ms": each["valkey"],
        "send_ms": send_s / count * 1000,
        "message_bytes": bytes_waiting,
        "tick_ms": idle["scheduler"] * TICK_S * 1000,
        "tick_database_ms": idle["postgres"] * TICK_S * 1000,
        "idle_worker_share": (idle["worker-submit-poll"] + idle["worker-transfer"]) / 2,
        # Nearly all of PostgreSQL's idle CPU belongs to the rounds, and it cannot be separated from them.
        "idle_database_share": 0.0,
        "idle_broker_share": idle["valkey"],
        "scheduler_mib": memory_mib["scheduler"],
        "submit_poll_mib": memory_mib["worker-submit-poll"],
        "transfer_mib": memory_mib["worker-transfer"],
    }


def _send(broker: str, queue: str, count: int, items: int, pause_s: float = 0.0) -> float:
    """Send messages as the scheduler does; returns the CPU seconds of this process."""
    envelopes = Envelopes(Celery(broker=broker, set_as_current=False))
    listed = [[str(uuid4()), 1] for _ in range(items)]
    with Redis.from_url(broker) as redis:
        for warm in (True, False):
            began_s = time.process_time()
            for _ in range(1 if warm else count):
                time.sleep(pause_s)
                redis.lpush(queue, envelopes.message("worker.poll", queue, ["simulator", listed], "simulator"))
        return time.process_time() - began_s


def _wait_until_empty(broker: str, queue: str) -> None:
    until = time.monotonic() + _WAIT_S
    with Redis.from_url(broker) as redis:
        while redis.llen(queue):
            if time.monotonic() > until:
                raise RuntimeError(f"the workers did not receive the messages of queue {queue} within {_WAIT_S:g} s")
            time.sleep(0.05)


def _message_bytes(broker: str, count: int) -> tuple[float, float]:
    """The size of a message in the broker, and the CPU seconds to send `count` of them."""
    send_s = _send(broker, "bench", count, SUBMIT_BATCH)
    with Redis.from_url(broker) as redis:
        used = int(redis.memory_usage("bench", samples=0) or 0)
        held = int(redis.llen("bench"))
        redis.delete("bench")
    return used / held, send_s


def accounts_setting(*accounts: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that configure these accounts."""
    return {"REELQ_ACCOUNTS": json.dumps(accounts), "REELQ_ALLOW_PRIVATE_NETWORKS": "true"}
