"""gzip: of large JSON answers, if the client accepts it.

Pages are not compressed: they hold a secret (the form's token) beside text that others choose. Videos and pictures are
compressed already, and events must leave at once.
"""

from __future__ import annotations

import asyncio
import re
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES = 4096
"""Smaller answers are not worth the time."""
_INLINE_BYTES = 256 * 1024
_LEVEL = 4
_TYPES = frozenset({"application/json", "application/problem+json", "application/x-ndjson", "text/plain"})
_ACCEPTS = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)", re.IGNORECASE)


class Compression:
    """Compresses what is worth it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepts = _ACCEPTS.search(Headers(scope=scope).get("accept-encoding", "")) is not None
        await self._app(scope, receive, _Answer(send, accepts).send)


class _Answer:
    """One answer: its start is held back until the first part of its body is known."""

    def __init__(self, send: Send, accepts: bool) -> None:
        self._send = send
        self._accepts = accepts
        self._start: Message | None = None
        self._packer: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            kind = headers.get("content-type", "").partition(";")[0].strip()
            if kind in _TYPES and "content-encoding" not in headers and "content-range" not in headers:
                headers.add_vary_header("Accept-Encoding")
                self._start = {**message, "headers": headers.raw}
                return
        elif message["type"] == "http.response.body":
            message = await self._body(message)
        await self._send(message)

    async def _body(self, message: Message) -> Message:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            if self._accepts and (more or len(body) >= MIN_BYTES):
                headers = MutableHeaders(raw=start["headers"])
                headers["content-encoding"] = "gzip"
                if "content-length" in headers:
                    del headers["content-length"]
                if (etag := headers.get("etag")) is not None and not etag.startswith("W/"):
                    headers["etag"] = f"W/{etag}"  # the bytes are others, the content is the same
                self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
            await self._send(start)
        if self._packer is None:
            return message
        if len(body) > _INLINE_BYTES:
            packed = await asyncio.to_thread(self._packer.compress, body)
        else:
            packed = self._packer.compress(body)
        packed += self._packer.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)
        return {**message, "body": packed}
