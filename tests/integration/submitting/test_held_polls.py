"""Tasks that a worker polls again by itself: with a real PostgreSQL and a simulator, and no scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
from psycopg.rows import dict_row

from producer import Producer
from simulator.main import SimulatorOptions, running
from storage.database import connect
from storage.jobs import claims
from storage.settings import Settings
from tests.claiming import claim_submits
from tests.simulator_client import Clock
from tests.waiting import PATIENCE_S
from worker.polling import held
from worker.polling.poll import poll_batch
from worker.runtime import Runtime
from worker.submitting.submit import submit_batch

JOBS = 12
LEASE_S = 300.0
TASK_S = 60.0
SOON = "SELECT count(*) AS n FROM jobs WHERE due_at < now() + interval '30 s'"


@pytest.fixture
def quick() -> Iterator[str]:
    """A gateway that generates in a second."""
    with running(SimulatorOptions(median_seconds=1.0, seed=5)) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def at_rest(clock: Clock) -> Iterator[str]:
    """A gateway whose tasks end when the test moves its clock."""
    with running(SimulatorOptions(time="fixed", median_seconds=TASK_S, clock=clock)) as url:
        yield url


@pytest.fixture
def slow() -> Iterator[str]:
    """A gateway that takes longer than a test."""
    with running(SimulatorOptions(median_seconds=600.0, seed=5)) as url:
        yield url


@contextmanager
def submitted(settings: Settings, url: str, *queues: str, gateway: str = "anyfast", **more: Any) -> Iterator[Runtime]:
    """A worker of these queues that has submitted all jobs."""
    base_url = f"{url}/ark/api/v3" if gateway == "ark" else f"{url}/{gateway}"
    account = {"name": "main", "gateway": gateway, "base_url": base_url, "api_key": "k", "max_in_flight": 100} | more
    own = {"accounts": [account], "poll_min_seconds": 0.3, "poll_max_seconds": 1.0, "lease_seconds": LEASE_S}
    configured = Settings.model_validate(settings.model_dump() | own)
    with Producer(configured) as producer:
        producer.enqueue_many([{"prompt": f"a fox {n}", "duration": 4} for n in range(JOBS)])
    with connect(configured.require_database_url()) as conn:
        claimed = claim_submits(conn, "main", gateway, JOBS, LEASE_S)
    runtime = Runtime(configured)
    runtime.queues = frozenset(queues)
    try:
        submit_batch(runtime, "main", [(item.id, item.claim) for item in claimed])
        yield runtime
    finally:
        runtime.close()


def poll(runtime: Runtime, lease_s: float = LEASE_S) -> None:
    """One message with all jobs, which a worker may hold from then on."""
    with connect(runtime.settings.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'generating'")
        claimed = claims.claim_polls(conn, 100, lease_s)
    poll_batch(runtime, "main", [(item.id, item.claim) for item in claimed], hold=True)


def rows(settings: Settings, sql: Any) -> list[dict[str, Any]]:
    with connect(settings.require_database_url()) as conn, conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql).fetchall()


def count(settings: Settings, sql: Any) -> int:
    return int(rows(settings, sql)[0]["n"])


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def generated(settings: Settings, wanted: int = JOBS) -> None:
    """Wait until this many tasks were found finished."""
    wait_until(lambda: count(settings, "SELECT count(*) AS n FROM jobs WHERE state = 'transferring'") == wanted)


def requests(url: str) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{url}/_sim/ledger", timeout=30).raise_for_status().json()["totals"]["requests"]
    return found


def test_tasks_are_polled_to_their_end_after_one_message(settings: Settings, at_rest: str, clock: Clock) -> None:
    with submitted(settings, at_rest) as runtime:
        poll(runtime)
        clock.now += TASK_S
        generated(settings)
    found = rows(settings, "SELECT polls, polled_at, submitted_at, generated_at, claim FROM jobs")
    assert sum(row["polls"] for row in found) == requests(at_rest)["anyfast.query"], "each poll is counted in the row"
    assert all(row["polls"] > 1 for row in found), "none was finished at the first look"
    assert all(row["submitted_at"] < row["polled_at"] < row["generated_at"] for row in found)
    assert count(
        settings, "SELECT coalesce(sum(value), 0) AS n FROM metric_counts WHERE metric = 'reelq_polls_total'"
    ) == sum(row["polls"] for row in found)


def test_a_worker_polls_what_it_has_submitted_without_a_claim(settings: Settings, quick: str) -> None:
    with submitted(settings, quick, "submit", "poll"):
        generated(settings)
    events = rows(settings, "SELECT DISTINCT source, target FROM job_events WHERE source IS NOT NULL ORDER BY 1")
    assert [(row["source"], row["target"]) for row in events] == [
        ("generating", "transferring"),
        ("queued", "submitting"),
        ("submitting", "generating"),
    ]


def test_a_worker_that_does_not_poll_leaves_what_it_has_submitted(settings: Settings, slow: str) -> None:
    with submitted(settings, slow, "submit"):
        assert count(settings, SOON) == JOBS


def test_tasks_in_a_list_are_held_together(settings: Settings, quick: str) -> None:
    with submitted(settings, quick, "submit", "poll", gateway="ark"):
        generated(settings)
    asked = requests(quick)
    assert asked["ark.list"] + asked.get("ark.query", 0) < JOBS


def test_a_job_that_was_claimed_again_is_not_written_by_its_holder(
    settings: Settings, at_rest: str, clock: Clock
) -> None:
    with submitted(settings, at_rest) as runtime:
        poll(runtime)
        asked = requests(at_rest)["anyfast.query"]
        with connect(settings.require_database_url()) as conn:
            conn.execute("UPDATE jobs SET claim = claim + 1")
        clock.now += TASK_S
        wait_until(lambda: requests(at_rest)["anyfast.query"] >= asked + JOBS)
    # It has ended, and has tried to write what it found.
    assert count(settings, "SELECT count(*) AS n FROM jobs WHERE state = 'generating'") == JOBS
    with closing(Runtime(runtime.settings)) as other:
        poll(other)
    assert count(settings, "SELECT count(*) AS n FROM jobs WHERE state = 'transferring'") == JOBS


def test_a_worker_that_stops_leaves_its_tasks_to_others(settings: Settings, slow: str) -> None:
    with submitted(settings, slow) as runtime:
        poll(runtime)
        assert count(settings, SOON) == 0, "held until the lease ends"
        polled = requests(slow)["anyfast.query"]
    assert count(settings, SOON) == JOBS
    assert count(settings, "SELECT sum(polls) AS n FROM jobs") >= polled
    assert (
        count(settings, "SELECT count(*) AS n FROM jobs WHERE polled_at > submitted_at AND polled_at <= now()") == JOBS
    )


def test_tasks_that_were_never_polled_are_left_as_accepted(
    settings: Settings, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "TOGETHER_S", 60.0)  # no poll is due before the worker stops
    with submitted(settings, slow, "submit", "poll"):
        assert count(settings, SOON) == 0, "held until the lease ends"
    assert count(settings, SOON) == JOBS
    assert rows(settings, "SELECT DISTINCT reason, polls, polled_at FROM jobs") == [
        {"reason": "accepted", "polls": 0, "polled_at": None}
    ]
    assert count(settings, "SELECT count(*) AS n FROM metric_counts WHERE metric = 'reelq_polls_total'") == 0


def test_a_task_is_queried_at_once_so_that_later_posts_cost_less(
    settings: Settings, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "TOGETHER_S", 60.0)  # no poll is due
    with submitted(settings, slow, "submit", "poll") as runtime:
        client = runtime.client("main")
        wait_until(lambda: client is not None and client._reads_directly is True)
        assert requests(slow)["anyfast.query"] == 1
    assert count(settings, "SELECT sum(polls) AS n FROM jobs") == 0, "it was no poll of the job"


def test_polls_with_a_limit_are_left_to_the_scheduler(settings: Settings, slow: str) -> None:
    with submitted(settings, slow, "submit", "poll", polls_per_minute=600) as runtime:
        assert count(settings, SOON) == JOBS
        poll(runtime)
        assert count(settings, SOON) == JOBS


def test_a_task_is_not_held_beyond_its_lease(settings: Settings, slow: str) -> None:
    with submitted(settings, slow) as runtime:
        poll(runtime, lease_s=runtime.settings.query_timeout_seconds)
        assert count(settings, SOON) == JOBS
        assert count(settings, "SELECT sum(polls) AS n FROM jobs") == JOBS


def test_a_slow_gateway_is_not_asked_for_more_tasks_at_once_than_it_has_connections(
    settings: Settings, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "AT_ONCE", 2)
    patient = settings.model_copy(update={"query_timeout_seconds": 4.0})  # and 2 s of them for a connection
    with submitted(patient, slow) as runtime:
        if (client := runtime.client("main")) is not None:
            client._max_connections = 2
        poll(runtime)
        faults = [{"kind": "slow", "where": "query", "seconds": 0.8}]
        httpx.post(f"{slow}/_sim/faults", json=faults, timeout=30).raise_for_status()
        asked = requests(slow)["anyfast.query"]
        wait_until(lambda: requests(slow)["anyfast.query"] >= asked + JOBS)
        assert count(settings, "SELECT count(*) AS n FROM jobs WHERE setbacks > 0") == 0


def test_a_failed_poll_is_written_at_once(settings: Settings, slow: str) -> None:
    with submitted(settings, slow) as runtime:
        poll(runtime)
        faults = [{"kind": "status", "where": "query", "status": 503}]
        httpx.post(f"{slow}/_sim/faults", json=faults, timeout=30).raise_for_status()
        wait_until(lambda: count(settings, "SELECT count(*) AS n FROM jobs WHERE setbacks = 1") == JOBS)
        assert count(settings, "SELECT count(*) AS n FROM jobs WHERE polled_at < now() AND polls > 1") == JOBS
