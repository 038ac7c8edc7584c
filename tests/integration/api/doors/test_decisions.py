"""Every decision names who made it, and tenants see and manage only their own keys and decisions."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.database import connect
from storage.jobs import history
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.keys import Scope
from tests.integration.api.api_server import bring, serving
from tests.integration.api.doors.test_sessions import sign_in
from tests.waiting import wait_for


@pytest.fixture
def away(configured: Settings) -> Iterator[httpx.Client]:
    with serving(configured.model_copy(update={"api_require_keys": True})) as client:
        yield client


def admin(settings: Settings, tenant: str, name: str) -> tuple[dict[str, str], str]:
    """The headers of a key, and the actor that it is."""
    with connect(settings.require_database_url()) as conn:
        key, made = create_key(conn, tenant, name, [Scope.ADMIN])
    return {"X-API-Key": key}, f"key {name} ({made.id})"


def test_events_of_jobs_name_who_decided(away: httpx.Client, configured: Settings, producer: Producer) -> None:
    (shop, shop_actor), (acme, acme_actor) = admin(configured, "default", "shop"), admin(configured, "acme", "acme")
    first = away.post("/v1/jobs", json={"prompt": "a"}, headers=shop).json()["id"]
    second = away.post("/v1/jobs", json={"prompt": "a"}, headers=acme).json()["id"]
    rows = '{"prompt": "b"}\n{"prompt": "c"}\n'
    batch = away.post("/v1/jobs/batch", content=rows, headers=shop | {"Content-Type": "application/x-ndjson"}).json()
    away.post(f"/v1/jobs/{first}/cancel", headers=shop)
    retried = away.post(f"/v1/jobs/{first}/retry", headers=shop).json()["id"]
    session = sign_in(away, shop["X-API-Key"])
    token = session["Cookie"].rpartition("=")[2]
    assert away.post(f"/jobs/{retried}/cancel", data={"token": token}, headers=session).status_code == 303

    def actors(job_id: str, headers: dict[str, str]) -> list[tuple[str, str | None]]:
        events = away.get(f"/v1/jobs/{job_id}/timeline", headers=headers).json()["data"]
        return [(event["target"], event["actor"]) for event in events]

    assert actors(first, shop) == [("queued", shop_actor), ("cancelled", shop_actor)]
    assert actors(second, acme) == [("queued", acme_actor)]
    for made in batch["results"]:
        assert actors(made["id"], shop) == [("queued", shop_actor)]
    assert actors(retried, shop) == [("queued", shop_actor), ("cancelled", f"session of {shop_actor}")]
    shown = away.get(f"/jobs/{first}", headers=session | {"Accept": "text/html"}).text
    assert f"by {shop_actor}" in shown
    # What the system does has no actor, and a request to cancel at the gateway is in the timeline too.
    job = producer.enqueue("d")
    bring(producer, str(job.id), JobState.SUBMITTING)
    away.post(f"/v1/jobs/{job.id}/cancel", headers=shop)
    with producer.database.begin() as conn:
        events = [(event["reason"], event["actor"]) for event in history.events_of(conn, job.id)]
    assert events[0][1] == producer.actor and events[0][1].startswith("program ")
    assert events[1:] == [("submit", None), ("cancelling", shop_actor)]


def test_decisions_about_campaigns_keys_and_webhooks_name_who_decided(away: httpx.Client, configured: Settings) -> None:
    (shop, shop_actor), (acme, _) = admin(configured, "default", "shop"), admin(configured, "acme", "acme")
    body, kind = '{"prompt": "b"}\n', {"Content-Type": "application/x-ndjson"}
    for who in (shop, acme):
        assert away.post("/v1/campaigns?name=spring", content=body, headers=who | kind).status_code == 202
    away.post("/v1/campaigns/spring/pause", headers=shop)
    away.patch("/v1/campaigns/spring", json={"weight": 2}, headers=shop)
    away.post("/v1/webhooks/endpoints", json={"url": "https://hooks.example/x"}, headers=shop)
    found = away.get("/v1/campaigns/spring/decisions", headers=shop).json()["data"]
    assert [(item["what"], item["actor"]) for item in found] == [
        ("campaign.terms", shop_actor),
        ("campaign.paused", shop_actor),
    ]
    assert found[0]["detail"] == {"weight": 2}
    assert away.get("/v1/campaigns/spring/decisions", headers=acme).json()["data"] == []
    everything = away.get("/v1/decisions", headers=shop).json()["data"]
    assert {item["what"] for item in everything} == {
        "campaign.terms",
        "campaign.paused",
        "webhook.added",
        "key.created",
    }
    assert [item["what"] for item in away.get("/v1/decisions", headers=acme).json()["data"]] == ["key.created"]


def test_keys_are_managed_over_http_by_their_tenant_only(away: httpx.Client, configured: Settings) -> None:
    (shop, shop_actor), (acme, acme_actor) = admin(configured, "default", "shop"), admin(configured, "acme", "acme")
    made = away.post("/v1/keys", json={"name": "backend", "expires_in_seconds": 60}, headers=acme).json()
    backend = {"X-API-Key": made["key"]}
    assert (made["tenant"], made["scopes"]) == ("acme", ["enqueue", "read"]) and made["expires_at"]
    assert away.get("/v1/tenant", headers=backend).json()["name"] == "acme"
    # Keys without the scope, of other tenants, and for other tenants
    assert away.get("/v1/keys", headers=backend).status_code == 403
    assert away.post("/v1/keys", json={"name": "x", "scopes": ["admin"]}, headers=backend).status_code == 403
    assert away.post("/v1/keys", json={"name": "x", "tenant": "default"}, headers=acme).status_code == 403
    assert away.post("/v1/keys", json={"name": "x", "scopes": ["metrics"]}, headers=acme).status_code == 422
    shop_id, acme_id = (actor.rpartition("(")[2][:-1] for actor in (shop_actor, acme_actor))
    assert {key["id"] for key in away.get("/v1/keys", headers=acme).json()["data"]} == {acme_id, made["id"]}
    assert away.delete(f"/v1/keys/{shop_id}", headers=acme).status_code == 404
    assert away.post(f"/v1/keys/{shop_id}/rotate", headers=acme).status_code == 404
    assert away.post("/v1/keys", json={"name": "x", "tenant": "new"}, headers=shop).json()["tenant"] == "new"
    # Rotation with overlap: both work, then only the new one.
    rotated = away.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_seconds": 30}, headers=acme).json()
    again = {"X-API-Key": rotated["key"]}
    assert (rotated["name"], rotated["scopes"], rotated["tenant"]) == ("backend", made["scopes"], "acme")
    assert [away.get("/v1/jobs", headers=key).status_code for key in (backend, again)] == [200, 200]
    last = away.post(f"/v1/keys/{rotated['id']}/rotate", json={"overlap_seconds": 0}, headers=acme).json()
    wait_for("the old key ends", lambda: away.get("/v1/jobs", headers=again).status_code == 401)
    assert away.get("/v1/jobs", headers={"X-API-Key": last["key"]}).status_code == 200
    assert away.post(f"/v1/keys/{rotated['id']}/rotate", headers=acme).status_code == 404
    assert away.delete(f"/v1/keys/{last['id']}", headers=acme).status_code == 204
    wait_for("the key ends", lambda: away.get("/v1/jobs", headers={"X-API-Key": last["key"]}).status_code == 401)
