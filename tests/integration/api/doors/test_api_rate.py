"""How fast a tenant may enqueue, over several API processes, with and without the broker."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from producer.client import Producer
from producer.http.doors import rate
from producer.http.doors.rate import Rates
from producer.http.problems import ApiProblem
from storage.broker_url import parse_broker_url
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys, tenants
from tests.integration.api.api_server import bring, serving, with_account
from tests.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def long_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a minute last a thousand, so that the limit does not refill during a test."""
    assert rate.WINDOW_S == 60.0
    monkeypatch.setattr(rate, "WINDOW_S", 60_000.0)
    monkeypatch.setattr(rate, "ANSWER_S", PATIENCE_S)  # a slow broker must not count as down


def limited(settings: Settings, jobs_per_minute: int, tenant: str = "acme") -> dict[str, str]:
    """The headers of a client of a tenant with a limit."""
    with connect(settings.require_database_url()) as conn:
        tenants.set_tenant(conn, tenant, weight=None, jobs_per_minute=jobs_per_minute)
        return {"X-API-Key": keys.new_key(conn, tenant, "test", ["enqueue", "read"])[0]}


def rows(count: int, name: str) -> str:
    return "".join(json.dumps({"prompt": f"{name} {number}"}) + "\n" for number in range(count))


def stored(settings: Settings) -> int:
    with connect(settings.require_database_url()) as conn:
        [row] = conn.execute("SELECT count(*) FROM jobs").fetchall()
    return int(row[0])


def test_every_way_to_enqueue_counts_and_reports_the_rest(settings: Settings) -> None:
    configured = with_account(settings)
    headers = limited(configured, 10)
    with serving(configured) as api:
        first = api.post("/v1/jobs", json={"prompt": "a"}, headers=headers)
        assert first.headers["ratelimit-policy"] == '"jobs";q=10;w=60000'
        assert first.headers["ratelimit"] == '"jobs";r=9;t=6000'
        assert api.post("/v1/jobs/batch", content=rows(3, "b"), headers=headers).status_code == 202
        dry = {"name": "c", "dry_run": "true"}
        assert api.post("/v1/campaigns", params=dry, content=rows(4, "c"), headers=headers).status_code == 200
        made = api.post("/v1/campaigns", params={"name": "c"}, content=rows(4, "c"), headers=headers)
        assert (made.status_code, made.headers["ratelimit"].split(";")[1]) == (202, "r=2")
        assert api.post("/v1/videos", json={"prompt": "d"}, headers=headers).status_code == 200
        refused = api.post("/v1/jobs/batch?partial=true", content=rows(2, "e"), headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 5900 <= int(refused.headers["retry-after"]) <= 6000
        assert refused.headers["ratelimit"].startswith('"jobs";r=1;')
        assert api.post("/v1/jobs", json={"prompt": "f"}, headers=headers).status_code == 202
        assert api.post("/v1/jobs", json={"prompt": "g"}, headers=headers).status_code == 429
        many = api.post("/v1/jobs/batch", content=rows(11, "h"), headers=headers)
        assert (many.status_code, many.json()["code"]) == (422, "too_many_at_once")
        assert api.get("/v1/jobs", headers=headers).status_code == 200
        assert stored(configured) == 10
        with connect(configured.require_database_url()) as conn:
            other, _ = keys.new_key(conn, "default", "test", ["enqueue"])
        free = api.post("/v1/jobs", json={"prompt": "i"}, headers={"X-API-Key": other})
        assert free.status_code == 202 and "ratelimit" not in free.headers, "another tenant, without a limit"


def test_two_processes_share_one_limit(settings: Settings) -> None:
    configured = with_account(settings)
    headers = limited(configured, 20)
    with serving(configured) as one, serving(configured) as two, ThreadPoolExecutor(8) as threads:

        def ask(number: int) -> httpx.Response:
            return (one, two)[number % 2].post("/v1/jobs", json={"prompt": f"p {number}"}, headers=headers)

        answers = Counter(answer.status_code for answer in threads.map(ask, range(40)))
    assert answers == {202: 20, 429: 20}
    assert stored(configured) == 20


def test_without_the_broker_a_process_counts_by_itself(closed_port: int) -> None:
    rates = Rates(parse_broker_url(f"redis://127.0.0.1:{closed_port}"))
    left = [rates.take("acme", 5).left for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(ApiProblem) as refused:
        rates.take("acme", 5)
    assert refused.value.status == 429
    assert rates.take("other", 5).left == 4
    rates.close()


def test_what_was_refused_is_not_counted(broker_url: str) -> None:
    rates = Rates(parse_broker_url(broker_url))
    assert rates.take("acme", 60, 50).left == 10
    for _ in range(5):
        with pytest.raises(ApiProblem):
            rates.take("acme", 60, 30)
    taken: Any = rates.take("acme", 60, 10)
    assert taken.left == 0
    rates.close()


def test_a_repeated_decision_is_not_counted_again(settings: Settings) -> None:
    """Seen: a repeat took from the limit what it would have made again, or was refused with 429."""
    configured = with_account(settings)
    headers = limited(configured, 3)
    with serving(configured) as api, Producer(configured, tenant="acme") as producer:
        api.post("/v1/campaigns", params={"name": "c"}, content=rows(1, "c"), headers=headers)

        def fail() -> None:
            for job in api.get("/v1/jobs", params={"state": "queued"}, headers=headers).json()["data"]:
                bring(producer, job["id"], JobState.FAILED)

        for _ in range(3):
            fail()
            answer = api.post("/v1/campaigns/c/reroll", json={"all": True, "operation": "op"}, headers=headers)
            assert (answer.status_code, answer.json()["done"]) == (200, 1)
        assert answer.json()["repeated"] is True
        another = api.post("/v1/campaigns/c/reroll", json={"all": True, "operation": "op-2"}, headers=headers)
        assert another.headers["ratelimit"].split(";")[1] == "r=0"
