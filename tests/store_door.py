"""A proxy in front of a real S3 that refuses, cuts, lies and delays as a test wants."""

from __future__ import annotations

import asyncio
import io
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from storage.bucket.objects import PART_BYTES
from tests.transfers import clean_up
from tests.waiting import PATIENCE_S

ERROR = "<Error><Code>{}</Code><Message>a fault of the test</Message></Error>"
CUT = web.Response(status=0)
"""No answer at all: the connection is cut once the request has arrived."""


def an_error(status: int, code: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, text=ERROR.format(code))


def what(request: web.Request) -> str:
    """`begin`, `part`, `complete`, `abort`, `delete`, `put` (of a video), `companion`, `probe` or another method."""
    if request.method == "POST":
        return "begin" if "uploads" in request.query else "complete"
    if request.method == "DELETE":
        return "abort" if "uploadId" in request.query else "delete"
    if request.method != "PUT":
        return request.method.lower()
    if "partNumber" in request.query:
        return "part"
    if request.path.endswith("videos/probe"):
        return "probe"
    return "put" if request.path.endswith(".mp4") else "companion"


class Hold:
    """One request that waits: `arrived` is set when it arrives; it continues when `go` is set."""

    def __init__(self, *, after: bool = False) -> None:
        self.after = after
        """The store has done its work by then; only the answer waits."""
        self.arrived, self.go = threading.Event(), threading.Event()

    async def wait(self) -> None:
        self.arrived.set()
        assert await asyncio.to_thread(self.go.wait, PATIENCE_S)


@dataclass
class Door:
    """Passes requests on to a store, except for `faults`: by kind of request, the answers to the first ones.

    With `after`, the store does its work before the fault. `holds`: by kind of request, what the first one waits for.
    `seen` counts requests by kind.
    """

    store: str
    faults: dict[str, list[Callable[[], web.Response]]] = field(default_factory=dict)
    after: bool = False
    holds: dict[str, Hold] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        kind, body = what(request), await request.read()
        self.seen[kind] += 1
        hold = self.holds.pop(kind, None)
        if hold is not None and not hold.after:
            await hold.wait()
        fault = self.faults[kind].pop(0)() if self.faults.get(kind) else None
        answer = await self._pass_on(request, body) if fault is None or self.after else fault
        if hold is not None and hold.after:
            await hold.wait()
        answer = answer if fault is None else fault
        if answer is CUT:
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def _pass_on(self, request: web.Request, body: bytes) -> web.Response:
        url = f"{self.store}{request.raw_path}"
        async with (
            aiohttp.ClientSession(skip_auto_headers=["Content-Type", "User-Agent"]) as session,
            session.request(request.method, URL(url, encoded=True), data=io.BytesIO(body), headers=request.headers)
            as answer,
        ):  # fmt: skip
            kept = {name: answer.headers[name] for name in ("ETag", "Last-Modified") if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve on this loop; yields the URL."""
        runner = await self._start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await clean_up(runner)

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2 * PART_BYTES)
        app.router.add_route("*", "/{path:.*}", self.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve from a thread; yields the URL."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        started: Future[web.AppRunner] = asyncio.run_coroutine_threadsafe(self._start(), loop)
        runner = started.result(PATIENCE_S)
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            asyncio.run_coroutine_threadsafe(clean_up(runner), loop).result(PATIENCE_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE_S)
            loop.close()
