"""Headers of every answer: the request's id, and redirects within this server are relative. Each request is logged.

Starlette builds absolute ones from the request's Host and scheme, which behind a proxy are not the client's.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.http.layers.access_log import log_request
from producer.http.layers.request_ids import HEADER, begin_request
from storage.tracing.context import HEADER as TRACE
from storage.tracing.context import begin_trace


class AnswerHeaders:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        host, request_id = given.get("host", ""), begin_request(given.get(HEADER))
        begin_trace(given.get(TRACE))

        began, status, size = time.monotonic(), None, 0

        async def send_on(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers[HEADER] = request_id
                if 300 <= message["status"] < 400 and (location := headers.get("location")) is not None:
                    headers["location"] = relative(location, host)
                message["headers"] = headers.raw
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            log_request(scope, status, time.monotonic() - began, size)


def relative(location: str, host: str) -> str:
    """A redirect's target, without scheme and host if they are those of the request."""
    parts = urlsplit(location)
    if parts.netloc != host or parts.path.startswith("//"):  # that would be another host
        return location
    return urlunsplit(("", "", parts.path or "/", parts.query, parts.fragment))
