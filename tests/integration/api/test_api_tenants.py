"""Two tenants on one server: neither sees, changes or notices the other's data, on any route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producer.api.app import create_app
from producer.client import Producer
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from storage.webhooks.endpoints import add_endpoint
from tests.integration.api.api_server import bring, serving

S = JobState
SECRET = "a prompt that only beta knows"
CAMPAIGN, KEY = "beta campaign", "beta-key"
OPEN = re.compile(r"/(healthz|readyz|login|logout|openapi\.json|metrics)|/callbacks/.*|/static.*")
"""Paths without a tenant; `/metrics` has its own scope."""
STREAMS = {"/v1/events"}
"""Endless answers; they have their own test."""
BODIES: dict[str, dict[str, Any]] = {
    "resolve": {"action": "abandon"},
    "cancel": {"discard": True},
    "purse": {"purse": "1 USD"},
    "rekey": {"api_key": "k"},
    "approve": {"all": True},
    "reject": {"all": True},
    "reroll": {"all": True},
    "set": {"all": True, "fields": {"priority": 9}},
}
EVERY_STATE = (S.QUEUED, S.SUBMITTING, S.UNCONFIRMED, S.GENERATING, S.TRANSFERRING, S.SUCCEEDED, S.FAILED)


@dataclass
class Beta:
    """The other tenant's data."""

    jobs: dict[JobState, str]
    endpoint: str
    """The secret of its webhooks."""
    producer: Producer

    def snapshot(self) -> str:
        with connect(self.producer.settings.require_database_url()) as conn:
            [row] = conn.execute(
                """SELECT jsonb_build_object(
                       'jobs', (SELECT jsonb_agg(to_jsonb(j) ORDER BY j.id) FROM jobs j WHERE tenant = 'beta'),
                       'campaigns', (SELECT jsonb_agg(to_jsonb(c)) FROM campaigns c WHERE tenant = 'beta'),
                       'events', (SELECT count(*) FROM job_events e JOIN jobs j ON j.id = e.job_id
                                  WHERE j.tenant = 'beta'))::text"""
            ).fetchall()
        return str(row[0])

    def is_in(self, text: str) -> bool:
        """Whether something of it is in a text, which may repeat what was searched for."""
        return any(
            mark in text
            for mark in (*self.jobs.values(), self.endpoint, *(f"{SECRET} {state}" for state in EVERY_STATE))
        )


@pytest.fixture
def beta(configured: Settings) -> Iterator[Beta]:
    with Producer(configured, tenant="beta") as producer:
        rows = [{"prompt": f"{SECRET} {state}", "return_last_frame": True} for state in EVERY_STATE]
        rows[0]["idempotency_key"] = KEY
        made = producer.enqueue_many(rows, campaign=CAMPAIGN)
        found = {state: str(job.id) for state, job in zip(EVERY_STATE, made, strict=True)}
        for state, job_id in found.items():
            if state is not S.QUEUED:
                bring(producer, job_id, state)
        with producer.database.begin() as conn:
            endpoint = add_endpoint(conn, "beta", "https://beta.example/hook", ["job.succeeded"], "secret")
        assert endpoint is not None
        yield Beta(found, str(endpoint.id), producer)


@pytest.fixture
def alpha(configured: Settings) -> Iterator[httpx.Client]:
    with serving(configured) as client:
        client.headers["X-API-Key"] = a_key(configured, "alpha")
        yield client


def a_key(settings: Settings, tenant: str) -> str:
    with connect(settings.require_database_url()) as conn:
        return keys.new_key(conn, tenant, "test", ["admin"])[0]


def routes_of(routes: list[Any]) -> Iterator[tuple[str, str]]:
    """Every method and path, including those that OpenAPI does not show."""
    for route in routes:
        if inner := getattr(route, "original_router", None):
            yield from routes_of(inner.routes)
        else:
            for method in sorted(getattr(route, "methods", None) or {"GET"}):
                yield method, route.path


