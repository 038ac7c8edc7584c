"""The rest of a body is received straight into memory that is used again, and its connection too."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from seedance.network import wire
from seedance.network.outbound import DIRECT, read_outbound
from storage.bucket.answers import Answer
from storage.bucket.connection import open_session
from storage.bucket.exchanges import Exchange
from storage.bucket.objects import PART_BYTES
from storage.bucket.requests import SignedRequest
from tests.certificates import Certificates, make_certificates
from tests.transfers import clean_up
from tests.waiting import PATIENCE_S
from worker.retry import Backoff
from worker.transferring import download, fetch
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, Fetcher
from worker.transferring.part_buffer import MOST_WASTED_BYTES, SLAB_SIZES, PartBuffer, Slab, Slabs
from worker.transferring.store_requests import ask

MIB = 2**20
FILES = {f"/{number}": os.urandom(3 * MIB + 1000 * number) for number in range(4)}
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


@pytest.mark.parametrize("more", [200_000, 600_000, 2 * MIB])
def test_bytes_that_come_slowly_are_passed_on_before_their_slab_is_full(
    monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(wire, "PATIENCE_S", 0.05)
    seen = asyncio.Event()

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
@pytest.mark.parametrize("size", [1000, 2 * MIB])
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
        assert len(await request.read()) == MIB
        return web.Response(status=statuses.pop(0))

    async def run() -> None:
        app = web.Application(client_max_size=2 * MIB)
        app.router.add_put("/part", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/part"
        slabs = Slabs()
        part = slabs.take(MIB)

        def exchange() -> Exchange[Answer]:
            return once_sent(SignedRequest("PUT", url, {"Content-Length": str(len(part))}, None))

        async with open_session(DIRECT) as session:
            answer = await ask(session, exchange, [part])
        await clean_up(runner)
        assert (answer.status, statuses) == (200, [])
        slabs.give([part])
        assert (slabs.take(MIB).obj is part.obj) is (refusals == 0)

    def once_sent(request: SignedRequest) -> Exchange[Answer]:
        answer = yield request
        return answer

    asyncio.run(run())


def test_memory_is_kept_up_to_a_limit() -> None:
    slabs = Slabs(kept_bytes=2 * MIB)
    taken = [slabs.take(MIB) for _ in range(3)]
    slabs.give([taken[0][:10], taken[0][10:], *taken[1:], memoryview(b"not a slab")])
    again = {id(slabs.take(MIB).obj) for _ in range(3)}
    assert len(again & {id(view.obj) for view in taken}) == 2
    assert not isinstance(slabs.take(1000).obj, Slab), "a small file needs no slab"


def test_memory_for_videos_of_another_size_makes_room() -> None:
    slabs = Slabs(kept_bytes=4 * MIB)
    slabs.give([slabs.take(MIB) for _ in range(4)])
    large = slabs.take(2 * MIB)
    slabs.give([large])
    assert slabs.take(2 * MIB).obj is large.obj


@pytest.mark.parametrize("least", [SLAB_SIZES[-1] // 2 + 1, 300_000, MIB // 2 + 1, MIB, 3 * MIB, 5 * MIB, 8 * MIB - 9])
def test_slabs_of_a_file_waste_little(least: int) -> None:
    slabs, left, taken = Slabs(), least, list[memoryview]()
    while left > SLAB_SIZES[-1] // 2:
        taken.append(slabs.take(left))
        left -= len(taken[-1])
    sizes = [len(view.obj) for view in taken if isinstance(view.obj, Slab)]
    assert len(sizes) == len(taken) <= 6
    assert sum(sizes) - sum(map(len, taken)) <= MOST_WASTED_BYTES
    assert all(2 * len(view) > size for view, size in zip(taken, sizes, strict=True))
    slabs.give(taken)
    assert slabs.take(least).obj is taken[0].obj


def test_a_download_that_breaks_off_often_goes_on_in_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "DOWNLOAD_RESUME", Backoff(0.01, 0.01))
    body, memory, content = FILES["/0"], set[int](), b""

    async def serve(request: web.Request) -> web.StreamResponse:
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        response = web.StreamResponse(status=206 if begin else 200, headers={"ETag": '"one"'})
        response.headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        response.content_length = len(body) - begin
        await response.prepare(request)
        await response.write(body[begin : begin + 1_200_000])
        assert request.transport is not None
        request.transport.close()
        return response

    async def run() -> None:
        nonlocal content
        fetcher = Fetcher(allow_private=True)
        async with serving(serve) as url:
            source = VideoSource(fetcher, url + "/0")
            await source.open()
            async for chunk in source.chunks():
                assert isinstance(chunk, memoryview)
                memory.add(id(chunk.obj))
                content += chunk
            source.close()
            await fetcher.close()

    asyncio.run(run())
    assert (content == body, len(memory)) == (True, 2), "of two and of one MiB"


def test_no_memory_is_shared_by_two_parts_if_one_response_says_no_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be given back with the first part, and another download would write into the second one."""
    monkeypatch.setattr(download, "DOWNLOAD_RESUME", Backoff(0.01, 0.01))
    body, memory, content = os.urandom(PART_BYTES + 4 * MIB), (set[int](), set[int]()), b""
    ends = [PART_BYTES - MIB // 2, PART_BYTES + MIB // 2, len(body)]

    async def serve(request: web.Request) -> web.StreamResponse:
        begin, end = int(request.headers.get("Range", "bytes=0-")[6:-1]), ends.pop(0)
        response = web.StreamResponse(status=206 if begin else 200, headers={"ETag": '"one"'})
        response.headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        if len(ends) == 1:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(body) - begin
        await response.prepare(request)
        await response.write(body[begin:end])
        assert request.transport is not None
        request.transport.close()
        return response

    async def run() -> None:
        nonlocal content
        fetcher, kept = Fetcher(allow_private=True), list[object]()
        async with serving(serve) as url:
            source = VideoSource(fetcher, url + "/0")
            await source.open()
            async for chunk in source.chunks():
                if isinstance(chunk, memoryview):
                    kept.append(chunk)
                    memory[len(content) >= PART_BYTES].add(id(chunk.obj))
                    assert len(content) >= PART_BYTES or len(content) + len(chunk) <= PART_BYTES
                content += chunk
            source.close()
            await fetcher.close()

    asyncio.run(run())
    assert content == body
    assert memory[0] & memory[1] == set()


@pytest.mark.skipif(sys.platform != "linux", reason="others wake up for each packet")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_large_body_wakes_the_loop_for_much_at_a_time(
    certificates: Certificates, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it has to wait for `wire.PATIENCE_S`, nor has the next, short response on the same connection."""
    monkeypatch.setattr(wire, "PATIENCE_S", 10 * PATIENCE_S)
    body, received, connections = FILES["/1"] + FILES["/2"], list[int](), set[object]()
    update = wire.Wire.buffer_updated

    def counted(self: wire.Wire, nbytes: int) -> None:
        received.append(nbytes)
        update(self, nbytes)

    monkeypatch.setattr(wire.Wire, "buffer_updated", counted)

    async def serve(request: web.Request) -> web.StreamResponse:
        connections.add(request.transport)
        response, size = web.StreamResponse(), 20_000 if request.path == "/large" else 1
        response.content_length = len(body) if request.path == "/large" else 50
        await response.prepare(request)
        for start in range(0, response.content_length, size):
            await response.write(body[start : start + size])
            await asyncio.sleep(0.001)
        return response

    async def run() -> None:
        fetcher = Fetcher(read_outbound({}, None, str(certificates.authority)), allow_private=True)
        async with serving(serve, certificates if scheme == "https" else None) as url, asyncio.timeout(PATIENCE_S):
            digest, _ = await read(fetcher, url + "/large", Slabs())
            assert digest == hashlib.sha256(body).hexdigest()
            assert len(received) < len(body) / 100_000, "not for each piece"
            digest, _ = await read(fetcher, url + "/short", Slabs())
            assert digest == hashlib.sha256(body[:50]).hexdigest()
            await fetcher.close()
        assert len(connections) == 1

    asyncio.run(run())
