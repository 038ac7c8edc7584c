"""Objects of the bucket through the API, for clients that cannot reach the store: whole, or a range of bytes.

Nothing is kept: a slow client slows down the download from the store. A download that breaks off is continued where it
broke off, if the object is still the same.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from producer.http.problems import ApiProblem
from producer.http.sharing.places import Places
from producer.http.sharing.sender import current_sender
from storage.bucket.connection import answer_of, open_object, open_session
from storage.bucket.keys import VIDEO_TYPES
from storage.bucket.object_headers import content_disposition
from storage.bucket.requests import Requests, StoreUnavailable

log = logging.getLogger("reelq.api")

MAX_STREAMS = 128
"""Files on their way at once; a tenant alone gets half of these places."""
RESUMES = 3
_CHUNK_BYTES = 256 * 1024
_ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)")
_ASKED = ("if-none-match", "if-modified-since", "if-range")
_PASSED_ON = ("Content-Length", "Content-Range", "ETag", "Last-Modified")
_TYPES = {**VIDEO_TYPES, "jpg": "image/jpeg", "png": "image/png"}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object, and the name under which a browser saves it."""

    key: str
    filename: str


class ObjectStreams:
    """One per process. Use it on the event loop."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._session: aiohttp.ClientSession | None = None
        self._places = Places(MAX_STREAMS, "too many files are being sent")

    async def answer(self, request: Request, file: StoredFile) -> Response:
        """The object as the request asks for it, with `Range` and conditions. Credentials must be ready.

        Raises:
            StoreUnavailable: the store does not respond, or refuses.
            ApiProblem: the object is gone, or too many are being sent.
        """
        self._places.check()
        if self._session is None:
            self._session = open_session(self._requests.outbound)
        head, asked = request.method == "HEAD", _asked(request)
        response = await open_object(self._session, self._requests, file.key, asked, head=head)
        etag = response.headers.get("ETag")
        if _is_part(response) and asked.get("if-range", etag) != etag:
            response.close()  # the store does not know conditions, and the client has a part of another file
            whole = {name: value for name, value in asked.items() if name not in ("Range", "if-range")}
            response = await open_object(self._session, self._requests, file.key, whole, head=head)
        if response.status in (200, 206) and etag is not None and etag == request.headers.get("if-none-match"):
            response.close()  # the store does not know conditions
            return Response(status_code=304, headers=_of_304(response.headers, file))
        if response.status in (200, 206) and not head:
            status = 206 if _is_part(response) else 200
            return _Stream(self, file, response, status, _headers(response.headers, file))
        answer = await answer_of(response)
        response.close()
        headers = _headers(response.headers, file)
        if response.status in (200, 206):
            return Response(status_code=206 if _is_part(response) else 200, headers=headers)
        if response.status == 304:
            return Response(status_code=304, headers=_of_304(response.headers, file))
        if response.status == 416:
            size = {name: headers[name] for name in ("Content-Range",) if name in headers}
            raise ApiProblem(416, "range_not_satisfiable", f"{file.key} has no such range", headers=size)
        if response.status == 404:
            raise ApiProblem(404, "file_missing", f"{file.key} is not in the bucket any more")
        raise StoreUnavailable(f"GET: {answer.describe()}")

    async def read(self, file: StoredFile, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body of a response, continued with new requests if it breaks off.

        Raises:
            StoreUnavailable: it broke off and could not be continued.
        """
        place = self._places.take_for(current_sender())
        etag, (position, end) = response.headers.get("ETag", ""), _bounds(response)
        try:
            for left in range(RESUMES, -1, -1):
                try:
                    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                        position += len(chunk)
                        yield chunk
                    return
                except (aiohttp.ClientError, OSError, TimeoutError) as exc:
                    if left == 0 or end is None or not etag or self._session is None:
                        raise StoreUnavailable(f"GET: {type(exc).__name__}: {exc}") from exc
                    log.info("stream.again key=%s at=%d error=%r", file.key, position, exc)
                response.close()
                wanted = {"Range": f"bytes={position}-{end}", "If-Match": etag}
                response = await open_object(self._session, self._requests, file.key, wanted)
                if not _is_part(response) or _bounds(response)[0] != position:
                    raise StoreUnavailable(f"GET: broke off at byte {position}, and HTTP {response.status} after that")
        finally:
            self._places.give_back(place)
            response.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class _Stream(StreamingResponse):
    """An object on its way. If the store fails in the middle, the connection is closed, so that the client notices."""

    def __init__(
        self,
        streams: ObjectStreams,
        file: StoredFile,
        response: aiohttp.ClientResponse,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(streams.read(file, response), status, dict(headers))
        self._file = file

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for chunk in self.body_iterator:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except StoreUnavailable as exc:
            log.warning("stream.broken key=%s error=%s", self._file.key, exc)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _asked(request: Request) -> dict[str, str]:
    """The headers to pass on. Several ranges at once are answered with the whole object, which is allowed."""
    found = {name: request.headers[name] for name in _ASKED if name in request.headers}
    asked = request.headers.get("range", "").replace(" ", "")
    if _ONE_RANGE.fullmatch(asked):
        found["Range"] = asked
    return found


def _headers(given: Mapping[str, str], file: StoredFile) -> dict[str, str]:
    found = {name: given[name] for name in _PASSED_ON if name in given}
    return found | {
        "Content-Type": _TYPES.get(file.key.rpartition(".")[2], "application/octet-stream"),
        "Accept-Ranges": "bytes",
        # A key may be revoked, and a file deleted: ask again, which costs one small answer.
        "Cache-Control": "private, no-cache",
        "Content-Disposition": content_disposition(file.filename),
        "X-Content-Type-Options": "nosniff",
    }


def _of_304(given: Mapping[str, str], file: StoredFile) -> dict[str, str]:
    headers = _headers(given, file)
    return {name: headers[name] for name in ("Cache-Control", "ETag", "Last-Modified") if name in headers}


def _is_part(response: aiohttp.ClientResponse) -> bool:
    """Whether it is a range of the object; rclone answers one with 200."""
    return response.status in (200, 206) and "Content-Range" in response.headers


def _bounds(response: aiohttp.ClientResponse) -> tuple[int, int | None]:
    """The first and the last byte of a response; the last is None if it is not known."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(?:\d+|\*)", response.headers.get("Content-Range", ""))
    if found is not None:
        return int(found[1]), int(found[2])
    length = response.content_length
    return 0, None if length is None else length - 1
