"""The rest of a body is received straight into memory that is used again, and its connection too."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from seedance.network import wire
from seedance.network.outbound import DIRECT, read_outbound
from storage.bucket.answers import Answer
from storage.bucket.connection import open_session
from storage.bucket.exchanges import Exchange
from storage.bucket.requests import SignedRequest
from tests.certificates import Certificates, make_certificates
from tests.transfers import clean_up
from tests.waiting import PATIENCE_S
from worker.transferring import fetch
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, Fetcher
from worker.transferring.part_buffer import SLAB_BYTES, SMALL_SLAB_BYTES, PartBuffer, Slab, Slabs
from worker.transferring.store_requests import ask

FILES = {f"/{number}": os.urandom(3 * SLAB_BYTES + 1000 * number) for number in range(4)}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def serving(handler: Handler, certificates: Certificates | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = certificates.server() if certificates is not None else None
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"http{'s' if certificates else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await clean_up(runner)


async def read(fetcher: Fetcher, url: str, slabs: Slabs) -> tuple[str, set[int]]:
    """The SHA-256 of a file, and the slabs into which it was received; they are given back."""
    source, digest, part = VideoSource(fetcher, url, slabs=slabs), hashlib.sha256(), PartBuffer()
    try:
        await source.open()
        async for chunk in source.chunks():
            digest.update(chunk)
            part.take(memoryview(chunk))
            await asyncio.sleep(0)
    finally:
        source.close()
    used = {id(chunk.obj) for chunk in part.chunks if isinstance(chunk.obj, Slab)}
    slabs.give(part.chunks)
    return digest.hexdigest(), used


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_files_share_memory_and_a_connection_one_after_the_other(certificates: Certificates, scheme: str) -> None:
    connections: set[object] = set()

    async def serve(request: web.Request) -> web.Response:
        connections.add(request.transport)
        return web.Response(body=FILES[request.path])

    async def run() -> None:
        fetcher = Fetcher(read_outbound({}, None, str(certificates.authority)), allow_private=True)
        slabs, used = Slabs(), set[int]()
        async with serving(serve, certificates if scheme == "https" else None) as url:
            for path, body in FILES.items():
                digest, memory = await read(fetcher, url + path, slabs)
                assert digest == hashlib.sha256(body).hexdigest()
                assert memory, "the file was received into slabs"
                used |= memory
            await fetcher.close()
        assert len(connections) == 1
        assert len(used) <= 4, "memory that was given back is used again"

    asyncio.run(run())


def test_files_at_the_same_time_do_not_mix() -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=FILES[request.path])

    async def run() -> None:
        fetcher, slabs = Fetcher(allow_private=True), Slabs()
        async with serving(serve) as url:
            paths = list(FILES) * 5
            found = await asyncio.gather(*(read(fetcher, url + path, slabs) for path in paths))
            await fetcher.close()
        assert [digest for digest, _ in found] == [hashlib.sha256(FILES[path]).hexdigest() for path in paths]

    asyncio.run(run())


def test_bytes_that_come_slowly_are_passed_on_before_their_slab_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PATIENCE_S", 0.05)
    seen, more = asyncio.Event(), 200_000

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(FILES["/0"])
        await response.prepare(request)
        await response.write(FILES["/0"][:more])
        await seen.wait()
        await response.write(FILES["/0"][more:])
        return response

    async def run() -> None:
        fetcher, content = Fetcher(allow_private=True), b""
        async with serving(serve) as url:
            source = VideoSource(fetcher, url + "/0")
            await source.open()
            async for chunk in source.chunks():
                content += chunk
                if len(content) == more:
                    seen.set()
            source.close()
            await fetcher.close()
        assert content == FILES["/0"]

    asyncio.run(run())


@pytest.mark.parametrize("end", ["stall", "close", "reset"])
def test_a_body_that_breaks_off_fails(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(wire, "PATIENCE_S", 0.05)
    monkeypatch.setattr(fetch, "STALL_S", 0.3)
    over = asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(FILES["/0"])
        await response.prepare(request)
        await response.write(FILES["/0"][:700_000])
        assert request.transport is not None
        if end == "stall":
            await over.wait()
        elif end == "close":
            request.transport.close()
        else:
            request.transport.abort()
        return response

    async def run() -> None:
        fetcher = Fetcher(DIRECT, allow_private=True)
        async with serving(serve) as url:
            with pytest.raises(DownloadFailed, match="broke off after"):
                await read(fetcher, url + "/0", Slabs())
            over.set()
            await fetcher.close()

    asyncio.run(run())


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("size", [1000, 2 * SLAB_BYTES])
def test_a_second_response_is_not_taken_for_that_of_the_next_request(size: int, is_late: bool) -> None:
    """Whether it comes with the first or `is_late`, while the connection is kept."""
    was_read, was_sent = asyncio.Event(), asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        response, body = web.StreamResponse(), FILES[request.path][:size]
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body)
        await response.write_eof()
        if request.path == "/0" and request.transport is not None:
            if is_late:
                await was_read.wait()
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
            was_sent.set()
        return response

    async def run() -> None:
        fetcher = Fetcher(allow_private=True)
        async with serving(serve) as url, asyncio.timeout(PATIENCE_S):
            for path in ("/0", "/1"):
                digest, _ = await read(fetcher, url + path, Slabs())
                assert digest == hashlib.sha256(FILES[path][:size]).hexdigest()
                was_read.set()
                await was_sent.wait()
                await asyncio.sleep(0.1 if is_late else 0)  # the loop reads what has come before it goes on here
            await fetcher.close()

    asyncio.run(run())


@pytest.mark.parametrize("refusals", [0, 1])
def test_memory_from_which_a_first_try_may_still_send_is_not_used_again(refusals: int) -> None:
    statuses = [503] * refusals + [200]

    async def serve(request: web.Request) -> web.Response:
        assert len(await request.read()) == SLAB_BYTES
        return web.Response(status=statuses.pop(0))

    async def run() -> None:
        app = web.Application(client_max_size=2 * SLAB_BYTES)
        app.router.add_put("/part", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/part"
        slabs = Slabs()
        part = slabs.take(SLAB_BYTES)

        def exchange() -> Exchange[Answer]:
            return once_sent(SignedRequest("PUT", url, {"Content-Length": str(len(part))}, None))

        async with open_session(DIRECT) as session:
            answer = await ask(session, exchange, [part])
        await clean_up(runner)
        assert (answer.status, statuses) == (200, [])
        slabs.give([part])
        assert (slabs.take(SLAB_BYTES).obj is part.obj) is (refusals == 0)

    def once_sent(request: SignedRequest) -> Exchange[Answer]:
        answer = yield request
        return answer

    asyncio.run(run())


def test_memory_is_kept_up_to_a_limit() -> None:
    slabs = Slabs(kept=2)
    taken = [slabs.take(SLAB_BYTES) for _ in range(3)]
    slabs.give([taken[0][:10], taken[0][10:], *taken[1:], memoryview(b"not a slab")])
    again = {id(slabs.take(SLAB_BYTES).obj) for _ in range(3)}
    assert len(again & {id(view.obj) for view in taken}) == 2
    assert not isinstance(slabs.take(1000).obj, Slab), "a small file needs no slab"


def test_more_than_half_of_a_slab_is_used() -> None:
    slabs = Slabs()
    for size in (SMALL_SLAB_BYTES // 2 + 1, SMALL_SLAB_BYTES, SLAB_BYTES // 2 + 1, SLAB_BYTES):
        taken = slabs.take(size)
        assert len(taken) == size
        memory = id(taken.obj)
        slabs.give([taken])
        assert id(slabs.take(size).obj) == memory
        slabs.give([taken])
    assert not isinstance(slabs.take(SMALL_SLAB_BYTES // 2).obj, Slab)
    assert not isinstance(slabs.take(SMALL_SLAB_BYTES + 1).obj, Slab)
