"""Runs requests in an event loop; the same as `sync_driver`, with `await`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import httpx

from reelq_client.core.bodies import Body, Progress
from reelq_client.core.downloads import CUT, TRIES, Download, is_part, passes
from reelq_client.core.errors import ConnectionFailed, api_error
from reelq_client.core.event_feed import EventFeed, Subscription
from reelq_client.core.options import Options
from reelq_client.core.requests import Answer, Flow, Pause, Request, Save, StoredFile
from reelq_client.core.retries import Retries, failure
from reelq_client.models.base import Page

T = TypeVar("T")


class AsyncDriver:
    """The asynchronous transport."""

    def __init__(self, options: Options, http: httpx.AsyncClient | None) -> None:
        self.options = options
        self._http = http or httpx.AsyncClient()
        self._own = http is None
        self._tries = options.max_retries

    async def close(self) -> None:
        """Close the connections, unless they are of a client that was given."""
        if self._own:
            await self._http.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """The result of a route."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(flow)
                    continue
                try:
                    answer = await self._send(step) if isinstance(step, Request) else await self._saved(step)
                except Exception as exc:  # noqa: BLE001 - the route decides
                    step = flow.throw(exc)
                else:
                    step = flow.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def each(self, page: Callable[[Any], Flow[Page[T]]]) -> AsyncIterator[T]:
        """Every item of every page."""
        cursor: str | int | None = None
        while True:
            found = await self.run(page(cursor))
            for item in found.data:
                yield item
            cursor = found.next_cursor
            if cursor is None:
                return

    async def follow(self, subscription: Subscription[T]) -> AsyncIterator[T]:
        """Every event of a stream, across lost connections."""
        feed = EventFeed(subscription)
        while not feed.ended:
            try:
                async with self._open(subscription.request, feed.headers, self.options.stream_timeout) as response:
                    if response.status_code == 204:
                        return
                    if response.status_code >= 400:
                        error = api_error(response.status_code, response.headers, await response.aread())
                        if not passes(error, response.url, self.options.base_url) or feed.gives_up(self._tries):
                            raise error
                        raise httpx.ReadError(str(error))
                    feed.connected()
                    async for data in response.aiter_bytes():
                        for event in feed.feed(data):
                            yield event
                        if feed.ended:
                            return
            except httpx.TransportError as exc:
                if feed.gives_up(self._tries):
                    raise failure(exc, self.options.base_url) from exc
            await asyncio.sleep(feed.pause_s())

    def file(self, stored: StoredFile) -> AsyncFile:
        """A file that the API keeps."""
        return AsyncFile(self, stored)

    async def save(self, stored: StoredFile, path: Path, progress: Progress | None) -> Path:
        """Download a file."""
        expected = await self.run(stored.expected())
        through_api = False
        with Download(path, expected.size, expected.sha256, progress) as download:
            while not download.is_whole():
                try:
                    await self._receive(stored.asking(through_api=through_api), download)
                    break
                except CUT:
                    through_api = True  # the bucket may be out of reach from here
                    await asyncio.sleep(download.interrupted())
            return await asyncio.to_thread(download.finish)

    async def read(self, stored: StoredFile, begin: int, size: int) -> bytes:
        """Some bytes of a file."""
        wanted = {"Range": f"bytes={begin}-{begin + size - 1}"}
        for left in reversed(range(TRIES)):
            request = stored.asking(through_api=left < TRIES - 1)
            try:
                async with self._open(request, wanted, self.options.timeout(request), follow=True) as response:
                    content = await response.aread()
                    if response.status_code in (200, 206):
                        return content if is_part(response) else content[begin : begin + size]
                    error = api_error(response.status_code, response.headers, content)
                    if not left or not passes(error, response.url, self.options.base_url):
                        raise error
            except httpx.TransportError as exc:
                if not left:
                    raise failure(exc, self.options.base_url) from exc
            await asyncio.sleep(min(0.5 * 2 ** (TRIES - left), 8.0))
        raise AssertionError("the last try returns or raises")

    async def _saved(self, step: Save) -> Answer:
        await self.save(step.file, step.path, None)
        return Answer(200, {}, b"", self.options.base_url)

    async def _receive(self, request: Request, download: Download) -> None:
        async with self._open(request, download.headers(), self.options.timeout(request), follow=True) as response:
            if response.status_code == 416:
                download.start_over()
            if response.status_code not in (200, 206):
                error = api_error(response.status_code, response.headers, await response.aread())
                if passes(error, response.url, self.options.base_url):
                    raise httpx.ReadError(str(error))
                raise error
            download.begin(response.status_code, response.headers)
            async for data in response.aiter_bytes():
                download.write(data)

    async def link(self, stored: StoredFile) -> str | None:
        """A link into the bucket; None: the API gives none."""
        if not stored.in_bucket:
            return None
        async with self._open(stored.request, {}, self.options.timeout()) as response:
            if response.status_code >= 400:
                raise api_error(response.status_code, response.headers, await response.aread())
            location: str | None = response.headers.get("location")
            return location

    async def _send(self, request: Request) -> Answer:
        retries = Retries(request, self.options.max_retries)
        while True:
            try:
                response = await self._http.send(self._built(request, request.headers, self.options.timeout(request)))
                pause = retries.after_answer(response)
                if pause is None:
                    break
            except httpx.TransportError as exc:
                pause = retries.after_failure()
                if pause is None:
                    raise failure(exc, self.options.base_url) from exc
            await asyncio.sleep(pause)
        if response.status_code >= 400:
            raise api_error(response.status_code, response.headers, response.content)
        return Answer(response.status_code, response.headers, response.content, self.options.base_url)

    def _built(self, request: Request, headers: Any, timeout: httpx.Timeout) -> httpx.Request:
        sent = {**self.options.headers, **headers}
        content: Any = None
        if request.body is not None:
            sent["Content-Type"] = request.body.content_type
            if request.body.size is not None:
                sent["Content-Length"] = str(request.body.size)
            content = _chunks(request.body)
        return self._http.build_request(
            request.method,
            self.options.base_url + request.path,
            params=httpx.QueryParams(tuple(request.parameters)) if request.parameters else None,
            json=request.json,
            content=content,
            headers=sent,
            timeout=timeout,
        )

    def _open(self, request: Request, headers: Any, timeout: httpx.Timeout, *, follow: bool = False) -> _Opened:
        return _Opened(self._http, self._built(request, headers, timeout), follow)


