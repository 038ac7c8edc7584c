"""Jobs whose POST got no answer: adopted by a task list, or proven not accepted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.lost_answers import JOBS, stack_with
from tests.servers import TestServers
from tests.stack import END_S, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

SHORT_GRACE = {"REELQ_UNCONFIRMED_GRACE_SECONDS": "6", "REELQ_POLL_MAX_SECONDS": "2"}


@pytest.fixture(scope="module")
def stack(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with(servers, tmp_path_factory.mktemp("list"), SHORT_GRACE, "ark") as started:
        yield started


def test_a_task_list_adopts_accepted_jobs_and_frees_the_others(stack: Stack) -> None:
    stack.add_faults(
        {"kind": "close_after_accept", "where": "create", "first": 5},
        {"kind": "close_before_read", "where": "create", "after": 5, "times": 5},
    )
    stack.start_campaign(JOBS)
    wait_for("every job succeeded", lambda: stack.states() == {"succeeded": JOBS}, END_S)
    assert stack.ledger()["totals"]["tasks"] == JOBS
    reasons = stack.reasons()
    assert (reasons["adopted"], reasons["proven_not_submitted"]) == (5, 5)
    stack.assert_promises(stack.jobs())


def test_a_cancelled_job_is_cancelled_at_the_gateway_if_that_is_free(stack: Stack) -> None:
    stack.clear_faults()
    stack.set_timing(kind="fixed", median_s=3600)
    before = {task["id"] for task in stack.ledger()["tasks"]}
    stack.start_campaign(1, "cancelled")
    wait_for("generating", lambda: stack.states("cancelled")["generating"] == 1)
    [job] = [job for job in stack.jobs() if job["campaign"] == "cancelled"]
    done = stack.reelq("jobs", "cancel", job["id"])
    assert done.returncode == 0, done.stderr
    assert stack.wait_final("cancelled") == {"cancelled": 1}
    [task] = [task for task in stack.ledger()["tasks"] if task["id"] not in before]
    assert task["status"] == "cancelled"
