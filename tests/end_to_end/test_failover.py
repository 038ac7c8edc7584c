"""Two accounts: a job goes to the second only when the first has provably not accepted it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.main import SimulatorOptions, running
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.slow

JOBS = 10
FIRST, SECOND = "sk-first-account", "sk-second-account"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(SimulatorOptions(median_seconds=1.0)) as url:
        accounts = [
            {"name": "first", "gateway": "anyfast", "base_url": f"{url}/anyfast", "api_key": FIRST},
            {"name": "second", "gateway": "evolink", "base_url": f"{url}/evolink", "api_key": SECOND},
        ]
        settings = {"REELQ_ACCOUNTS": json.dumps(accounts), "REELQ_ALLOW_PRIVATE_NETWORKS": "true"}
        with running_stack(tmp_path, settings, simulator=url) as started:
            yield started


def test_jobs_move_on_when_the_first_account_has_no_money(stack: Stack) -> None:
    # The first job is accepted before the credit runs out, and its answer is lost.
    stack.add_faults(
        {"kind": "close_after_accept", "account": FIRST, "first": 1},
        {"kind": "no_money", "account": FIRST, "after": 1},
    )
    stack.start_campaign(JOBS)
    states = stack.wait_final()
    assert states == {"succeeded": JOBS - 1, "unconfirmed": 1}
    jobs = stack.jobs()
    [held] = [job for job in jobs if job["state"] == "unconfirmed"]
    assert held["account"] == "first", "a job that may have been accepted is not sent elsewhere"
    assert [job["account"] for job in jobs].count("second") >= JOBS - 2
    ledger = stack.ledger()
    assert {task["gateway"] for task in ledger["tasks"]} == {"anyfast", "evolink"}
    assert ledger["totals"]["tasks"] == JOBS
    stack.assert_promises(jobs)
    assert stack.reasons()["account_problem"] >= 1, "the first account was tried and answered that it has no credit"
    assert FIRST not in stack.reelq("accounts", "list").stdout
