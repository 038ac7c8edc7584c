"""The files of the simulator: links that expire, ranges, bytes that never change."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import av
import pytest

from tests.simulator_client import Client, simulator

PATH = "/v1/video/generations"


def finished(client: Client, **fields: Any) -> dict[str, Any]:
    text = {"type": "text", "text": "a red fox"}
    asked = {"model": "seedance", "content": [text], "duration": 4, "resolution": "480p", **fields}
    task_id = client.post(PATH, asked).json()["id"]
    return dict(
        client.until(lambda: (t := client.get(f"{PATH}/{task_id}").json()["data"])["status"] == "SUCCESS" and t)
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with simulator(time="fixed", median_seconds=0.1) as running:
        yield running


def test_the_video_has_the_requested_size_and_length(client: Client) -> None:
    answer = client.http.get(finished(client, ratio="9:16", duration=6)["result_url"])
    assert answer.headers["Content-Type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content), "r") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (496, 864)
        assert len(list(container.decode(stream))) == 6 * 24


def test_all_fetches_of_a_task_match_the_ledger(client: Client) -> None:
    task = finished(client)
    bodies = {client.http.get(task["result_url"]).content for _ in range(3)}
    assert len(bodies) == 1
    entry = next(entry for entry in client.ledger()["tasks"] if entry["id"] == task["task_id"])
    assert entry["sha256"] == hashlib.sha256(bodies.pop()).hexdigest()
    other = finished(client)
    assert client.http.get(other["result_url"]).content != client.http.get(task["result_url"]).content


def test_head_and_range_requests_are_answered(client: Client) -> None:
    url = finished(client)["result_url"]
    whole, head = client.http.get(url), client.http.head(url)
    for name in ("Content-Length", "ETag", "Last-Modified", "Accept-Ranges", "Content-Type"):
        assert head.headers[name] == whole.headers[name]
    assert head.headers["Accept-Ranges"] == "bytes" and int(head.headers["Content-Length"]) == len(whole.content)
    part = client.http.get(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.content)}"
    tail = client.http.get(url, headers={"Range": "bytes=-10", "If-Range": whole.headers["Last-Modified"]})
    assert tail.content == whole.content[-10:]
    changed = client.http.get(url, headers={"Range": "bytes=100-", "If-Range": '"another"'})
    assert changed.status_code == 200 and changed.content == whole.content
    beyond = client.http.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416 and beyond.headers["Content-Range"] == f"bytes */{len(whole.content)}"


def test_the_last_frame_is_a_jpeg(client: Client) -> None:
    task = finished(client, return_last_frame=True)
    answer = client.http.get(task["data"]["content"]["last_frame_url"])
    assert answer.headers["Content-Type"] == "image/jpeg" and answer.content.startswith(b"\xff\xd8")


def test_a_link_must_be_signed(client: Client) -> None:
    url = finished(client)["result_url"]
    bare = url.partition("?")[0]
    for wrong, code in ((bare, "AccessDenied"), (url + "0", "SignatureDoesNotMatch")):
        answer = client.http.get(wrong)
        assert answer.status_code == 403 and f"<Code>{code}</Code>" in answer.text
    assert client.http.get("/files/nothing.mp4").status_code == 404


def test_a_link_expires_and_a_query_returns_a_new_one() -> None:
    with simulator(time="fixed", median_seconds=0.1, url_seconds=1) as client:
        task = finished(client)
        assert "X-Tos-Expires=1&" in task["result_url"]
        answer = client.until(lambda: (a := client.http.get(task["result_url"])).status_code == 403 and a)
        assert "Request has expired" in answer.text and answer.headers["Content-Type"] == "application/xml"
        assert client.http.get(finished(client)["result_url"]).status_code == 200


def test_video_bytes_sets_the_exact_size() -> None:
    with simulator(time="fixed", median_seconds=0.05, video_bytes=5_000_000) as client:
        url = finished(client)["result_url"]
        whole = client.http.get(url).content
        assert len(whole) == 5_000_000
        part = client.http.get(url, headers={"Range": "bytes=1999999-4000000"}).content
        assert part == whole[1_999_999:4_000_001]
        assert client.only_task()["sha256"] == hashlib.sha256(whole).hexdigest()
        with av.open(io.BytesIO(whole), "r") as container:
            assert container.duration == 4 * av.time_base
