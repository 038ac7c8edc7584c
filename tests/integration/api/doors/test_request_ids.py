"""Each answer has the id of its request, the log has it too, and wrong keys are logged and slowed down."""

from __future__ import annotations

import json
import logging
import re

import httpx
import pytest
from pydantic import SecretStr

from producer.http.doors import failed_keys, keyring
from storage.database import connect
from storage.logs.formats import JsonLines
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving

OWN = re.compile(r"[0-9a-f]{32}")


def test_every_answer_has_the_id_of_its_request(configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(configured) as api:
        given = {"X-Request-Id": "trace-1:a.b/c=="}
        for path, status in (("/v1/jobs", 200), ("/v1/nothing", 404), ("/v1/jobs/x", 404), ("/v1/jobs/", 307)):
            answer = api.get(path, headers=given)
            assert (answer.status_code, answer.headers["x-request-id"]) == (status, given["X-Request-Id"]), path
        assert api.get("/v1/jobs/").headers["location"] == "/v1/jobs"
        refused = api.get("/v1/jobs", headers=given | {"X-API-Key": "rq_wrong"})
        assert (refused.status_code, refused.headers["x-request-id"]) == (401, given["X-Request-Id"])
        for malformed in ("", "a b", "-", "x" * 129, "a\tb", "<script>"):
            made = api.get("/healthz", headers={"X-Request-Id": malformed}).headers["x-request-id"]
            assert OWN.fullmatch(made), malformed
        first, second = (api.get("/healthz").headers["x-request-id"] for _ in range(2))
        assert first != second
        with api.stream("GET", "/v1/events", headers=given) as stream:
            assert stream.headers["x-request-id"] == given["X-Request-Id"]
        monkeypatch.setattr("producer.api.jobs.routes.as_job_id", lambda _text: 1 / 0)
        failed = api.get("/v1/jobs/x", headers=given)
        assert failed.status_code == 500
        assert failed.json()["request_id"] == failed.headers["x-request-id"] == given["X-Request-Id"]


def test_wrong_keys_are_logged_without_the_key(
    configured: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(configured.require_database_url()) as conn:
        right, made = keys.new_key(conn, "acme", "test", ["read"])
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    with serving(configured) as api, caplog.at_level(logging.WARNING, "reelq.api"):
        monkeypatch.setattr(caplog.handler, "formatter", JsonLines())
        sent = {"X-Request-Id": "trace-1"}
        assert api.get("/v1/jobs", headers=sent | {"X-API-Key": wrong}).status_code == 401
        assert api.get("/v1/jobs", headers=sent | {"Cookie": "reelq_session=rs_gone"}).status_code == 401
        api.get("/login")
        form = {"token": api.cookies["reelq_form"], "key": wrong}
        assert api.post("/login", data=form, headers=sent).status_code == 401
    lines = [line for line in map(json.loads, caplog.text.splitlines()) if line["event"] == "api.wrong_key"]
    assert [line["peer"] for line in lines] == ["127.0.0.1"] * 3
    assert [line["request_id"] for line in lines] == ["trace-1"] * 3
    assert [line["key_id"] for line in lines[:2]] == [made.id, "session"] and lines[2]["path"] == "/login"
    assert right.rpartition("_")[2][:20] not in caplog.text and "rs_gone" not in caplog.text


def test_each_request_is_logged_with_its_route_and_who_sent_it(
    configured: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "reelq")
    body = {"prompt": "a secret prompt", "idempotency_key": "k"}
    with connect(configured.require_database_url()) as conn:
        acme, own = keys.new_key(conn, "acme", "test", ["read", "enqueue"])
        other, their = keys.new_key(conn, "other", "test", ["read"])
    with serving(configured) as api:
        monkeypatch.setattr(caplog.handler, "formatter", JsonLines())
        made = api.post("/v1/jobs", json=body, headers={"X-API-Key": acme, "X-Request-Id": "trace-2"})
        job_id = made.json()["id"]
        for key, query in ((acme, ""), (other, ""), (acme, "?token=hidden-in-a-query")):
            api.get(f"/v1/jobs/{job_id}{query}", headers={"X-API-Key": key})
        api.get("/v1/jobs", headers={"X-API-Key": "rq_wrong"})
        api.post("/callbacks/ark/hidden-token", json={"id": "x"})
        api.get("/v1/nothing/hidden-path", headers={"X-API-Key": other})
        api.get("/healthz")
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    found = [line for line in lines if line["event"] == "api.request"]
    assert [
        (line["method"], line["route"], line["status"], line.get("tenant"), line.get("key_id")) for line in found
    ] == [
        ("POST", "/v1/jobs", 202, "acme", own.id),
        ("GET", "/v1/jobs/{job_id}", 200, "acme", own.id),
        ("GET", "/v1/jobs/{job_id}", 404, "other", their.id),
        ("GET", "/v1/jobs/{job_id}", 422, "acme", own.id),
        ("GET", "-", 401, None, None),
        ("POST", "/callbacks/{gateway}/{token}", 404, None, None),
        ("GET", "-", 404, "other", their.id),
    ]
    assert all(line["ms"] > 0 and line["request_id"] for line in found)
    [stored] = [line for line in lines if line["event"] == "job.enqueued"]
    known = {"job_id": job_id, "tenant": "acme", "request_id": "trace-2", "key_id": own.id}
    assert {name: stored[name] for name in known} == known
    assert [line["job_id"] for line in found[1:4]] == [job_id] * 3
    for hidden in ("hidden", "secret prompt", acme.rpartition("_")[2]):
        assert hidden not in caplog.text


def test_an_address_that_guesses_has_to_wait_and_keys_in_use_do_not(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_keys, "MAX_WAITING", 0)  # who would have to wait is refused
    monkeypatch.setattr(failed_keys, "FREE", 5.0)
    monkeypatch.setattr(failed_keys, "FORGIVEN_PER_S", 0.0)
    own = "the operator's own key"
    proxied = configured.model_copy(update={"api_require_keys": True, "api_key": SecretStr(own)})
    proxied = Settings.model_validate(proxied.model_dump() | {"trusted_proxies": ["127.0.0.1"]})
    with connect(configured.require_database_url()) as conn:
        in_use, made = keys.new_key(conn, "acme", "test", ["read"])
        fresh, _ = keys.new_key(conn, "default", "test", ["read"])

    def ask(api: httpx.Client, key: str, address: str = "198.51.100.7") -> int:
        return api.get("/v1/jobs", headers={"X-API-Key": key, "X-Forwarded-For": address}).status_code

    with serving(proxied) as api:
        guesses = [ask(api, f"rq_{'a' * 12}_{number:043}") for number in range(7)]
        assert guesses == [401] * 5 + [429] * 2
        assert ask(api, fresh) == 429, "from there it looks like a guess"
        assert ask(api, in_use, "198.51.100.8") == 200, "another address"
        assert ask(api, in_use) == 200, "it was right a moment ago"
        # The operator's own key may be short, so a right guess is known only where it was right before.
        assert ask(api, own, "198.51.100.8") == 200
        assert ask(api, own) == 429
        assert [ask(api, own, "198.51.100.9"), *(ask(api, "rq_x", "198.51.100.9") for _ in range(7))][-1] == 429
        assert ask(api, own, "198.51.100.9") == 200, "someone else guesses behind the same address"
        monkeypatch.setattr(keyring, "STALE_S", -1.0)
        assert ask(api, in_use) == 200, "it was right before, however long ago"
        with connect(configured.require_database_url()) as conn:
            keys.revoke(conn, made.id)
        assert [ask(api, in_use) for _ in range(2)] == [401, 429]
        # What a client itself claims in front of the proxy's word does not count.
        assert ask(api, fresh, "203.0.113.9, 198.51.100.7") == 429
        login = {"X-Forwarded-For": "198.51.100.7"}
        api.get("/login")
        form = {"token": api.cookies["reelq_form"], "key": fresh}
        assert api.post("/login", data=form, headers=login).status_code == 429
