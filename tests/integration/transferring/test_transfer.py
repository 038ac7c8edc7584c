"""Videos go from a faulty server into a real S3, complete or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.requests import SignedRequest, StoreUnavailable
from storage.settings import Settings
from tests.servers import Bucket
from tests.transfers import connections_closed
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, Fetcher, UrlRefused
from worker.transferring.mp4 import NotAVideo
from worker.transferring.upload import Stored, store_video

KEY = "videos/2026/01/02/job.mp4"


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def a_video(size: int) -> bytes:
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov", b"m" * 64)
    return head + box(b"mdat", os.urandom(size - len(head) - 8))


@dataclass
class FileServer:
    """Serves one file with the given faults; `ranges` are the Range headers that it received."""

    body: bytes
    cut_at: list[int] = field(default_factory=list)
    status: int = 200
    etag: str | None = '"one"'
    honours_ranges: bool = True
    says_length: bool = True
    at_most: int = 2**30
    """Bytes of one range; some servers give less than was asked for."""
    ranges: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.raw_path)
        if self.status != 200:
            return web.Response(status=self.status, text="<Error/>")
        start, last, asked = 0, len(self.body), request.headers.get("Range")
        if asked:
            self.ranges.append(asked)
        if asked and self.honours_ranges and request.headers.get("If-Range") == self.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        response = web.StreamResponse(status=206 if start else 200)
        if self.etag:
            response.headers["ETag"] = self.etag
        if start:
            last = min(len(self.body), start + self.at_most)
            response.headers["Content-Range"] = f"bytes {start}-{last - 1}/{len(self.body)}"
        if self.says_length:
            response.content_length = last - start
        await response.prepare(request)
        end = self.cut_at.pop(0) if self.cut_at else last
        await response.write(self.body[start:end])
        if end < last:
            assert request.transport is not None
            request.transport.close()  # after everything written has been sent
        return response


@asynccontextmanager
async def serving(files: FileServer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", files.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def objects(settings: Settings) -> Objects:
    return Objects(settings)


def copy(files: FileServer, objects: Objects, path: str = "/v.mp4") -> Stored:
    async def run() -> Stored:
        fetcher = Fetcher(allow_private=True)
        try:
            async with serving(files) as url, aiohttp.ClientSession() as session:
                source = VideoSource(fetcher, url + path)
                try:
                    await source.open()
                    return await store_video(session, objects, KEY, source)
                finally:
                    source.close()
                    await fetcher.close()
        finally:
            await connections_closed()

    return asyncio.run(run())


def stored_bytes(objects: Objects) -> bytes:
    return b"".join(objects.chunks(KEY))


@pytest.mark.parametrize("size", [200, 262_144, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 12_345])
def test_a_video_arrives_byte_for_byte(objects: Objects, size: int) -> None:
    video = a_video(size)
    stored = copy(FileServer(video), objects)
    assert (stored.key, stored.size_bytes, stored.sha256) == (KEY, size, hashlib.sha256(video).hexdigest())
    assert stored_bytes(objects) == video
    assert objects.open_parts() == []


class Watched(Objects):
    """Records the sizes of the uploaded parts."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.parts: list[int] = []

    def sign_put(self, key: str, *, size_bytes: int, **more: Any) -> SignedRequest:
        if "part" in more:
            self.parts.append(size_bytes)
        return super().sign_put(key, size_bytes=size_bytes, **more)


@pytest.mark.parametrize(
    ("size", "parts"),
    [(PART_BYTES, []), (PART_BYTES + 1, [PART_BYTES, 1]), (2 * PART_BYTES + 777, [PART_BYTES, PART_BYTES, 777])],
)
def test_all_parts_but_the_last_have_the_same_size(settings: Settings, size: int, parts: list[int]) -> None:
    objects = Watched(settings)
    copy(FileServer(a_video(size)), objects)
    assert objects.parts == parts


def test_a_video_of_unknown_length_arrives_too(objects: Objects) -> None:
    video = a_video(PART_BYTES + 5)
    assert copy(FileServer(video, says_length=False), objects).size_bytes == len(video)
    assert stored_bytes(objects) == video


def test_a_broken_download_resumes_where_it_broke_off(objects: Objects) -> None:
    video = a_video(2 * PART_BYTES)
    files = FileServer(video, cut_at=[1_000_000, PART_BYTES + 77])
    assert copy(files, objects).sha256 == hashlib.sha256(video).hexdigest()
    assert len(files.ranges) == 2
    assert stored_bytes(objects) == video


