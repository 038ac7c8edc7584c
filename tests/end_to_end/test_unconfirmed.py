"""Jobs whose POST got no answer: adopted by a callback or a task list, or proven not accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.main import SimulatorOptions, running
from tests.stack import END_S, FINAL, Stack, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

JOBS = 20


@pytest.fixture
def gateways() -> Iterator[str]:
    with running(SimulatorOptions(median_seconds=1.5)) as url:
        yield url


@pytest.fixture
def stack(tmp_path: Path, gateways: str, request: pytest.FixtureRequest) -> Iterator[Stack]:
    entry = {
        "name": "main",
        "base_url": f"{gateways}/{request.param['path']}",
        "api_key": "sk-unconfirmed-test",
        "max_in_flight": JOBS,
    }
    account = entry | {key: value for key, value in request.param.items() if key in ("gateway", "callbacks")}
    settings = {
        "REELQ_ACCOUNTS": json.dumps([account]),
        "REELQ_ALLOW_PRIVATE_NETWORKS": "true",
        "REELQ_UNCONFIRMED_GRACE_SECONDS": str(request.param.get("grace_s", 3600)),
        # Only the callback can bring the result in time.
        "REELQ_POLL_MAX_SECONDS": "30" if request.param.get("callbacks") else "2",
    }
    with running_stack(tmp_path, settings, simulator=gateways) as started:
        yield started


ARK_BY_LIST = {"gateway": "ark", "path": "ark/api/v3", "grace_s": 6}
ARK_BY_CALLBACK = {"gateway": "ark", "path": "ark/api/v3", "callbacks": True}
TWELVE_AI = {"gateway": "12ai", "path": "12ai", "callbacks": True}


@pytest.mark.parametrize("stack", [ARK_BY_LIST], indirect=True, ids=["ark"])
def test_a_task_list_adopts_accepted_jobs_and_frees_the_others(stack: Stack) -> None:
    stack.add_faults(
        {"kind": "close_after_accept", "where": "create", "first": 5},
        {"kind": "close_before_read", "where": "create", "after": 5, "times": 5},
    )
    stack.start_campaign(JOBS)
    wait_for("every job succeeded", lambda: stack.states() == {"succeeded": JOBS}, END_S)
    ledger = stack.ledger()
    assert ledger["totals"]["tasks"] == JOBS
    reasons = stack.reasons()
    assert (reasons["adopted"], reasons["proven_not_submitted"]) == (5, 5)
    stack.assert_promises(stack.jobs())


@pytest.mark.parametrize("stack", [ARK_BY_CALLBACK, TWELVE_AI], indirect=True, ids=["ark", "12ai"])
def test_a_callback_adopts_a_job_and_makes_polls_rare(stack: Stack) -> None:
    stack.add_faults({"kind": "rst_after_accept", "where": "create", "first": 4})
    stack.start_campaign(JOBS)
    # Not `wait_final`: an unconfirmed job may still get its callback.
    wait_for("every job succeeded", lambda: stack.states() == {"succeeded": JOBS}, END_S)
    ledger = stack.ledger()
    assert ledger["totals"]["tasks"] == JOBS
    stack.assert_promises(stack.jobs())
    assert ledger["totals"]["polls"] <= JOBS * 3


@pytest.mark.parametrize("stack", [ARK_BY_LIST], indirect=True, ids=["ark"])
def test_a_cancelled_job_is_cancelled_at_the_gateway_if_that_is_free(stack: Stack) -> None:
    stack.set_timing(kind="fixed", median_s=3600)
    stack.start_campaign(1)
    wait_for("generating", lambda: stack.states()["generating"] == 1)
    (job,) = stack.jobs()
    done = stack.reelq("jobs", "cancel", job["id"])
    assert done.returncode == 0, done.stderr
    wait_for("ended", lambda: set(stack.states()) <= FINAL)
    assert stack.states() == {"cancelled": 1}
    (task,) = stack.ledger()["tasks"]
    assert task["status"] == "cancelled"
