"""Concurrent requests share a transaction, and each is answered as if it were alone."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from storage.database import connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.settings import Settings
from tests.integration.api.test_api_jobs import FOX, stored
from tests.waiting import PATIENCE_S

CLIENTS = 16


def _all_at_once(api: httpx.Client, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda body: api.post("/v1/jobs", json=body, timeout=PATIENCE_S), bodies))


def _transactions(settings: Settings) -> int:
    """How many transactions have stored jobs: all rows of one have the same `created_at`."""
    with connect(settings.require_database_url()) as conn:
        row = conn.execute("SELECT count(DISTINCT created_at) FROM jobs").fetchone()
        assert row is not None
        return int(row[0])


def test_concurrent_requests_share_transactions(api: httpx.Client, configured: Settings) -> None:
    answers = _all_at_once(api, [FOX | {"idempotency_key": f"k{number}", "seed": number} for number in range(200)])
    assert [answer.status_code for answer in answers] == [202] * 200
    found = [answer.json() for answer in answers]
    assert [(job["idempotency_key"], job["request"]["seed"]) for job in found] == [(f"k{n}", n) for n in range(200)]
    assert len({job["id"] for job in found}) == stored(configured) == 200
    assert _transactions(configured) < 200


def test_the_same_key_at_once_is_one_job(api: httpx.Client, configured: Settings) -> None:
    answers = _all_at_once(api, [FOX | {"idempotency_key": "one"}] * 40)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == stored(configured) == 1
    assert Counter(answer.headers.get("idempotency-replayed") for answer in answers) == {"true": 39, None: 1}


def test_invalid_requests_do_not_affect_the_others(api: httpx.Client, configured: Settings) -> None:
    assert api.post("/v1/jobs", json=FOX | {"idempotency_key": "taken"}).status_code == 202
    bodies = []
    for number in range(30):
        bodies.append(FOX | {"idempotency_key": f"good{number}"})
        bodies.append(FOX | {"idempotency_key": "taken", "seed": number})
        bodies.append(FOX | {"duration": 100 + number})
    answers = _all_at_once(api, bodies)
    assert [answer.status_code for answer in answers] == [202, 422, 422] * 30
    codes = [answer.json().get("code") for answer in answers]
    assert codes == [None, "idempotency_conflict", "invalid_request"] * 30
    assert stored(configured) == 31


def test_a_request_with_a_locked_key_does_not_delay_others(api: httpx.Client, configured: Settings) -> None:
    with connect(configured.require_database_url()) as conn, ThreadPoolExecutor(4) as pool:
        held = NewJob(new_job_id(), {"prompt": "x"}, "h", ["anyfast"], idempotency_key="held")
        enqueue_jobs(conn, [held])  # and does not commit
        waiting = [pool.submit(api.post, "/v1/jobs", json=FOX | {"idempotency_key": "held"}) for _ in range(3)]
        others = _all_at_once(api, [FOX | {"seed": number} for number in range(20)])
        assert [answer.status_code for answer in others] == [202] * 20
        assert not any(future.done() for future in waiting)
        conn.rollback()
        assert len({future.result(PATIENCE_S).json()["id"] for future in waiting}) == 1
    assert stored(configured) == 21
