"""Files through the API: for clients that cannot reach the store, or take their key along a redirect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web

from producer import Producer
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring, serving
from tests.ruled_store import Rule, names_lead_here, refusal, ruled
from tests.servers import Bucket

CLIP = bytes(range(256)) * 4096
KEY = "videos/clip.mp4"


@contextmanager
def an_api(
    configured: Settings, s3: Bucket, rule: Rule = lambda _request: None, **more: Any
) -> Iterator[tuple[httpx.Client, str]]:
    """A client of an API with one video in its store, and the path of its job."""
    (s3.directory / "videos").mkdir()
    (s3.directory / KEY).write_bytes(CLIP)
    with (
        ruled(s3, rule, configured, **more) as (_, settings),
        serving(settings) as client,
        Producer(settings) as producer,
    ):
        row = {"prompt": "一只猫", "duration": 5, "resolution": "720p", "ratio": "16:9", "idempotency_key": "sku-1"}
        kind = {"Content-Type": "application/x-ndjson"}
        made = client.post("/v1/campaigns?name=cats", content=json.dumps(row).encode(), headers=kind)
        [job_id] = made.json()["ids"]
        bring(producer, job_id, JobState.SUCCEEDED, object_key=KEY)
        yield client, f"/v1/jobs/{job_id}"


def test_a_client_on_this_machine_is_redirected_unless_it_asks_for_the_file(configured: Settings, s3: Bucket) -> None:
    with an_api(configured, s3) as (client, job):
        answer = client.get(f"{job}/video")
        assert answer.status_code == 302
        assert httpx.get(answer.headers["location"]).content == CLIP
        whole = client.get(f"{job}/video?proxy=1")
        assert (whole.status_code, whole.content) == (200, CLIP)
        assert whole.headers["content-disposition"] == 'inline; filename="cats_sku-1.mp4"'
        assert whole.headers["content-length"] == str(len(CLIP))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=100-", 100, len(CLIP) - 1), ("bytes=-10", len(CLIP) - 10, len(CLIP) - 1)],
)  # fmt: skip
def test_a_range_is_obeyed(configured: Settings, s3: Bucket, asked: str, first: int, last: int) -> None:
    with an_api(configured, s3) as (client, job):
        for path in (f"{job}/video?proxy=1", f"/v1/videos/{job.rpartition('/')[2]}/content"):
            part = client.get(path, headers={"Range": asked})
            assert (part.status_code, part.content) == (206, CLIP[first : last + 1])
            assert part.headers["content-range"] == f"bytes {first}-{last}/{len(CLIP)}"


def test_conditions_and_heads_are_obeyed(configured: Settings, s3: Bucket) -> None:
    with an_api(configured, s3) as (client, job):
        path = f"{job}/video?proxy=1"
        etag = client.get(path).headers["etag"]
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
        part = {"Range": "bytes=0-9"}
        assert client.get(path, headers={**part, "If-Range": etag}).content == CLIP[:10]
        assert client.get(path, headers={**part, "If-Range": '"another"'}).content == CLIP
        assert client.get(path, headers={"Range": "bytes=99999999-"}).json()["code"] == "range_not_satisfiable"
        several = client.get(path, headers={"Range": "bytes=0-1,5-6"})
        assert (several.status_code, several.content) == (200, CLIP)
        with httpx.Client(base_url=client.base_url) as plain:  # HEAD is not in the OpenAPI document
            head = plain.head(f"{job}/video")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CLIP)))


def test_a_store_that_the_client_cannot_reach_is_never_named(
    configured: Settings, s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Docker Compose: the API knows the store by a name that leads to a private address."""
    names_lead_here(monkeypatch, "inside.test")
    with an_api(configured, s3, s3_endpoint_url="http://s3.inside.test") as (client, job):
        assert client.get(f"{job}/video").content == CLIP
        there = client.get(f"{job}/video?proxy=0")
        assert there.status_code == 302, "who asks for the link gets it"


def test_a_manifest_leads_through_the_api_then(
    configured: Settings, s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_lead_here(monkeypatch, "inside.test")
    with an_api(configured, s3, s3_endpoint_url="http://s3.inside.test") as (client, job):
        [line] = client.get("/v1/campaigns/cats/manifest").text.splitlines()
        url = json.loads(line)["video_url"]
        assert url == str(client.base_url.join(f"{job}/video?proxy=1"))
        assert client.get(url).content == CLIP


def test_a_public_address_is_used_for_links(configured: Settings, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_here(monkeypatch, "inside.test")
    more: dict[str, Any] = {
        "s3_endpoint_url": "http://s3.inside.test",
        "s3_public_endpoint_url": "https://videos.example.com",
    }
    with an_api(configured, s3, **more) as (client, job):
        where = urlsplit(client.get(f"{job}/video").headers["location"])
    assert (where.scheme, where.netloc, where.path) == ("https", "videos.example.com", f"/{s3.bucket}/{KEY}")


def test_a_client_that_keeps_its_key_is_served(configured: Settings, s3: Bucket) -> None:
    def rule(request: web.Request) -> web.Response | None:
        if "X-Amz-Signature" in request.rel_url.query and "Authorization" in request.headers:
            return refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        return None

    with an_api(configured, s3, rule) as (client, job):
        path = f"/v1/videos/{job.rpartition('/')[2]}/content"
        assert client.get(path).content == CLIP, "an SDK is not redirected"


@dataclass
class Breaking:
    """Sends `parts` bytes of the object on each of the first requests, and cuts the connection then."""

    parts: list[int]
    asked: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        response = web.StreamResponse(status=206 if asked else 200, headers={"ETag": '"one"'})
        if asked:
            response.headers["Content-Range"] = f"bytes {start}-{len(CLIP) - 1}/{len(CLIP)}"
        response.content_length = len(CLIP) - start
        await response.prepare(request)
        end = start + self.parts.pop(0) if self.parts else len(CLIP)
        await response.write(CLIP[start:end])
        if end < len(CLIP):
            assert request.transport is not None
            request.transport.close()
        return response


def test_a_download_that_breaks_off_is_continued(configured: Settings, s3: Bucket) -> None:
    store = Breaking([1000, 500_000])
    with an_api(configured, s3, store.handle) as (client, job):
        assert client.get(f"{job}/video?proxy=1").content == CLIP
    last = len(CLIP) - 1
    assert store.asked == [None, f"bytes=1000-{last}", f"bytes=501000-{last}"]


def test_a_download_that_breaks_off_for_good_is_seen_by_the_client(configured: Settings, s3: Bucket) -> None:
    with (
        an_api(configured, s3, Breaking([10] * 10).handle) as (client, job),
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.get(f"{job}/video?proxy=1")


def test_a_file_that_is_gone_is_not_an_outage_of_the_store(configured: Settings, s3: Bucket) -> None:
    closed: list[bool] = []

    def rule(request: web.Request) -> web.Response | None:
        return refusal(403, "AccessDenied", "Access Denied") if closed and request.method == "GET" else None

    with an_api(configured, s3, rule) as (client, job):
        closed.append(True)
        refused = client.get(f"{job}/video?proxy=1")
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        closed.clear()
        (s3.directory / KEY).unlink()
        gone = client.get(f"{job}/video?proxy=1")
        assert (gone.status_code, gone.json()["code"]) == (404, "file_missing")
