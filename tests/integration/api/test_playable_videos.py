"""`?playable=1`: the original if every browser plays it, else its copy, which is made on demand."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from producer import Producer
from storage.jobs.playable_copies import claim_copies, finish_copy, give_up_copy
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring, serving

HEVC = {"codec": "hvc1", "pixel_format": "yuv420p10le", "container": "mp4", "audio": "mp4a", "playable": False}
PLAIN = {"codec": "avc1", "pixel_format": "yuv420p", "container": "mp4", "audio": None, "playable": True}


def succeeded(producer: Producer, video_format: dict[str, Any]) -> str:
    job_id = str(producer.enqueue("a fox").id)
    bring(
        producer,
        job_id,
        JobState.SUCCEEDED,
        object_key=f"videos/{job_id}.mp4",
        sha256="0" * 64,
        size_bytes=5,
        video_format=video_format,
    )
    return job_id


def redirect(api: httpx.Client, path: str) -> str:
    answer = api.get(path, params={"proxy": "0"} if "?" not in path else None)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].partition("?")[0].rpartition("/")[2]


def test_a_video_that_plays_everywhere_is_given_as_it_is(api: httpx.Client, producer: Producer) -> None:
    job_id = succeeded(producer, PLAIN)
    assert redirect(api, f"/v1/jobs/{job_id}/video?playable=1&proxy=0") == f"{job_id}.mp4"
    job = api.get(f"/v1/jobs/{job_id}").json()
    assert job["video_format"] == PLAIN and job["links"]["playable"] == f"/v1/jobs/{job_id}/video?playable=1"
    with producer.database.begin() as conn:
        assert claim_copies(conn, 5, 60.0) == []


def test_a_copy_is_made_on_demand_and_the_original_stays(api: httpx.Client, producer: Producer) -> None:
    job_id = succeeded(producer, HEVC)
    path = f"/v1/jobs/{job_id}/video"
    for _ in range(2):
        answer = api.get(f"{path}?playable=1")
        assert (answer.status_code, answer.json()) == (202, {"state": "waiting", "job_id": job_id})
        assert int(answer.headers["retry-after"]) > 0
    assert api.post(f"/v1/jobs/{job_id}/playable").status_code == 202
    assert 'id="copy-waits"' in api.get(f"/jobs/{job_id}", headers={"Accept": "text/html"}).text
    with producer.database.begin() as conn:
        [leased] = claim_copies(conn, 5, 60.0)
        assert finish_copy(conn, leased.id, leased.claim, key=f"videos/{job_id}.playable.mp4", video_format=None)
    assert redirect(api, f"{path}?playable=1&proxy=0") == f"{job_id}.playable.mp4"
    assert redirect(api, f"{path}?proxy=0") == f"{job_id}.mp4"
    job = api.post(f"/v1/jobs/{job_id}/playable")
    assert (job.status_code, job.json()["playable_key"]) == (200, f"videos/{job_id}.playable.mp4")
    page = api.get(f"/jobs/{job_id}", headers={"Accept": "text/html"}).text
    assert f'src="/v1/jobs/{job_id}/video?playable=1"' in page and 'id="copy-made"' in page


def test_a_copy_that_was_given_up_says_why_and_is_tried_again_by_post(api: httpx.Client, producer: Producer) -> None:
    job_id = succeeded(producer, HEVC)
    api.get(f"/v1/jobs/{job_id}/video?playable=1")
    with producer.database.begin() as conn:
        [leased] = claim_copies(conn, 5, 60.0)
        give_up_copy(conn, leased.id, leased.claim, "the file has no video stream")
    answer = api.get(f"/v1/jobs/{job_id}/video?playable=1")
    assert answer.status_code == 409 and "no video stream" in answer.json()["detail"]
    assert api.post(f"/v1/jobs/{job_id}/playable").status_code == 202
    assert api.get(f"/v1/jobs/{job_id}/video?playable=1").status_code == 202


def test_the_page_offers_a_copy_and_its_button_wants_one(api: httpx.Client, producer: Producer) -> None:
    job_id = succeeded(producer, HEVC)
    page = api.get(f"/jobs/{job_id}", headers={"Accept": "text/html"}).text
    assert 'id="not-playable"' in page and "hvc1 · yuv420p10le" in page
    assert f'src="/v1/jobs/{job_id}/video"' in page, "some browsers play it"
    assert f'action="/jobs/{job_id}/playable"' in page


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_copies_are_made_where_they_are_off(configured: Settings, producer: Producer, method: str) -> None:
    job_id = succeeded(producer, HEVC)
    with serving(configured.model_copy(update={"playable_copies": "off"})) as client:
        path = f"/v1/jobs/{job_id}/" + ("video?playable=1" if method == "GET" else "playable")
        answer = client.request(method, path)
        assert answer.status_code == 409 and "playable_copies is off" in answer.json()["detail"]
