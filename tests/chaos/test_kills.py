"""`reelq up` restarts every killed process; each job ends once and is paid for once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from storage.database import connect
from tests.stack import Stack, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

JOBS = 30
WORKERS = ("worker-submit-poll", "worker-transfer")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def start(stack: Stack, campaign: str) -> None:
    stack.start_campaign(JOBS, campaign)
    wait_for("jobs under way", lambda: stack.states(campaign).keys() - {"queued", "submitting"} != set())


def at_work(stack: Stack) -> set[int]:
    """The processes of the workers, once each has recorded a heartbeat; until then none."""
    running = stack.info()["processes"]
    with connect(stack.info()["database_url"]) as conn:
        beating = {int(row[0].rpartition(":")[2]) for row in conn.execute("SELECT instance FROM heartbeats")}
    # A worker that is being restarted is not listed.
    found = {running.get(name) for name in WORKERS}
    return found if found <= beating else set()


def finish(stack: Stack, campaign: str) -> Counter[str]:
    found = stack.wait_final(campaign)
    # A POST may have been under way: such a job is held, not sent again.
    assert found["succeeded"] + found["unconfirmed"] == JOBS, found
    stack.assert_promises(stack.jobs())
    return found


def test_kills_of_workers_broker_scheduler_database_and_store_lose_no_job(stack: Stack) -> None:
    start(stack, "killed")
    before = {stack.pid(name) for name in WORKERS}
    stack.kill(*WORKERS)
    wait_for("other workers are at work", lambda: at_work(stack) and not at_work(stack) & before)
    stack.kill("valkey", "scheduler", "postgres", "s3")
    wait_for("the database is back", lambda: stack.reelq("jobs", "list").returncode == 0)
    finish(stack, "killed")


def test_answers_lost_after_acceptance_are_held_and_never_repeated(stack: Stack) -> None:
    before = stack.ledger()["totals"]["tasks"]
    stack.add_faults({"kind": "close_after_accept", "every": 5}, {"kind": "rst_after_accept", "every": 7})
    stack.start_campaign(JOBS, "answers")
    held = finish(stack, "answers")["unconfirmed"]
    assert 4 <= held < JOBS
    assert stack.ledger()["totals"]["tasks"] - before == JOBS
