"""`/mcp`: the tools over HTTP, with the API's keys and guards, where the package `mcp` is installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from producer.api.mcp.desk import Desk
from producer.http.doors.auth import principal_of
from producer.http.service import Service
from storage.reporting.ark_tasks import LINK_S

PATH = "/mcp"
MAX_BODY_BYTES = 16 * 2**20
"""A quote may hold pictures, and is read into memory."""


class McpDoor:
    """The mounted server; `running` must be entered while the application runs. Without the package it does nothing.

    The package is imported and its server made at the first call: it takes as long to import as the rest of the API
    together, and most installations have no agents.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started: asyncio.Future[Any] | None = None
        self._ending = asyncio.Event()

    def mount(self, app: FastAPI) -> None:
        """Add the route, if the package is installed."""
        if find_spec("mcp") is not None:
            # No GET: without sessions its stream would be empty for ever.
            app.router.routes.append(Route(PATH, endpoint=_Endpoint(self._manager), methods=["POST"]))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve the route."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                yield
            finally:
                self._ending.set()

    async def _manager(self) -> Any:
        """The server that all calls share. If it could not be made, the next call tries again."""
        if self._started is None or (self._started.done() and self._started.exception() is not None):
            self._started = asyncio.get_running_loop().create_future()
            self._tasks.create_task(self._serve(self._started))
        return await asyncio.shield(self._started)

    async def _serve(self, started: asyncio.Future[Any]) -> None:
        # A task of its own: what the package opens must be closed by the task that opened it.
        try:
            manager = await asyncio.to_thread(self._make)
            async with manager.run():
                started.set_result(manager)
                await self._ending.wait()
        except Exception as exc:
            if started.done():
                raise
            started.set_exception(exc)  # the calls that wait answer with it

    def _make(self) -> Any:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from producer.api.mcp.tools import make_server

        # Stateless, so that any API process answers any request, and a restart ends no session.
        return StreamableHTTPSessionManager(
            make_server(self._desk_of, self._service.run_upload)._lowlevel_server,
            json_response=True,
            stateless=True,
            max_request_body_size=MAX_BODY_BYTES,
        )

    async def _desk_of(self, request: Request) -> Desk:
        service, principal = self._service, principal_of(request)
        if await service.reach.links_work(request):
            link = lambda _job, _what, key: service.objects.link(key, LINK_S)  # noqa: E731 - one of two
        else:
            base = str(request.base_url).rstrip("/")
            link = lambda job, what, _key: f"{base}/v1/jobs/{job}/{what}"  # noqa: E731 - one of two
        return Desk(service.producer_for(request), principal.scopes, link, count=lambda: service.count_jobs(request, 1))


class _Endpoint:
    """An ASGI application: a route takes a function for a handler of requests."""

    def __init__(self, manager: Callable[[], Awaitable[Any]]) -> None:
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._manager()).asgi_app(scope, receive, send)