def every_route(settings: Settings) -> list[tuple[str, str]]:
    app = create_app(settings)
    found = set(routes_of(list(app.routes)))
    shown = {(method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations}
    assert shown <= {(method, path.replace(":path}", "}")) for method, path in found}, "a route is not walked"
    return sorted(item for item in found if not OPEN.fullmatch(item[1]))


def parameters_of(document: dict[str, Any], method: str, path: str) -> set[str] | None:
    """The query parameters that a route declares; None: it declares nothing, and takes any."""
    operation = document["paths"].get(path, {}).get(method.lower())
    return None if operation is None else {item["name"] for item in operation.get("parameters", ())}


def filled(path: str, value: str) -> str:
    return re.sub(r"\{[^}]*\}", value, path)


def asked(client: httpx.Client, method: str, path: str) -> httpx.Response:
    body = BODIES.get(path.rpartition("/")[2], {})
    if method not in ("POST", "PUT", "PATCH"):
        return client.request(method, path)
    if path.startswith("/v1/"):
        return client.request(method, path, json=body)
    return client.request(method, path, data={name: str(value) for name, value in body.items()} or {"_": "_"})


def test_ids_and_names_of_another_tenant_are_not_found_like_unknown_ones(
    alpha: httpx.Client, beta: Beta, configured: Settings
) -> None:
    before = beta.snapshot()
    probed = 0
    for method, path in every_route(configured):
        if "{" not in path:
            continue
        for value in (*beta.jobs.values(), beta.endpoint, CAMPAIGN):
            unknown = "beta nothing" if value == CAMPAIGN else str(uuid4())
            theirs = asked(alpha, method, filled(path, value))
            unknowns = asked(alpha, method, filled(path, unknown))
            # 403: it concerns the whole installation, so no tenant's admin may do it.
            assert theirs.status_code == unknowns.status_code, (method, path, theirs.text)
            allowed = (403, 404, 422) if value == CAMPAIGN else (403, 404)  # 422: a name where an id must be
            assert theirs.status_code in allowed, (method, path, theirs.text)
            said = theirs.text.replace(value, unknown).replace(value.replace("-", ""), unknown.replace("-", ""))
            assert said == unknowns.text, (method, path)
            probed += 1
    assert probed > 100
    assert beta.snapshot() == before


def test_no_answer_names_anything_of_another_tenant(alpha: httpx.Client, beta: Beta, configured: Settings) -> None:
    before, document = beta.snapshot(), create_app(configured).openapi()
    filters = {"campaign": CAMPAIGN, "idempotency_key": KEY, "q": SECRET, "name": "alpha campaign"}
    for method, path in every_route(configured):
        if "{" in path or path in STREAMS:
            continue
        taken = parameters_of(document, method, path)
        for parameters in ({}, {name: value for name, value in filters.items() if taken is None or name in taken}):
            body = {"prompt": "alpha's own", "idempotency_key": KEY} if method == "POST" else None
            answer = alpha.request(method, path, params=parameters, json=body)
            assert answer.status_code < 500, (method, path, answer.text)
            assert not beta.is_in(answer.text), (method, path)
            assert parameters or CAMPAIGN not in answer.text, (method, path)
    assert beta.snapshot() == before


def test_keys_and_names_of_two_tenants_are_separate(alpha: httpx.Client, beta: Beta) -> None:
    own = alpha.post("/v1/jobs", json={"prompt": "alpha's own", "idempotency_key": KEY})
    assert own.status_code == 202 and "idempotency-replayed" not in own.headers
    rows = json.dumps({"prompt": "alpha's second", "idempotency_key": "second"})
    batch = alpha.post("/v1/jobs/batch", content=rows).json()
    made = alpha.post(
        "/v1/campaigns", params={"name": CAMPAIGN}, content=json.dumps({"prompt": "alpha's third"})
    ).json()
    assert (batch["created"], made["created"]) == (1, 1)
    listed = alpha.get("/v1/jobs").json()["data"]
    assert {job["request"]["prompt"] for job in listed} == {"alpha's own", "alpha's second", "alpha's third"}
    [campaign] = alpha.get("/v1/campaigns").json()["data"]
    assert (campaign["name"], campaign["total"]) == (CAMPAIGN, 1)
    assert len(alpha.get("/v1/jobs", params={"campaign": CAMPAIGN}).json()["data"]) == 1
    assert alpha.get(f"/v1/campaigns/{CAMPAIGN}/manifest").text.count("\n") == 1
    assert alpha.post(f"/v1/campaigns/{CAMPAIGN}/cancel").json()["cancelled"] == 1
    assert [job["state"] for job in alpha.get("/v1/jobs", params={"campaign": CAMPAIGN}).json()["data"]] == [
        "cancelled"
    ]
    assert beta.producer.get(beta.jobs[S.QUEUED]).state is S.QUEUED


def test_the_stream_of_events_has_one_tenant(alpha: httpx.Client, beta: Beta) -> None:
    own = alpha.post("/v1/jobs", json={"prompt": "alpha's own"}).json()["id"]
    beta.producer.cancel(beta.jobs[S.QUEUED])
    alpha.post(f"/v1/jobs/{own}/cancel")
    seen = []
    with alpha.stream("GET", "/v1/events", params={"after": 0}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
                assert seen[-1]["job_id"] == own
                assert "tenant" not in seen[-1]
                if seen[-1]["target"] == "cancelled":
                    break
    assert [event["target"] for event in seen] == ["queued", "cancelled"]


def test_only_the_operator_sees_the_whole_installation(alpha: httpx.Client, configured: Settings) -> None:
    operator = {"X-API-Key": a_key(configured, "default")}
    assert alpha.get("/metrics").status_code == 403
    assert alpha.get("/metrics", headers=operator).status_code == 200
    assert alpha.get("/v1/accounts").json() == {"accounts": [], "unusable": {}}, "those that serve it alone"
    assert len(alpha.get("/v1/accounts", headers=operator).json()["accounts"]) == 1


def test_a_task_of_another_tenants_job_is_not_named(alpha: httpx.Client, beta: Beta, configured: Settings) -> None:
    own = alpha.post("/v1/jobs", json={"prompt": "alpha's own"}).json()["id"]
    bring(beta.producer.as_tenant("alpha"), own, S.UNCONFIRMED)
    with connect(configured.require_database_url()) as conn:
        held = conn.execute("SELECT gateway_task_id FROM attempts WHERE outcome = 'accepted' LIMIT 1").fetchone()
    assert held is not None
    refused = alpha.post(f"/v1/jobs/{own}/resolve", json={"action": "adopt", "task_id": held[0]})
    assert refused.status_code == 409 and "another job" in refused.json()["detail"]
    assert not beta.is_in(refused.text.replace(held[0], ""))
