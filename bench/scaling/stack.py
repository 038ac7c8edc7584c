"""A small stack, and the CPU time of its processes by role."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.scaling.cpu import decoder_cpu_s, tree_cpu_s
from producer.local.background import BackgroundStack, running_stack
from storage.settings import Settings

TICK_S = Settings().tick_seconds
ROLES = {
    "scheduler": "scheduler",
    "worker-submit-poll": "submit_poll",
    "worker-transfer": "transfer",
    "postgres": "database",
    "valkey": "broker",
}
"""The role of each process of `reelq up`; the decoder is a child of the transfer worker, and its role its own."""


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


def pids(stack: BackgroundStack) -> dict[str, int]:
    """The processes of the stack, by role."""
    return {ROLES[name]: int(pid) for name, pid in stack.content()["processes"].items() if name in ROLES}


def by_role(processes: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds so far of these processes, each with its children, and of the decoder."""
    spent_s = {role: tree_cpu_s(pid) for role, pid in processes.items()}
    decoder_s = decoder_cpu_s(processes["transfer"])
    return spent_s | {"transfer": spent_s["transfer"] - decoder_s, "decoder": decoder_s}


def since(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """The difference of two readings."""
    return {role: value - before[role] for role, value in now.items()}


def accounts_setting(*accounts: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that configure these accounts."""
    return {"REELQ_ACCOUNTS": json.dumps(accounts), "REELQ_ALLOW_PRIVATE_NETWORKS": "true"}
