"""Whatever is killed, every job ends once and is paid for once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.stack import Stack, running_stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JOBS = 50
WORKERS = ("worker-submit-poll", "worker-transfer")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path) as running:
        yield running


def under_way(stack: Stack) -> bool:
    states = stack.states()
    return states["generating"] >= 15 and states["succeeded"] >= 3


def finish(stack: Stack, *, may_be_held: int = 0) -> None:
    states = stack.wait_final(120)
    assert states["succeeded"] + states["unconfirmed"] == JOBS, states
    assert states["unconfirmed"] <= may_be_held, states
    stack.assert_promises(stack.jobs())


def test_every_worker_is_killed_with_jobs_in_flight(stack: Stack) -> None:
    stack.start_campaign(JOBS)
    wait_for("jobs under way", lambda: under_way(stack), 60)
    stack.kill(*WORKERS)
    # A POST may have been on its way: such a job is held, not sent again.
    finish(stack, may_be_held=JOBS)


def test_workers_are_killed_while_their_posts_are_answered_slowly(stack: Stack) -> None:
    stack.add_faults({"kind": "slow", "where": "create", "seconds": 2})
    stack.start_campaign(JOBS)
    wait_for("jobs being submitted", lambda: stack.states()["submitting"] >= 10, 60)
    stack.kill(*WORKERS)
    stack.clear_faults()
    finish(stack, may_be_held=JOBS)
    assert stack.states()["unconfirmed"] >= 1, "the kill did not hit a POST; the test proves nothing"


def test_the_broker_is_emptied_in_the_middle(stack: Stack) -> None:
    stack.start_campaign(JOBS)
    wait_for("jobs under way", lambda: under_way(stack), 60)
    with redis.Redis.from_url(stack.info()["broker_url"]) as broker:
        broker.flushall()
    finish(stack)


def test_broker_scheduler_and_database_are_killed(stack: Stack) -> None:
    stack.start_campaign(JOBS)
    wait_for("jobs under way", lambda: under_way(stack), 60)
    stack.kill("valkey", "scheduler", "postgres")
    wait_for("the database is back", lambda: stack.reelq("jobs", "list").returncode == 0, 60)
    finish(stack, may_be_held=JOBS)


def test_the_object_store_is_killed(stack: Stack) -> None:
    stack.start_campaign(JOBS)
    wait_for("jobs under way", lambda: under_way(stack), 60)
    stack.kill("s3")
    finish(stack)


def test_answers_lost_after_acceptance_are_held_and_never_repeated(stack: Stack) -> None:
    stack.add_faults(
        {"kind": "close_after_accept", "every": 5},
        {"kind": "rst_after_accept", "every": 7},
        {"kind": "rate_limit", "where": "create", "every": 6, "retry_after": 1},
        {"kind": "status", "where": "query", "status": 502, "body": "html", "probability": 0.2},
        {"kind": "garbage", "where": "query", "probability": 0.1},
        {"kind": "cut", "where": "download", "first": 1, "per": "task", "fraction": 0.5},
    )
    stack.start_campaign(JOBS)
    finish(stack, may_be_held=20)
    held = stack.states()["unconfirmed"]
    assert held >= 5
    assert stack.ledger()["totals"]["tasks"] == JOBS
