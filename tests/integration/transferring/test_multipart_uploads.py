"""Multipart uploads to a real S3 behind a proxy that refuses requests, cuts connections and lies on command."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import struct
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.requests import StoreUnavailable
from storage.settings import Settings
from tests.servers import Bucket
from tests.store_door import CUT, Door, an_error, what
from tests.transfers import connections_closed
from tests.waiting import PATIENCE_S
from worker.retry import Backoff
from worker.transferring import multipart, store_requests
from worker.transferring.capacity import Shares, Spare
from worker.transferring.upload import Stored, store_video

KEY = "videos/2026/01/02/job.mp4"


@pytest.fixture
def settings(s3: Bucket) -> Settings:
    """Only the store is needed here."""
    return Settings(
        s3_endpoint_url=s3.endpoint_url,
        s3_bucket=s3.bucket,
        s3_access_key_id=s3.access_key_id,
        s3_secret_access_key=SecretStr(s3.secret_access_key),
    )


@pytest.fixture
def objects(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """The store itself."""
    monkeypatch.setattr(store_requests, "STORE_REQUEST", Backoff(0.01, 0.01))
    objects = Objects(settings)
    objects.check_bucket()
    return objects


@pytest.fixture
def door(settings: Settings) -> Door:
    return Door(settings.s3_endpoint_url or "")


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def a_video(size: int) -> bytes:
    return box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov", b"m" * 64) + box(b"mdat", os.urandom(size))


VIDEO, SMALL = a_video(PART_BYTES), a_video(2 * 2**20)


def copy(door: Door, settings: Settings, video: bytes = VIDEO, step: int = 300_000) -> Stored:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(video), step):
            yield video[start : start + step]

    async def run() -> Stored:
        try:
            async with door.open() as url, aiohttp.ClientSession() as session:
                behind = Objects(settings.model_copy(update={"s3_endpoint_url": url}))
                return await store_video(session, behind, KEY, chunks())
        finally:
            await connections_closed()

    return asyncio.run(run())


def is_whole(objects: Objects, stored: Stored, video: bytes = VIDEO) -> bool:
    return stored.sha256 == hashlib.sha256(video).hexdigest() and b"".join(objects.chunks(KEY)) == video


def test_an_upload_begins_and_completes_once(door: Door, objects: Objects, settings: Settings) -> None:
    assert is_whole(objects, copy(door, settings))
    assert door.seen == {"begin": 1, "part": 2, "complete": 1}
    assert objects.open_parts() == []


@pytest.mark.parametrize("step", [1_400, 65_535, 100_000_000])
@pytest.mark.parametrize("video", [VIDEO, SMALL], ids=["parts", "whole"])
def test_chunks_of_any_size_arrive(door: Door, objects: Objects, settings: Settings, video: bytes, step: int) -> None:
    assert is_whole(objects, copy(door, settings, video, step), video)


@pytest.mark.parametrize("kind", ["begin", "complete"])
@pytest.mark.parametrize(
    "fault",
    [an_error(500, "InternalError"), an_error(503, "SlowDown"), an_error(200, "InternalError"), lambda: CUT],
    ids=["500", "503", "200 with an error", "cut"],
)
def test_a_request_is_repeated_when_the_store_fails(
    door: Door, objects: Objects, settings: Settings, kind: str, fault: Callable[[], web.Response]
) -> None:
    door.faults[kind] = [fault, fault]
    assert is_whole(objects, copy(door, settings))
    assert door.seen[kind] == 3
    assert objects.open_parts() == []


@pytest.mark.parametrize(
    ("kind", "fault", "message"),
    [
        ("part", an_error(503, "SlowDown"), "part [12]: HTTP 503: SlowDown: a fault of the test"),
        ("complete", an_error(200, "AccessDenied"), "complete: HTTP 200: AccessDenied: a fault of the test"),
        ("complete", an_error(400, "InvalidPart"), "complete: HTTP 400: InvalidPart"),
        ("complete", lambda: web.Response(text="fine"), "complete: HTTP 200: fine"),
        ("complete", an_error(500, "InternalError"), "complete: HTTP 500: InternalError"),
    ],
)
def test_a_refusal_is_reported_and_leaves_nothing(
    door: Door, objects: Objects, settings: Settings, kind: str, fault: Callable[[], web.Response], message: str
) -> None:
    door.faults[kind] = [fault] * 6  # three tries of each of the two parts
    with pytest.raises(StoreUnavailable, match=message):
        copy(door, settings)
    assert objects.head(KEY) is None
    assert objects.open_parts() == []


@pytest.mark.parametrize(
    ("fault", "tries"),
    [(an_error(403, "AccessDenied"), 3), (lambda: web.Response(text="<html>hello</html>"), 1)],
    ids=["refused with each checksum", "not an answer of a store"],
)
def test_an_upload_that_cannot_begin_is_reported(
    door: Door, settings: Settings, objects: Objects, fault: Callable[[], web.Response], tries: int
) -> None:
    door.faults["begin"] = [fault] * tries
    with pytest.raises(StoreUnavailable, match="begin: HTTP"):
        copy(door, settings)
    assert door.seen == {"begin": tries}


def test_a_lost_answer_to_a_completion_leaves_a_complete_object(
    door: Door, objects: Objects, settings: Settings
) -> None:
    door.faults["complete"], door.after = [lambda: CUT], True
    with pytest.raises(StoreUnavailable, match="NoSuchUpload"):
        copy(door, settings)
    assert b"".join(objects.chunks(KEY)) == VIDEO
    assert objects.open_parts() == []
    assert is_whole(objects, copy(Door(door.store), settings)), "the next copy overwrites it with itself"


def test_an_upload_that_cannot_be_aborted_is_logged(
    door: Door, objects: Objects, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    door.faults = {"complete": [an_error(400, "InvalidPart")], "abort": [an_error(500, "InternalError")] * 3}
    with caplog.at_level(logging.WARNING, "reelq.upload"), pytest.raises(StoreUnavailable, match="InvalidPart"):
        copy(door, settings)
    assert "upload.not_aborted" in caplog.text
    [(key, upload_id, _)] = objects.open_parts()
    assert key == KEY
    objects.abort_parts(key, upload_id)
    assert objects.open_parts() == []


def test_an_upload_that_is_gone_needs_no_abort(
    door: Door, objects: Objects, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    door.faults = {"complete": [an_error(404, "NoSuchUpload")], "abort": [an_error(404, "NoSuchUpload")]}
    with caplog.at_level(logging.WARNING, "reelq.upload"), pytest.raises(StoreUnavailable, match="NoSuchUpload"):
        copy(door, settings)
    assert "upload.not_aborted" not in caplog.text


@pytest.mark.parametrize(("kind", "video"), [("part", VIDEO), ("put", SMALL)], ids=["part", "whole"])
def test_a_kept_connection_that_was_closed_is_no_failure(
    door: Door, objects: Objects, settings: Settings, kind: str, video: bytes
) -> None:
    """The whole body is sent again on another connection."""
    door.faults[kind] = [lambda: CUT]
    assert is_whole(objects, copy(door, settings, video), video)
    assert objects.open_parts() == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_copy_that_is_cancelled_leaves_no_parts(door: Door, objects: Objects, settings: Settings, times: int) -> None:
    """A copy that is cancelled a second time still aborts its upload."""

    async def run() -> None:
        sent = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield VIDEO
            while not door.seen["part"]:  # noqa: ASYNC110 # in the same loop
                await asyncio.sleep(0.01)
            sent.set()
            await asyncio.Event().wait()

        async with door.open() as url, aiohttp.ClientSession() as session:
            behind = Objects(settings.model_copy(update={"s3_endpoint_url": url}))
            copying = asyncio.create_task(store_video(session, behind, KEY, chunks()))
            await sent.wait()
            for _ in range(times):
                copying.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await copying
            while objects.open_parts():  # noqa: ASYNC110 # the store sends no event
                await asyncio.sleep(0.05)
            await asyncio.gather(*multipart._aborting)  # its answer comes after the store has done it
        await connections_closed()

    asyncio.run(run())
    assert door.seen["abort"] == 1
    assert objects.head(KEY) is None


class Gate(Door):
    """Lets no part pass before it opens, and counts those that wait."""

    def __init__(self, store: str) -> None:
        super().__init__(store)
        self.waiting, self.open_at = 0, 99
        self.arrived, self.opened = asyncio.Event(), asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if what(request) == "part":
            self.waiting += 1
            if self.waiting == self.open_at:
                self.arrived.set()
            await self.opened.wait()
        return await super().serve(request)


@pytest.mark.parametrize(("spare_parts", "at_once"), [(0, 2), (1, 3), (9, 4)])
@pytest.mark.parametrize("fails", [False, True])
def test_parts_are_under_way_at_once_as_memory_allows(
    objects: Objects, settings: Settings, spare_parts: int, at_once: int, *, fails: bool
) -> None:
    gate, video = Gate(settings.s3_endpoint_url or ""), a_video(5 * PART_BYTES)
    total = (4 + 2 * spare_parts) * PART_BYTES  # a host leaves free as much as it has
    shares = Shares(total, 0)
    gate.open_at = at_once

    async def chunks() -> AsyncIterator[bytes]:
        yield video

    async def run() -> Stored:
        try:
            async with gate.open() as url, aiohttp.ClientSession() as session:
                behind = Objects(settings.model_copy(update={"s3_endpoint_url": url}))
                async with shares.hold(2 * PART_BYTES, "gateway", urgent=False):
                    spare = Spare(shares, "gateway", urgent=False)
                    copying = asyncio.create_task(store_video(session, behind, KEY, chunks(), spare=spare))
                    await asyncio.wait_for(gate.arrived.wait(), PATIENCE_S)
                    await asyncio.sleep(0.1)
                    assert gate.waiting == at_once
                    gate.faults["part"] = [an_error(400, "InvalidPart")] * fails
                    gate.opened.set()
                    return await copying
        finally:
            await connections_closed()  # a failed part ends the others half way

    if fails:
        with pytest.raises(StoreUnavailable, match="InvalidPart"):
            asyncio.run(run())
        assert objects.head(KEY) is None
    else:
        assert is_whole(objects, asyncio.run(run()), video)
    assert objects.open_parts() == []
    assert shares.fits(total, "gateway", urgent=False), "all memory was given back"