@pytest.mark.parametrize("says_length", [True, False])
def test_a_range_may_cover_less_than_the_rest(objects: Objects, *, says_length: bool) -> None:
    video = a_video(2 * PART_BYTES)
    files = FileServer(video, cut_at=[1_000_000], says_length=says_length, at_most=PART_BYTES)
    assert copy(files, objects).size_bytes == len(video)
    assert len(files.ranges) == 2
    assert stored_bytes(objects) == video


@pytest.mark.parametrize("files", [{"honours_ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}])
def test_a_download_never_combines_two_files(objects: Objects, files: dict[str, bool | str]) -> None:
    server = FileServer(a_video(2 * PART_BYTES), cut_at=[PART_BYTES + 77], **files)  # type: ignore[arg-type] # any fields
    with pytest.raises(DownloadFailed):
        copy(server, objects)
    assert objects.head(KEY) is None
    assert objects.open_parts() == [], "the stored parts are removed"


@dataclass
class Replacing(FileServer):
    """Has another file of the same length after the first response, and gives ranges of it whatever `If-Range` says."""

    validator: str = "ETag"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        start, end = int(request.headers.get("Range", "bytes=0-")[6:-1]), len(self.body)
        name = "two" if start else "one"
        response = web.StreamResponse(status=206 if start else 200, headers={self.validator: f'"{name}"'})
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
        response.content_length = end - start
        await response.prepare(request)
        await response.write(self.body[start:] if start else self.body[: end // 2])
        if not start:
            assert request.transport is not None
            request.transport.close()
        return response


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_download_never_goes_on_in_a_file_that_has_taken_its_place(objects: Objects, validator: str) -> None:
    with pytest.raises(DownloadFailed, match="cannot resume at byte 150000: the file has changed"):
        copy(Replacing(a_video(300_000), validator=validator), objects)
    assert objects.head(KEY) is None


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_url_that_is_no_longer_valid_is_reported_as_refused(objects: Objects, status: int) -> None:
    with pytest.raises(UrlRefused, match=str(status)):
        copy(FileServer(b"", status=status), objects)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_any_other_error_status_is_a_failed_download(objects: Objects, status: int) -> None:
    with pytest.raises(DownloadFailed, match=str(status)):
        copy(FileServer(b"", status=status), objects)


@pytest.mark.parametrize(
    "body", [b"", b"<html>please log in</html>", b"\0" * 100_000, a_video(300_000)[:-1], a_video(PART_BYTES * 2)[:-9]]
)
def test_an_incomplete_or_wrong_file_is_never_stored(objects: Objects, body: bytes) -> None:
    with pytest.raises(NotAVideo):
        copy(FileServer(body), objects)
    assert objects.head(KEY) is None
    assert objects.open_parts() == []


def test_a_signed_url_is_sent_exactly_as_given(objects: Objects) -> None:
    files = FileServer(a_video(5000))
    path = "/a%2Fb%20c/v.mp4?X-Tos-Credential=AK%2F2026%2Ftos&sig=a%2Bb%3D&list=%E7%8C%AB&plus=a+b"
    copy(files, objects, path)
    assert files.paths == [path]


def test_a_store_that_does_not_answer_is_named_and_nothing_is_stored(objects: Objects, s3: Bucket) -> None:
    away = Objects(
        Settings(
            s3_endpoint_url="http://127.0.0.1:1",
            s3_bucket=s3.bucket,
            s3_access_key_id=s3.access_key_id,
            s3_secret_access_key=s3.secret_access_key,
        )
    )
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
        copy(FileServer(a_video(5000)), away)
    assert objects.head(KEY) is None


def test_a_bucket_is_created_only_on_request_and_a_wrong_key_is_reported(settings: Settings, s3: Bucket) -> None:
    name = f"{settings.s3_bucket}-made"
    fresh = Objects(settings.model_copy(update={"s3_bucket": name}))
    with pytest.raises(StoreUnavailable, match=f"bucket {name} does not exist at .*; correct s3_bucket, or create"):
        fresh.check_bucket()
    with pytest.raises(StoreUnavailable, match="does not exist"):
        copy(FileServer(a_video(5000)), fresh)
    assert not (s3.directory.parent / name).exists()
    assert fresh.create_bucket()
    fresh.check_bucket(write=True)
    shutil.rmtree(s3.directory.parent / name)
    denied = Objects(settings.model_copy(update={"s3_access_key_id": "unknown-key"}))
    with pytest.raises(StoreUnavailable, match="403"):
        denied.check_bucket()


def test_a_link_opens_the_video_without_credentials(objects: Objects) -> None:
    video = a_video(5000)
    copy(FileServer(video), objects)

    async def get() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(objects.link(KEY, 60)) as response:
            return await response.read()

    assert asyncio.run(get()) == video
