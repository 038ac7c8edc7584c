"""The number of polls, counted by the simulator: the worker's own functions with a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from producer import Producer
from simulator.main import SimulatorOptions, running
from storage.admission import poll_limits
from storage.database import Database, connect
from storage.jobs import claims
from storage.leases import Claimed
from storage.settings import Settings
from tests.claiming import claim_submits
from tests.integration.api.api_server import serving
from tests.waiting import PATIENCE_S
from worker.app import app
from worker.polling.poll import poll_batch
from worker.runtime import Runtime
from worker.scheduling.dispatch import Dispatcher
from worker.submitting.submit import submit_batch

JOBS = 40


@pytest.fixture
def gateways() -> Iterator[str]:
    with running(SimulatorOptions(median_seconds=1.0, seed=5)) as url:
        yield url


def configured(settings: Settings, gateways: str, gateway: str, path: str, **more: Any) -> Settings:
    account = {"name": "main", "gateway": gateway, "base_url": f"{gateways}/{path}", "api_key": "sk-polls"}
    account |= {"max_in_flight": 1000} | {key: more.pop(key) for key in ("callbacks",) if key in more}
    own = {"accounts": [account], "allow_private_networks": True, "poll_min_seconds": 0.3, "poll_max_seconds": 1.0}
    return Settings.model_validate(settings.model_dump() | own | more)


@contextmanager
def submitted(settings: Settings, count: int = JOBS) -> Iterator[Runtime]:
    """A worker that has submitted `count` jobs."""
    with Producer(settings) as producer:
        producer.enqueue_many([{"prompt": f"a fox {n}", "duration": 4, "resolution": "480p"} for n in range(count)])
    account = settings.accounts[0]
    with connect(settings.require_database_url()) as conn:
        claimed = claim_submits(conn, "main", account.gateway, count, 60.0)
    runtime = Runtime(settings)
    try:
        submit_batch(runtime, "main", leases(claimed))
        yield runtime
    finally:
        runtime.close()


def leases(claimed: Sequence[Claimed]) -> list[tuple[UUID, int]]:
    return [(item.id, item.claim) for item in claimed]


def poll_to_the_end(runtime: Runtime) -> None:
    """Run the steps of scheduler and worker until every task has ended."""
    give_up = time.monotonic() + PATIENCE_S
    while in_state(runtime.settings, "generating"):
        assert time.monotonic() < give_up
        with connect(runtime.settings.require_database_url()) as conn:
            due = claims.claim_polls(conn, 100, 60.0)
        if due:
            poll_batch(runtime, "main", leases(due))
        time.sleep(0.1)


def in_state(settings: Settings, state: str) -> int:
    with connect(settings.require_database_url()) as conn:
        row = conn.execute("SELECT count(*) FROM jobs WHERE state = %s", [state]).fetchone()
        assert row is not None
        return int(row[0])


def ledger(gateways: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{gateways}/_sim/ledger", timeout=30).raise_for_status().json()
    return found


def faults(gateways: str, *rules: dict[str, Any]) -> None:
    httpx.post(f"{gateways}/_sim/faults", json=list(rules), timeout=30).raise_for_status()


ARK = ("ark", "ark/api/v3")


def test_many_tasks_at_ark_are_polled_with_one_list(settings: Settings, gateways: str) -> None:
    with submitted(configured(settings, gateways, *ARK)) as runtime:
        poll_to_the_end(runtime)
        assert in_state(runtime.settings, "transferring") == JOBS
    requests = ledger(gateways)["totals"]["requests"]
    assert requests["ark.list"] + requests.get("ark.query", 0) < JOBS


def test_a_failed_task_in_a_list_is_queried_separately(settings: Settings, gateways: str) -> None:
    faults(gateways, {"kind": "fail", "first": 3})
    own = configured(settings, gateways, *ARK)
    with submitted(own) as runtime:
        poll_to_the_end(runtime)
        assert (in_state(own, "failed"), in_state(own, "transferring")) == (3, JOBS - 3)
    assert ledger(gateways)["totals"]["requests"]["ark.query"] >= 3


def test_tasks_are_queried_one_by_one_if_the_list_is_refused(settings: Settings, gateways: str) -> None:
    faults(gateways, {"kind": "status", "where": "list", "status": 403})
    with submitted(configured(settings, gateways, *ARK)) as runtime:
        poll_to_the_end(runtime)
    requests = ledger(gateways)["totals"]["requests"]
    assert requests["ark.query"] >= JOBS
    assert requests["ark.list"] == 1, "a refused list is not requested again at once"


@pytest.mark.parametrize(("gateway", "path"), [ARK, ("12ai", "12ai")], ids=["ark", "12ai"])
def test_with_callbacks_a_job_is_polled_once(settings: Settings, gateways: str, gateway: str, path: str) -> None:
    if gateway == "ark":
        faults(gateways, {"kind": "status", "where": "list", "status": 403})
    rarely = {"poll_min_seconds": 30.0, "poll_max_seconds": 30.0}
    with serving(configured(settings, gateways, gateway, path)) as api:
        called = {"callbacks": True, "public_url": str(api.base_url).rstrip("/")}
        with submitted(configured(settings, gateways, gateway, path, **called, **rarely)) as runtime:
            poll_to_the_end(runtime)
    totals = ledger(gateways)["totals"]
    assert JOBS <= totals["polls"] <= 1.1 * JOBS


def test_polls_have_a_limit_of_their_own(settings: Settings, gateways: str) -> None:
    account = {"name": "main", "gateway": "anyfast", "base_url": f"{gateways}/anyfast", "api_key": "k"}
    limited = Settings.model_validate(
        settings.model_dump() | {"accounts": [account | {"polls_per_minute": 30, "max_in_flight": 1000}]}
    )
    with submitted(limited), connect(limited.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET due_at = now()")
        assert poll_limits.free_polls(conn, {"main": 30, "other": 600}) == {"main": 30, "other": 100}
    dispatcher = Dispatcher(app, limited, Database(limited.require_database_url(), name="test", size=2))
    with connect(limited.require_database_url()) as conn:
        claimed = dispatcher.claim_polls(conn, 100)
        assert len(claimed) == 30, "the others wait"
        with connect(limited.require_database_url()) as other:
            assert poll_limits.free_polls(other, {"main": 30}) == {}, "another scheduler skips the account until then"
    with connect(limited.require_database_url()) as conn:
        assert dispatcher.claim_polls(conn, 100) == []
        conn.execute("UPDATE poll_counts SET at = at - interval '61 s'")
        assert len(dispatcher.claim_polls(conn, 100)) == JOBS - 30
        row = conn.execute("SELECT sum(requests) FROM poll_counts WHERE account = 'main'").fetchone()
        assert row == (JOBS - 30,), "counts older than a minute are deleted"


def test_one_list_counts_as_one_poll(settings: Settings, gateways: str) -> None:
    account = {"name": "main", "gateway": "ark", "base_url": f"{gateways}/ark/api/v3", "api_key": "k"}
    limited = Settings.model_validate(
        settings.model_dump() | {"accounts": [account | {"polls_per_minute": 1, "max_in_flight": 1000}]}
    )
    with submitted(limited), connect(limited.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET due_at = now()")
    dispatcher = Dispatcher(app, limited, Database(limited.require_database_url(), name="test", size=2))
    with connect(limited.require_database_url()) as conn:
        assert len(dispatcher.claim_polls(conn, 100)) == JOBS
        assert poll_limits.free_polls(conn, {"main": 1}) == {"main": 0}
