"""Jobs whose POST got no answer: adopted by a callback or a task list, or proven not accepted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.main import SimulatorOptions, running
from tests.stack import END_S, FINAL, Stack, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

JOBS = 20


# Where the task list decides, the grace is short; where callbacks decide, only they can bring the result in time.
BY_LIST = {"REELQ_UNCONFIRMED_GRACE_SECONDS": "6", "REELQ_POLL_MAX_SECONDS": "2"}
BY_CALLBACK = {"REELQ_UNCONFIRMED_GRACE_SECONDS": "3600", "REELQ_POLL_MAX_SECONDS": "30"}
PATHS = {"ark": "ark/api/v3", "12ai": "12ai"}


@contextmanager
def stack_with(directory: Path, settings: dict[str, str], *gateways: str, callbacks: bool = False) -> Iterator[Stack]:
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
        with running_stack(directory, own | settings, simulator=url) as started:
            yield started


@pytest.fixture(scope="module")
def by_list(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with(tmp_path_factory.mktemp("list"), BY_LIST, "ark") as started:
        yield started


@pytest.fixture(scope="module")
def by_callback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with(tmp_path_factory.mktemp("callback"), BY_CALLBACK, *PATHS, callbacks=True) as started:
        yield started


def test_a_task_list_adopts_accepted_jobs_and_frees_the_others(by_list: Stack) -> None:
    by_list.add_faults(
        {"kind": "close_after_accept", "where": "create", "first": 5},
        {"kind": "close_before_read", "where": "create", "after": 5, "times": 5},
    )
    by_list.start_campaign(JOBS)
    wait_for("every job succeeded", lambda: by_list.states() == {"succeeded": JOBS}, END_S)
    assert by_list.ledger()["totals"]["tasks"] == JOBS
    reasons = by_list.reasons()
    assert (reasons["adopted"], reasons["proven_not_submitted"]) == (5, 5)
    by_list.assert_promises(by_list.jobs())


@pytest.mark.parametrize("gateway", PATHS)
def test_a_callback_adopts_a_job_and_makes_polls_rare(by_callback: Stack, gateway: str) -> None:
    before = by_callback.ledger()["totals"]
    by_callback.add_faults({"kind": "rst_after_accept", "where": "create", "first": 4})
    by_callback.start_campaign(JOBS, gateway, account=gateway)
    # Not `wait_final`: an unconfirmed job may still get its callback.
    wait_for("every job succeeded", lambda: by_callback.states(gateway) == {"succeeded": JOBS}, END_S)
    by_callback.clear_faults()
    ledger = by_callback.ledger()
    assert Counter(task["gateway"] for task in ledger["tasks"])[gateway] == JOBS
    assert ledger["totals"]["tasks"] - before["tasks"] == JOBS
    by_callback.assert_promises(by_callback.jobs())
    assert ledger["totals"]["polls"] - before["polls"] <= JOBS * 3


def test_a_cancelled_job_is_cancelled_at_the_gateway_if_that_is_free(by_list: Stack) -> None:
    by_list.clear_faults()
    by_list.set_timing(kind="fixed", median_s=3600)
    before = {task["id"] for task in by_list.ledger()["tasks"]}
    by_list.start_campaign(1, "cancelled")
    wait_for("generating", lambda: by_list.states("cancelled")["generating"] == 1)
    [job] = [job for job in by_list.jobs() if job["campaign"] == "cancelled"]
    done = by_list.reelq("jobs", "cancel", job["id"])
    assert done.returncode == 0, done.stderr
    wait_for("ended", lambda: set(by_list.states("cancelled")) <= FINAL)
    assert by_list.states("cancelled") == {"cancelled": 1}
    [task] = [task for task in by_list.ledger()["tasks"] if task["id"] not in before]
    assert task["status"] == "cancelled"
