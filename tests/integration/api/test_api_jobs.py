"""`/v1/jobs` over real HTTP, against a real PostgreSQL and a real S3."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from producer.client import Producer
from producer.http.events import EventHub
from storage.bucket.objects import Objects
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring
from tests.waiting import PATIENCE_S

S = JobState
FOX = {"prompt": "a red fox", "duration": 5, "resolution": "720p"}


def enqueue(api: httpx.Client, **fields: Any) -> dict[str, Any]:
    found = api.post("/v1/jobs", json=FOX | fields)
    assert found.status_code == 202, found.text
    body: dict[str, Any] = found.json()
    return body


def stored(settings: Settings) -> int:
    with connect(settings.require_database_url()) as conn:
        row = conn.execute("SELECT count(*) FROM jobs").fetchone()
        assert row is not None
        return int(row[0])


# --- enqueue ---------------------------------------------------------------------------------------------------------


def test_a_job_is_accepted_and_found_again(api: httpx.Client, producer: Producer) -> None:
    answer = api.post("/v1/jobs", json=FOX | {"tags": ["a"], "metadata": {"sku": "猫"}, "priority": 9})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    assert "idempotency-replayed" not in answer.headers
    assert (job["state"], job["request"], job["priority"], job["metadata"]) == ("queued", FOX, 9, {"sku": "猫"})
    again = api.get(answer.headers["location"])
    assert again.json() == job
    assert producer.get(job["id"]).request == FOX


def test_the_same_key_is_the_same_job_and_another_request_is_refused(api: httpx.Client, configured: Settings) -> None:
    first = api.post("/v1/jobs", json=FOX, headers={"Idempotency-Key": "k-1"})
    again = api.post("/v1/jobs", json=FOX, headers={"Idempotency-Key": '"k-1"'})
    in_body = api.post("/v1/jobs", json=FOX | {"idempotency_key": "k-1"})
    assert {first.json()["id"], again.json()["id"], in_body.json()["id"]} == {first.json()["id"]}
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    other = api.post("/v1/jobs", json=FOX | {"prompt": "a dog"}, headers={"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert other.json()["job_id"] == first.json()["id"]
    both = api.post("/v1/jobs", json=FOX | {"idempotency_key": "k-2"}, headers={"Idempotency-Key": "k-1"})
    assert (both.status_code, both.json()["error"]["param"]) == (422, "idempotency_key")
    assert stored(configured) == 1


def test_concurrent_requests_with_one_key_are_one_job(api: httpx.Client, configured: Settings) -> None:
    found: list[str] = []

    def send() -> None:
        found.append(api.post("/v1/jobs", json=FOX, headers={"Idempotency-Key": "race"}).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and len(set(found)) == 1
    assert stored(configured) == 1


INVALID_BODIES: list[tuple[bytes, int, str, str | None]] = [
    (b"{", 400, "invalid_json", None),
    (b"[]", 400, "invalid_json", None),
    (b'{"prompt": "a", "prompt": "b"}', 400, "invalid_json", None),
    (b'{"prompt": NaN}', 400, "invalid_json", None),
    (b"\xff\xfe", 400, "invalid_json", None),
    (b"", 400, "invalid_json", None),
    (b"{}", 422, "invalid_request", "prompt"),
    (b'{"prompt": "a", "duration": 3}', 422, "invalid_request", "duration"),
    (b'{"prompt": "a", "colour": "red"}', 422, "invalid_request", "colour"),
    (b'{"prompt": "a", "resolution": "4k"}', 422, "invalid_request", "resolution"),
    (b'{"prompt": "a", "account": "none"}', 422, "invalid_request", "account"),
    (b'{"prompt": "a", "first_frame": "/etc/passwd"}', 422, "invalid_request", "first_frame"),
    (b'{"prompt": "a", "reference_images": ["http://a/b.png", 7]}', 422, "invalid_request", "reference_images[1]"),
    (b'{"prompt": "\\u0000"}', 422, "invalid_request", "prompt"),
    (b'{"prompt": "\\ud800"}', 422, "invalid_request", "prompt"),
    (b'{"prompt": "a", "idempotency_key": 5}', 422, "invalid_request", "idempotency_key"),
    (b'{"prompt": "a", "priority": 1e400}', 422, "invalid_request", "priority"),
    (b'{"prompt": "' + b"a" * 2**20 + b'"}', 413, "body_too_large", None),
    (b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json", None),
]


def test_invalid_bodies_store_nothing(api: httpx.Client, configured: Settings) -> None:
    for body, status, code, param in INVALID_BODIES:
        answer = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["error"]["param"]) == (status, code, param), body[:80]
        assert answer.headers["content-type"] == "application/problem+json"
        assert stored(configured) == 0


# --- look ------------------------------------------------------------------------------------------------------------


def test_pages_are_consecutive_and_filters_apply(api: httpx.Client, producer: Producer) -> None:
    made = [enqueue(api, tags=["x", f"n{number % 2}"])["id"] for number in range(7)]
    bring(producer, made[0], S.FAILED)
    seen: list[str] = []
    where: str | None = "/v1/jobs?limit=3&tag=x"
    while where:
        answer = api.get(where)
        page = answer.json()
        seen += [job["id"] for job in page["data"]]
        where = answer.links["next"]["url"] if "next" in answer.links else None
        assert (page["next_cursor"] is None) == (where is None)
        assert len(seen) <= 7
    assert seen == made[::-1]

    def ids(**query: Any) -> list[str]:
        return [job["id"] for job in api.get("/v1/jobs", params=query).json()["data"]]

    assert ids(state="failed") == made[:1]
    assert len(ids(state=["failed", "queued"])) == 7
    assert ids(tag=["x", "n1"]) == [made[5], made[3], made[1]]
    assert ids(campaign="none") == []
    assert ids(account="main") == made[:1]
    third = api.get(f"/v1/jobs/{made[2]}").json()["created_at"]
    assert ids(created_after=third) == made[:2:-1]
    assert ids(created_before=third) == [made[1], made[0]]


def test_invalid_parameters_are_named(api: httpx.Client) -> None:
    dates = ("created_after=yesterday", "created_after=2030-01-01T00:00:00")
    for query in ("state=nowhere", "limit=0", "limit=1000", "limit=x", "cursor=zzz", *dates, "wait=-1"):
        path = f"/v1/jobs/{uuid4()}" if query.startswith("wait") else "/v1/jobs"
        answer = api.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter"), query
        assert answer.json()["error"]["param"].startswith(query.partition("=")[0]), query


def test_lists_cut_data_uris_short_and_single_jobs_do_not(api: httpx.Client) -> None:
    picture = "data:image/png;base64," + "A" * 4000
    job = enqueue(api, first_frame=picture, prompt="x")
    assert job["request"]["first_frame"] == picture
    [listed] = api.get("/v1/jobs").json()["data"]
    assert len(listed["request"]["first_frame"]) < 120


def test_an_unchanged_job_answers_304(api: httpx.Client, producer: Producer) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}"
    etag = api.get(path).headers["etag"]
    same = api.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    bring(producer, job["id"], S.GENERATING)
    changed = api.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["state"]) == (200, "generating")


def test_a_long_poll_ends_when_the_job_does(api: httpx.Client, producer: Producer) -> None:
    job = enqueue(api)
    bring(producer, job["id"], S.GENERATING)
    timer = threading.Timer(0.5, bring, (producer, job["id"], S.SUCCEEDED))
    since = time.monotonic()
    timer.start()
    answer = api.get(f"/v1/jobs/{job['id']}?wait=60", timeout=PATIENCE_S)
    took = time.monotonic() - since
    timer.join()
    assert answer.json()["state"] == "succeeded"
    assert "retry-after" not in answer.headers
    assert 0.5 < took < 50


def test_a_long_poll_with_a_known_version_ends_with_any_change(api: httpx.Client, producer: Producer) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}"
    etag = api.get(path).headers["etag"]
    timer = threading.Timer(0.3, bring, (producer, job["id"], S.SUBMITTING))
    timer.start()
    answer = api.get(f"{path}?wait=60", headers={"If-None-Match": etag}, timeout=PATIENCE_S)
    timer.join()
    assert (answer.status_code, answer.json()["state"]) == (200, "submitting")


def test_a_long_poll_ends_in_time(api: httpx.Client) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}"
    etag = api.get(path).headers["etag"]
    since = time.monotonic()
    assert api.get(f"{path}?wait=0.6").json()["state"] == "queued"
    assert api.get(f"{path}?wait=0.6", headers={"If-None-Match": etag}).status_code == 304
    assert time.monotonic() - since > 1.1
    assert api.get(f"{path}?wait=61").status_code == 422


def test_a_long_poll_ends_when_its_client_leaves(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = enqueue(api)
    waiting, ended = threading.Event(), threading.Event()
    watch = EventHub.watch

    @contextmanager
    def noted(hub: EventHub, job_id: UUID | None = None) -> Iterator[asyncio.Event]:
        with watch(hub, job_id) as bell:
            waiting.set()
            yield bell
        ended.set()

    monkeypatch.setattr(EventHub, "watch", noted)
    with socket.create_connection((api.base_url.host, api.base_url.port or 0)) as client:
        client.sendall(b"GET /v1/jobs/%b?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % job["id"].encode())
        assert waiting.wait(PATIENCE_S)
        assert not ended.is_set()
    assert ended.wait(45), "it waits for its 60 s"


def test_what_is_not_there_is_not_found(api: httpx.Client) -> None:
    calls = [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/timeline"),
        ("GET", "/video"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ]
    for job_id in ("01890a5d-ac96-774b-bcce-b302099a8057", "nonsense", "%F0%9F%A6%8A"):
        for method, path in calls:
            answer = api.request(method, f"/v1/jobs/{job_id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found"), (job_id, path)


# --- decide ----------------------------------------------------------------------------------------------------------


def test_a_queued_job_is_cancelled_and_retried_once(api: httpx.Client) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}"
    assert api.post(f"{path}/retry").status_code == 409
    done = api.post(f"{path}/cancel")
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    assert api.post(f"{path}/cancel").status_code == 200
    first, again = api.post(f"{path}/retry"), api.post(f"{path}/retry", json={})
    assert (first.status_code, first.json()["metadata"]) == (202, {"retry_of": job["id"]})
    assert first.headers["location"] == f"/v1/jobs/{first.json()['id']}"
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"


def test_a_submitted_job_is_cancelled_only_with_discard(api: httpx.Client, producer: Producer) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}"
    bring(producer, job["id"], S.GENERATING)
    refused = api.post(f"{path}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
    assert "billed" in refused.json()["detail"]
    assert api.post(f"{path}/cancel", json={"discard": "yes"}).status_code == 422
    assert api.post(f"{path}/cancel", json={"force": True}).status_code == 422
    assert api.post(f"{path}/cancel", json={"discard": True}).json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"action": "adopt", "task_id": "task-9", "unchecked": True}, "generating"),
        ({"action": "resubmit"}, "queued"),
        ({"action": "abandon"}, "failed"),
    ],
)
def test_an_unconfirmed_job_is_resolved(
    api: httpx.Client, producer: Producer, body: dict[str, Any], state: str
) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}/resolve"
    assert api.post(path, json=body).status_code == 409
    bring(producer, job["id"], S.UNCONFIRMED)
    for wrong in ({}, {"action": "adopt"}, {"action": "resubmit", "task_id": "t"}, {"action": "x"}):
        assert api.post(path, json=wrong).status_code == 422
    answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()["state"]) == (200, state)


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_redirects_once_they_exist(
    api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Any
) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}"
    early = api.get(f"{path}/video")
    assert (early.status_code, early.json()["code"]) == (409, "not_possible")
    key = f"videos/{job['id']}.mp4"
    (tmp_path / "clip.mp4").write_bytes(b"moving pictures")
    Objects(configured).put_file(tmp_path / "clip.mp4", key, "video/mp4")
    bring(producer, job["id"], S.SUCCEEDED, object_key=key)
    found = api.get(f"{path}/video")
    assert found.status_code == 302
    assert "secret" not in found.headers["location"]
    assert httpx.get(found.headers["location"]).content == b"moving pictures"
    assert api.get(path).json()["links"]["video"] == f"{path}/video"
    assert api.get(f"{path}/poster").status_code == 409
    assert set(api.get(path).json()["links"]) == {"self", "events", "video"}, "links lead only to existing files"
    assert "has no last-frame" in api.get(f"{path}/last-frame").json()["detail"]


# --- events ----------------------------------------------------------------------------------------------------------


def frames(answer: httpx.Response) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of a stream."""
    number = -1
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            yield number, json.loads(value)


