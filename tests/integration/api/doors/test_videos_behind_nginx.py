"""Browsers seek in videos through the nginx of the docs: through the API, and straight from the store."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from producer import Producer
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.certificates import make_certificates
from tests.integration.api.api_server import bring, serving
from tests.integration.api.doors.nginx import documented, nginx
from tests.integration.api.doors.test_local_programs import BEARER, KEY, port_of
from tests.ports import reserve_port
from tests.servers import Bucket
from tests.waiting import PATIENCE_S

CLIP = bytes(range(256)) * 40_000
STORED = "videos/clip.mp4"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:  # not pytest's: nginx's workers may not enter that
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def video(configured: Settings, s3: Bucket, directory: Path) -> Iterator[tuple[httpx.Client, str, int]]:
    """A client that trusts both servers of nginx, the URL of a video at the API, and the port of the store's server."""
    (s3.directory / "videos").mkdir()
    (s3.directory / STORED).write_bytes(CLIP)
    made, ports = make_certificates(directory), (reserve_port(), reserve_port())
    more: dict[str, Any] = {
        "api_key": KEY,
        "public_url": f"https://localhost:{ports[0]}",
        "trusted_proxies": ["127.0.0.1", "::1"],
        "s3_public_endpoint_url": f"https://localhost:{ports[1]}",
    }
    settings = Settings.model_validate(configured.model_dump() | more)
    store = urlsplit(str(configured.s3_endpoint_url)).port
    assert store is not None
    trusts = ssl.create_default_context(cafile=made.authority)
    with serving(settings) as api, Producer(settings) as producer:
        job = producer.enqueue("a cat")
        bring(producer, str(job.id), JobState.SUCCEEDED, object_key=STORED)
        with (
            nginx(directory, documented(made, (ports[0], port_of(api)), (ports[1], store))),
            httpx.Client(verify=trusts, timeout=PATIENCE_S) as client,
        ):
            yield client, f"https://localhost:{ports[0]}/v1/jobs/{job.id}/video", ports[1]


def test_a_video_is_seeked_through_nginx(video: tuple[httpx.Client, str, int]) -> None:
    client, url, store_port = video
    redirected = client.get(url, headers=BEARER)
    assert redirected.status_code == 302
    link = redirected.headers["location"]
    assert urlsplit(link).port == store_port
    for place, headers in ((f"{url}?proxy=1", BEARER), (link, {})):
        whole = client.get(place, headers=headers)
        assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, CLIP, "bytes")
        first = len(CLIP) // 2
        rest = client.get(place, headers={**headers, "Range": f"bytes={first}-"})
        partial = 206 if headers else 200  # of the tests' store, which sends the range all the same
        assert (rest.status_code, rest.content) == (partial, CLIP[first:])
        assert rest.headers["content-range"] == f"bytes {first}-{len(CLIP) - 1}/{len(CLIP)}"
        with client.stream("GET", place, headers=headers) as left:  # as a player does that seeks elsewhere
            next(left.iter_raw(1000))
        assert client.get(place, headers={**headers, "Range": "bytes=-10"}).content == CLIP[-10:]
    etag = client.get(f"{url}?proxy=1", headers=BEARER).headers["etag"]
    for mark, status in ((etag, 206), ('"another"', 200)):
        part = client.get(f"{url}?proxy=1", headers={**BEARER, "Range": "bytes=0-9", "If-Range": mark})
        assert part.status_code == status
    assert client.put(link, content=b"x").status_code == 403, "the store's server takes nothing"
