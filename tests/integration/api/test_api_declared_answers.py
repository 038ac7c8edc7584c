"""A walk through the API: every declared answer occurs once, and matches its declaration."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from producer.api.app import create_app
from producer.client import Producer
from storage.accounts import changes
from storage.admission import model_limits
from storage.admission.circuit_breaker import Cause
from storage.admission.slot_limits import SlotLimit
from storage.bucket.objects import Objects
from storage.database import connect
from storage.heartbeats import beat
from storage.jobs.states import JobState
from storage.sealing import new_master_key
from storage.settings import Settings
from tests.claiming import close_account
from tests.integration.api.api_server import bring, serving_declared, with_account
from tests.integration.api.declared_answers import JSON, PROBLEM, answers_of
from tests.integration.api.delivering import delivering
from tests.integration.api.openai_videos.video_calls import complete
from tests.integration.api.test_api_callbacks import an_unconfirmed_job
from tests.media_files import clip, picture
from tests.waiting import PATIENCE_S, wait_for
from tests.webhook_receiver import receiving

S = JobState
NDJSON = {"Content-Type": "application/x-ndjson"}
AS_JSON = {"Content-Type": "application/json"}
FOX = {"prompt": "a red fox", "duration": 5, "resolution": "720p", "ratio": "16:9"}
WITHOUT_BODY = {204, 302, 304}


@pytest.fixture
def configured(settings: Settings) -> Settings:
    more = {"allow_private_networks": True, "master_key": new_master_key()}
    return Settings.model_validate(with_account(settings).model_dump() | more)


@pytest.fixture
def document(configured: Settings) -> dict[str, Any]:
    return create_app(configured).openapi()


def test_every_answer_has_a_model(document: dict[str, Any]) -> None:
    for (method, path, status), content in answers_of(document):
        assert bool(content) == (status not in WITHOUT_BODY), (method, path, status)
        for kind, item in content.items():
            schema = item["schema"]
            if kind in (JSON, PROBLEM):
                assert all("$ref" in choice for choice in schema.get("anyOf", [schema])), (method, path, status)
            else:
                is_text = kind.startswith("text/") or kind == "application/x-ndjson"
                expected = {"type": "string"} if is_text else {"type": "string", "format": "binary"}
                assert schema == expected, (method, path, status)


def test_every_member_of_an_answer_is_typed(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name != "JsonValue":
            assert {"properties", "enum", "anyOf", "items"} & schema.keys(), name
        for member, item in schema.get("properties", {}).items():
            assert {"type", "$ref", "anyOf", "const", "enum"} & set(item), (name, member)


def test_every_declared_answer_occurs_and_matches_its_declaration(
    configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_declared(configured) as (api, answers), Producer(configured) as producer:
        _health(api, configured)
        _jobs(api, producer, configured, tmp_path)
        _batches(api)
        _campaigns(api)
        _rows(api, producer, configured, tmp_path)
        _information(api, configured)
        _access(api)
        _accounts(api)
        _videos(api, producer, configured, tmp_path)
        _models_and_batches(api)
        _uploads(api)
        _webhooks(api, configured, monkeypatch)
        _callbacks(api, configured)
    missing = {key for key in answers.declared if key[2] < 400} - answers.seen
    assert not missing


def test_answers_without_a_database_match_their_declaration(
    configured: Settings, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.client._CONNECT_WAIT_S", 0.5)
    monkeypatch.setattr("producer.api.app.DATABASE_WAIT_S", 0.5)
    down = configured.model_copy(update={"database_url": f"postgresql://reelq@127.0.0.1:{closed_port}/reelq"})
    with serving_declared(down) as (api, answers):
        assert api.post("/callbacks/ark/other", json={}).status_code == 503
        assert api.get("/v1/jobs").status_code == 503
    assert {key[2] for key in answers.seen} == {503}


def _health(api: httpx.Client, configured: Settings) -> None:
    assert api.get("/healthz").status_code == 200
    assert api.get("/readyz").status_code == 503
    with connect(configured.require_database_url()) as conn:
        for name in ("scheduler", "submit", "poll", "transfer", "notify"):
            beat(conn, name, "here")
    assert api.get("/readyz").status_code == 200


def _job(api: httpx.Client, producer: Producer, state: JobState = S.QUEUED, **columns: Any) -> str:
    job_id = str(api.post("/v1/jobs", json=FOX).json()["id"])
    if state is not S.QUEUED:
        bring(producer, job_id, state, **columns)
    return f"/v1/jobs/{job_id}"


def _read_file(api: httpx.Client, path: str) -> None:
    whole = api.get(path)
    assert whole.status_code == 200
    part = api.get(path, headers={"Range": "bytes=2-3"})
    assert (part.status_code, part.content) == (206, whole.content[2:4])
    assert api.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert api.get(path, headers={"Range": "bytes=99999999-"}).status_code == 416


def _jobs(api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Path) -> None:
    files = {"object_key": "videos/a.mp4", "poster_key": "videos/a.jpg", "last_frame_key": "videos/a.last.jpg"}
    objects = Objects(configured)
    for key in files.values():
        (tmp_path / "file").write_bytes(b"content")
        objects.put_file(tmp_path / "file", key, "video/mp4" if key.endswith("mp4") else "image/jpeg")
    done = _job(api, producer, S.SUCCEEDED, **files)
    for expected, form in ((202, {"playable": False}), (200, {"playable": True})):
        path = _job(api, producer, S.SUCCEEDED, **files, video_format=form)
        assert api.post(f"{path}/playable").status_code == expected
        assert api.get(f"{path}/video?playable=1").status_code == (202 if expected == 202 else 302)
    for name in ("video", "poster", "last-frame"):
        assert api.get(f"{done}/{name}").status_code == 302
        _read_file(api, f"{done}/{name}?proxy=1")
    for state in (S.SUBMITTING, S.UNCONFIRMED, S.GENERATING, S.TRANSFERRING):
        assert api.get(_job(api, producer, state)).json()["state"] == state
    found = api.get(done)
    assert api.get(done, headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    assert api.post(f"{_job(api, producer)}/cancel").status_code == 200
    assert api.post(f"{_job(api, producer, S.SUBMITTING)}/cancel").status_code == 202
    assert api.post(f"{_job(api, producer, S.FAILED)}/retry").status_code == 202
    assert api.post(f"{done}/finalize", json={"regenerate": True, "resolution": "720p"}).status_code == 202
    assert api.post(f"{_job(api, producer, S.UNCONFIRMED)}/resolve", json={"action": "abandon"}).status_code == 200
    page = api.get("/v1/jobs", params={"limit": 2}).json()
    assert page["next_cursor"]
    events = api.get(f"{done}/timeline").json()["data"]
    assert api.get(f"{done}/attempts").json()["data"][0]["account"] == "main"
    assert len(events) == 5
    stream = {"Accept": "text/event-stream"}
    assert api.get(f"{done}/events", headers=stream).status_code == 200
    assert api.get(f"{done}/events", headers=stream | {"Last-Event-ID": str(events[-1]["id"])}).status_code == 204
    with api.stream("GET", "/v1/events") as following:
        assert following.status_code == 200


def _batches(api: httpx.Client) -> None:
    good, bad = b'{"prompt": "a"}\n', b'{"prompt": "b", "duration": 3}\n'
    for query, body, status in [("", good, 202), ("?partial=true", good, 202), ("?partial=true", good + bad, 207)]:
        assert api.post(f"/v1/jobs/batch{query}", content=body, headers=NDJSON).status_code == status
        lines = b",".join(body.splitlines())
        assert api.post(f"/v1/jobs/batch{query}", content=b"[%s]" % lines, headers=AS_JSON).status_code == status


def _campaigns(api: httpx.Client) -> None:
    rows = b'{"prompt": "a", "duration": 5, "resolution": "720p", "ratio": "16:9"}\n{"prompt": "b"}\n'
    where = "/v1/campaigns?name=spring 2030"
    assert api.post(f"{where}&dry_run=true", content=rows, headers=NDJSON).status_code == 200
    bad = b'{"prompt": "a", "duration": 99}'
    errors = api.post("/v1/campaigns/plan/errors?format=jsonl", content=bad, headers=NDJSON)
    assert errors.status_code == 200, errors.text
    planned = api.post("/v1/campaigns/plan?name=spring 2030&budget=9 CNY", content=rows, headers=NDJSON)
    assert (planned.status_code, planned.json()["good"], planned.json()["budget"]["of"]) == (200, 2, 2)
    made = api.post(where, content=rows, headers=NDJSON)
    assert (made.status_code, len(made.json()["ids"])) == (202, 2)
    path = made.headers["location"]
    assert api.patch(path, json={"budget": "100 USD", "weight": 2}).json()["budget"]["amount"] == 100
    for action in ("pause", "resume", "cancel"):
        assert api.post(f"{path}/{action}").status_code == 200
    assert api.get(path).json()["counts"] == {"cancelled": 2}
    assert len(api.get(f"{path}/manifest").text.splitlines()) == 2
    assert len(api.get("/v1/campaigns").json()["data"]) == 1
    assert len(api.get(f"{path}/decisions").json()["data"]) == 4


def _uploads(api: httpx.Client) -> None:
    made = api.post("/v1/uploads", content=picture(), headers={"Content-Type": "image/png"})
    assert made.status_code == 201
    assert api.get("/v1/uploads").status_code == 200
    assert api.get(made.headers["location"]).status_code == 200
    assert api.delete(made.headers["location"]).status_code == 204


def _rows(api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Path) -> None:
    sheet = {"file": ("lamps.csv", "SKU,prompt\nA,a\nB,b\n")}
    path = api.post("/v1/campaigns", files=sheet, data={"name": "lamps"}).headers["location"]
    [one, two] = api.get(f"{path}/rows").json()["data"]
    (tmp_path / "video").write_bytes(b"video")
    Objects(configured).put_file(tmp_path / "video", "videos/lamp.mp4", "video/mp4")
    facts = {"object_key": "videos/lamp.mp4", "size_bytes": 5, "sha256": hashlib.sha256(b"video").hexdigest()}
    bring(producer, one["job"]["id"], S.SUCCEEDED, **facts)
    assert api.get(f"{path}/status").json()["rows"] == 2
    assert api.get(f"{path}/rows/{one['id']}").json()["history"]
    assert api.get(f"{path}/videos").status_code == 200
    for verb, body in (("approve", {}), ("reject", {}), ("set", {"fields": {"priority": 9}}), ("reroll", {})):
        assert api.post(f"{path}/{verb}", json={"ids": [one["id"], two["id"]]} | body).json()["done"] == 1
    assert api.post(f"{path}/cancel", json={"rows": "3"}).json()["done"] == 1
    assert api.post(f"{path}/retry").json()["new_jobs"] == 1
    for results in ("export", "sheet"):
        assert api.get(f"{path}/{results}").status_code == 200
    share = api.post(f"{path}/shares").json()
    assert api.get(f"{path}/shares").json()["data"]
    assert api.delete(f"{path}/shares/{share['id']}").status_code == 204


def _information(api: httpx.Client, configured: Settings) -> None:
    assert api.post("/v1/estimate", json=FOX).json()["estimate"]["currency"]
    for name in ("capabilities", "catalog", "tenant"):
        assert api.get(f"/v1/{name}").status_code == 200
    explained = api.post("/v1/explain", content=orjson.dumps(FOX), headers=NDJSON).json()["jobs"][0]
    assert explained["accounts"][0]["row"] and explained["chosen"] == "main"
    file = picture()
    with connect(configured.require_database_url()) as conn:
        conn.execute(
            "INSERT INTO assets (account, sha256, modality, name, asset_id, status)"
            " VALUES ('main', %s, 'image', 'x', 'asset-1', 'active')",
            [hashlib.sha256(file).hexdigest()],
        )
    known = api.post("/v1/assets", content=file, headers={"Content-Type": "image/png"}).json()
    assert (known["asset"], known["is_new"]) == ("asset://asset-1", False)
    assert api.get("/v1/assets").json()["data"][0]["asset"] == known["asset"]
    with connect(configured.require_database_url()) as conn:
        model_limits.set_limit(conn, "main", "seedance", SlotLimit(1))
        close_account(conn, "main", Cause.ACCOUNT, "top up", code="no_credit")
    [account] = api.get("/v1/accounts").json()["accounts"]
    assert account["error"] and account["models"], "both are filled, so their declarations are checked"
    with connect(configured.require_database_url()) as conn:
        changes.resume_account(conn, "main")


def _access(api: httpx.Client) -> None:
    made = api.post("/v1/keys", json={"name": "backend", "expires_in_seconds": 3600}).json()
    assert made["key"].startswith(f"rq_{made['id']}_")
    rotated = api.post(f"/v1/keys/{made['id']}/rotate").json()
    assert api.put(f"/v1/keys/{rotated['id']}/purse", json={"purse": "20 USD"}).json()["purse"]["left"] == 20
    assert api.get(f"/v1/keys/{rotated['id']}/purse").json()["purse"]["left"] == 20
    assert api.delete(f"/v1/keys/{rotated['id']}").status_code == 204
    assert [key["replaced_by"] for key in api.get("/v1/keys").json()["data"]] == [rotated["id"], None]
    assert api.get("/v1/decisions", params={"limit": 2}).json()["next_cursor"]


def _accounts(api: httpx.Client) -> None:
    made = api.post("/v1/accounts", json={"name": "more", "gateway": "ark", "api_key": "sk-more"})
    assert made.status_code == 201, made.text
    path = "/v1/accounts/more"
    assert api.get(path).json()["kept_in"] == "database"
    assert api.patch(path, json={"tenants": ["acme", "*"], "max_in_flight": 3}).json()["tenants"] == ["acme", "*"]
    assert api.post(f"{path}/rekey", json={"api_key": "sk-other"}).status_code == 200
    assert [api.post(f"{path}/{what}").json()["state"] for what in ("pause", "resume")] == ["paused", "ok"]
    assert api.delete(path).status_code == 204


def _videos(api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Path) -> None:
    source = api.post("/v1/videos", json={"prompt": "a", "size": "864x496"}).json()["id"]
    complete(producer, configured, source, clip(tmp_path / "a.mp4"))
    of_it = {"prompt": "b", "seconds": "4", "video": {"id": source}}
    for path, body in [("edits", of_it), ("extensions", of_it), (f"{source}/remix", {"prompt": "c"})]:
        assert api.post(f"/v1/videos/{path}", json=body).json()["object"] == "video"
    failed = api.post("/v1/videos", json={"prompt": "d"}).json()["id"]
    bring(producer, failed, S.FAILED)
    assert api.get(f"/v1/videos/{failed}").json()["error"]["code"]
    assert api.get("/v1/videos").json()["data"]
    _read_file(api, f"/v1/videos/{source}/content")
    assert api.delete(f"/v1/videos/{source}").json()["deleted"]


def _models_and_batches(api: httpx.Client) -> None:
    model = api.get("/v1/models").json()["data"][0]["id"]
    assert api.get(f"/v1/models/{model}").json()["id"] == model
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": {"prompt": "a"}}\n'
    form = {"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", line * 2)}}  # twice the same id: it fails
    file_id = api.post("/v1/files", **form).json()["id"]  # type: ignore[arg-type] # as httpx takes it
    assert api.get(f"/v1/files/{file_id}/content").content == line * 2
    assert api.get(f"/v1/files/{file_id}").json()["id"] == api.get("/v1/files").json()["data"][0]["id"] == file_id
    asked = {"input_file_id": file_id, "endpoint": "/v1/videos", "completion_window": "24h"}
    batch = f"/v1/batches/{api.post('/v1/batches', json=asked).json()['id']}"
    wait_for("the batch has failed", lambda: api.get(batch).json()["errors"], every_s=0.1)
    assert api.get("/v1/batches").json()["data"]
    assert api.delete(f"/v1/files/{file_id}").json()["deleted"]
    other = api.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", line)}).json()["id"]
    batch = api.post("/v1/batches", json=asked | {"input_file_id": other}).json()["id"]
    assert api.post(f"/v1/batches/{batch}/cancel").json()["status"] in ("cancelling", "cancelled")


def _webhooks(api: httpx.Client, configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    root = "/v1/webhooks"
    made = api.post(f"{root}/endpoints", json={"url": "https://shop.example/hook", "events": ["job.cancelled"]})
    path = made.headers["location"]
    assert api.get(path).status_code == 200
    assert api.post(f"{path}/rotate", json={"overlap_seconds": 60}).json()["previous_until"]
    assert api.get(f"{root}/secret").json()["secrets"]
    with monkeypatch.context() as patch:
        patch.setattr("producer.api.webhooks.TEST_S", 0.0)
        tested = api.post(f"{root}/test", json={"endpoint_id": made.json()["id"]})
    assert tested.status_code == 202
    assert api.get(f"{root}/messages").json()["data"]
    assert api.get(f"{root}/messages/{tested.json()['id']}").status_code == 200
    assert api.post(f"{root}/messages/{tested.json()['id']}/replay").status_code == 202
    assert api.post(f"{root}/replay", json={"since": "2020-01-01T00:00:00Z"}).status_code == 202
    assert api.patch(path, json={"disabled": True}).json()["disabled_at"]
    assert api.get(f"{root}/endpoints").json()["data"]
    assert api.delete(path).status_code == 204
    with receiving() as receiver, delivering(configured), monkeypatch.context() as patch:
        patch.setattr("producer.api.webhooks.TEST_S", PATIENCE_S)
        sent = api.post(f"{root}/test", json={"url": receiver.url})
    assert (sent.status_code, sent.json()["state"]) == (200, "delivered")


def _callbacks(api: httpx.Client, configured: Settings) -> None:
    token = secrets.token_urlsafe(32)
    an_unconfirmed_job(configured.require_database_url(), token)
    assert api.post(f"/callbacks/ark/{token}", json={"id": "task-1"}).status_code == 200
    assert api.post("/callbacks/ark/other", json={"id": "task-1"}).status_code == 404
