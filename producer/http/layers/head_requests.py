"""`HEAD` is answered as `GET` is, without the body."""

from __future__ import annotations

import asyncio

from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Routes that answer HEAD themselves do so; to all others it is a GET."""

    def __init__(self, app: ASGIApp, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or self._has_own(scope):
            await self._app(scope, receive, send)
            return
        ended = asyncio.Event()

        async def nothing_then_the_end() -> Message:
            # A stream of events listens for the end of its client, and must not go on behind an answer to HEAD.
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not ended.is_set():
                ended.set()
                await send({"type": "http.response.body", "body": b""})

        await self._app({**scope, "method": "GET"}, nothing_then_the_end, send_head)

    def _has_own(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._router.routes)