def test_events_are_a_stream_and_a_timeline(api: httpx.Client, producer: Producer) -> None:
    job = enqueue(api)
    path = f"/v1/jobs/{job['id']}/events"
    timer = threading.Timer(0.4, bring, (producer, job["id"], S.SUCCEEDED))
    timer.start()
    with api.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        streamed = list(frames(answer))  # ends by itself
    timer.join()
    assert [event["target"] for _, event in streamed] == [
        "queued", "submitting", "generating", "transferring", "succeeded",
    ]  # fmt: skip
    as_json = api.get(path.replace("events", "timeline")).json()["data"]
    assert as_json == [event for _, event in streamed]
    assert [number for number, _ in streamed] == [event["id"] for event in as_json]
    third = streamed[2][0]
    with api.stream("GET", path, headers={"Accept": "text/event-stream", "Last-Event-ID": str(third)}) as answer:
        assert list(frames(answer)) == streamed[3:]
    done = api.get(path, headers={"Accept": "text/event-stream", "Last-Event-ID": str(streamed[-1][0])})
    assert done.status_code == 204
    earlier = httpx.get(f"{api.base_url}{path}", headers={"Accept": "application/json"})  # programs of before
    assert earlier.json()["data"] == as_json


def test_the_stream_of_all_events_continues_after_a_cut(api: httpx.Client, producer: Producer) -> None:
    before = enqueue(api)
    with api.stream("GET", "/v1/events") as answer:
        events = frames(answer)
        timer = threading.Timer(0.3, bring, (producer, before["id"], S.SUBMITTING))
        timer.start()
        number, event = next(events)
        timer.join()
    assert (event["job_id"], event["target"]) == (before["id"], "submitting")
    jobs = [enqueue(api)["id"] for _ in range(3)]
    with api.stream("GET", "/v1/events", headers={"Last-Event-ID": str(number)}) as answer:
        events = frames(answer)
        assert [next(events)[1]["job_id"] for _ in range(3)] == jobs
    with api.stream("GET", f"/v1/events?after={number}") as answer:
        assert next(frames(answer))[1]["job_id"] == jobs[0]
    assert api.get("/v1/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_silent_streams_send_heartbeats(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.api.jobs.streams.HEARTBEAT_S", 0.2)
    with api.stream("GET", "/v1/events") as answer:
        lines = (line for line in answer.iter_lines() if line)
        assert [next(lines) for _ in range(3)] == ["retry: 2000", ": heartbeat", ": heartbeat"]