async def _chunks(body: Body) -> AsyncIterator[bytes]:
    """The pieces of a body, each read in a thread: a disk must not hold up the loop."""
    pieces = body.chunks()
    while (chunk := await asyncio.to_thread(next, pieces, None)) is not None:
        yield chunk


class _Opened:
    """An answer whose body is read piece by piece."""

    def __init__(self, http: httpx.AsyncClient, request: httpx.Request, follow: bool) -> None:
        self._http, self._request, self._follow = http, request, follow

    async def __aenter__(self) -> httpx.Response:
        self._response = await self._http.send(self._request, stream=True, follow_redirects=self._follow)
        return self._response

    async def __aexit__(self, *_: object) -> None:
        await self._response.aclose()


class AsyncFile:
    """A file that the API keeps, such as the video of a job."""

    def __init__(self, driver: AsyncDriver, stored: StoredFile) -> None:
        self._driver, self._stored = driver, stored

    async def save(self, path: str | PathLike[str], *, progress: Progress | None = None) -> Path:
        """Download the file. What was interrupted continues, also in another process; the file appears when it is whole
        and, where the API gives them, its length and its SHA-256 are right.

        Raises:
            NotPossible: there is no such file, not yet, or no longer.
            DownloadFailed: it does not arrive, or not as it must be.
        """
        return await self._driver.save(self._stored, Path(path), progress)

    async def read(self, begin: int, size: int) -> bytes:
        """Some bytes of the file: `size` from `begin` on, or fewer at its end.

        Raises:
            NotPossible: there is no such file, not yet, or no longer.
        """
        return await self._driver.read(self._stored, begin, size)

    async def link(self) -> str | None:
        """A link that works for an hour without a key; None: the API sends the file itself.

        Raises:
            NotPossible: there is no such file, not yet, or no longer.
        """
        try:
            return await self._driver.link(self._stored)
        except httpx.TransportError as exc:
            raise ConnectionFailed(str(failure(exc, self._driver.options.base_url))) from exc
