"""A rolling restart under load loses no job, repeats none, and makes none wait for a lease."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.servers import TestServers
from tests.stack import END_S, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

JOBS = 60
LEASE_S = 3600
"""Longer than the test may take: it would not end if a job waited for a lease."""


def test_a_rolling_restart_loses_repeats_and_delays_no_job(tmp_path: Path, servers: TestServers) -> None:
    settings = {"REELQ_LEASE_SECONDS": str(LEASE_S), "REELQ_SUBMIT_TIMEOUT_SECONDS": "20"}
    with running_stack(tmp_path, settings, servers=servers) as stack:
        stack.add_faults(
            {"kind": "slow", "where": "create", "seconds": 1},
            {"kind": "slow_download", "bytes_per_s": 60_000, "every": 3},
        )
        stack.start_campaign(JOBS)
        for round_ in range(2):
            for name in ("worker-submit-poll", "worker-transfer", "scheduler"):
                before = stack.pid(name)
                stack.kill(name, how=signal.SIGTERM)
                wait_for(f"{name} is back ({round_})", lambda n=name, b=before: _restarted(stack.info(), n, b))  # type: ignore[misc] # mypy cannot type the defaults
        wait_for("every job succeeded", lambda: stack.states() == {"succeeded": JOBS}, END_S)
        stack.assert_promises(stack.jobs())
        assert stack.ledger()["totals"]["tasks"] == JOBS


def _restarted(info: dict[str, dict[str, int]], name: str, before: int) -> bool:
    return info["processes"].get(name, before) != before
