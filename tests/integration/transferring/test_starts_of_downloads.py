"""The start of a download is known before the rest of it, and is not lost."""

from __future__ import annotations

import asyncio
import gc
import gzip
import weakref

import pytest
from aiohttp import web

from tests.integration.transferring.test_direct_bodies import serving
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, Fetcher

LONG = bytes(range(256)) * 4096
FILES = {"long": LONG, "short": b"short", "one byte": b"1", "empty": b""}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("step", [None, 1, 7])
@pytest.mark.parametrize("name", FILES)
def test_what_was_read_ahead_is_yielded_as_well(name: str, step: int | None, compressed: bool) -> None:
    """`step`: the server sends the first bytes in pieces of this length, None: all at once, with their number."""
    plain = FILES[name]
    sent = gzip.compress(plain) if compressed else plain

    async def serve(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"} if compressed else {}
        if step is None:
            return web.Response(body=sent, headers=headers)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for at in range(0, 28, step):
            await response.write(sent[at : min(at + step, 28)])
            await asyncio.sleep(0.001)
        await response.write(sent[28:])
        return response

    async def run() -> tuple[bytes, bytes]:
        fetcher = Fetcher(allow_private=True)
        async with serving(serve) as url:
            source = VideoSource(fetcher, url)
            try:
                await source.open()
                start = await source.start(12)
                return start, b"".join([bytes(chunk) async for chunk in source])
            finally:
                source.close()
                await fetcher.close()

    assert asyncio.run(run()) == (plain[:12], plain)


def test_a_start_that_breaks_off_is_an_error() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"begins")
        assert request.transport is not None
        request.transport.close()
        return response

    async def run() -> None:
        fetcher = Fetcher(allow_private=True)
        async with serving(serve) as url:
            source = VideoSource(fetcher, url)
            await source.open()
            with pytest.raises(DownloadFailed, match="broke off after 6 bytes"):
                await source.start(12)
            source.close()
            await fetcher.close()

    asyncio.run(run())


@pytest.mark.parametrize("compressed", [False, True])
def test_a_download_that_has_ended_holds_no_memory(compressed: bool) -> None:
    """The collector counts objects, not their bytes: a circle with a video in it would stay for long."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(
            body=gzip.compress(LONG) if compressed else LONG,
            headers={"Content-Encoding": "gzip"} if compressed else {},
        )

    async def run() -> None:
        fetcher = Fetcher(allow_private=True)
        async with serving(serve) as url:
            source = VideoSource(fetcher, url)
            await source.open()
            await source.start(12)
            source.close()
            ended = weakref.ref(source)
            gc.disable()
            try:
                del source
                await asyncio.sleep(0.05)  # the loop ends generators in a task
                assert ended() is None
            finally:
                gc.enable()
                await fetcher.close()

    asyncio.run(run())
