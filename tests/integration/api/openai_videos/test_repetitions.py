"""Requests to `/v1/videos` that are repeated because their answer was lost: one video, paid once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from producer.client import Producer
from storage.database import connect
from storage.jobs import repeated_requests
from storage.settings import Settings
from tests.integration.api.openai_videos.video_calls import FOX, count
from tests.media_files import picture
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


def repeat(api: httpx.Client, repetition: int | None, **fields: Any) -> httpx.Response:
    headers = {} if repetition is None else {"x-stainless-retry-count": str(repetition)}
    answer = api.post("/v1/videos", files={name: (None, value) for name, value in fields.items()}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_repetition_of_a_lost_answer_is_the_first_video(api: httpx.Client, configured: Settings) -> None:
    first = repeat(api, 0, prompt=FOX).json()
    again = repeat(api, 1, prompt=FOX)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first["id"], "true")
    assert repeat(api, 2, prompt=FOX).json()["id"] == first["id"]
    assert count(configured) == 1
    # An intended second video: a first try is always a new video.
    assert repeat(api, 0, prompt=FOX).json()["id"] != first["id"]
    assert repeat(api, 1, prompt="another").json()["id"] != first["id"]
    assert count(configured) == 3
    # Without the header, a repetition cannot be recognised.
    assert repeat(api, None, prompt=FOX).json()["id"] != repeat(api, None, prompt=FOX).json()["id"]


def test_equal_requests_that_were_all_lost_are_repeated_one_by_one(api: httpx.Client, configured: Settings) -> None:
    def send(repetition: int) -> list[str]:
        with ThreadPoolExecutor(4) as pool:
            return [found.json()["id"] for found in pool.map(lambda _: repeat(api, repetition, prompt=FOX), range(4))]

    first = send(0)
    assert len(set(first)) == 4
    assert sorted(send(1)) == sorted(first)
    # A fifth, whose first try never arrived.
    assert repeat(api, 1, prompt=FOX).json()["id"] not in first
    assert count(configured) == 5


def test_a_repetition_during_the_first_request_is_one_video(
    api: httpx.Client, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, go_on = threading.Event(), threading.Event()
    real = Producer.store

    def store(*args: Any, **more: Any) -> Any:
        if not arrived.is_set():
            arrived.set()
            assert go_on.wait(PATIENCE_S)
        return real(*args, **more)

    monkeypatch.setattr(Producer, "store", store)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(repeat, api, 0, prompt=FOX)
        assert arrived.wait(PATIENCE_S)
        again = repeat(api, 1, prompt=FOX).json()["id"]
        go_on.set()
        assert slow.result(PATIENCE_S).json()["id"] == again
    assert count(configured) == 1


def test_the_package_repeats_a_lost_answer_and_pays_once(
    api: httpx.Client, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = Producer.get
    failures = iter([True])

    def get(self: Producer, job_id: Any) -> Any:
        if next(failures, False):
            raise RuntimeError("after the job was stored")
        return answered(self, job_id)

    monkeypatch.setattr(Producer, "get", get)
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=2) as client:
        video = client.videos.create(prompt=FOX, input_reference=picture(720, 1280))
    assert video.status == "queued"
    assert count(configured) == 1


def test_a_key_of_the_client_comes_first(videos: openai.resources.Videos, configured: Settings) -> None:
    headers = {"Idempotency-Key": "fox-1"}
    first = videos.create(prompt=FOX, extra_headers=headers)
    assert videos.create(prompt=FOX, extra_body={"idempotency_key": "fox-1"}).id == first.id
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        videos.create(prompt="another", extra_headers=headers)
    assert caught.value.code == "idempotency_conflict"
    assert count(configured) == 1


def test_old_request_keys_are_removed(configured: Settings) -> None:
    with connect(configured.require_database_url()) as conn:
        conn.execute(
            "INSERT INTO request_keys (tenant, fingerprint, repetition, key, at) "
            "SELECT 'default', 'old', 0, n::text, now() - interval '1 hour' FROM generate_series(1, 30) n"
        )
        assert repeated_requests.key_for(conn, "default", "old", 1).startswith("request:"), (
            "an old request is not repeated"
        )
        repeated_requests.key_for(conn, "default", "new", 0)
        row = conn.execute("SELECT count(*) FROM request_keys").fetchone()
    assert row == (2,)
