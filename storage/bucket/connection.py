"""HTTP to the object store on an event loop: the only file of this package that speaks it. Videos take this way, and so
does whatever must prove that it works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import TypeVar

import aiohttp
from yarl import URL

from seedance.network import direct, sessions
from seedance.network.outbound import Outbound
from storage.bucket.answers import Answer
from storage.bucket.exchanges import MOVES, Exchange
from storage.bucket.objects import ANSWER_BYTES
from storage.bucket.requests import Requests, SignedRequest, StoreUnavailable

T = TypeVar("T")

CONNECTIONS = 64
PIECE_BYTES = 512 * 1024
SMALL_BYTES = 64 * 1024
STALL_S = 60.0
"""A store that sends nothing, or takes no piece, for this long has stalled."""


def open_session(outbound: Outbound) -> aiohttp.ClientSession:
    """A session for the object store; close it when done. Call it on the event loop."""
    return sessions.open_session(
        outbound,
        sessions.open_connector(outbound, limit=CONNECTIONS, keepalive_timeout=30.0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=STALL_S),
        auto_decompress=False,
        headers={"User-Agent": "reelq", "Accept-Encoding": "identity"},
    )


async def follow(session: aiohttp.ClientSession, exchange: Exchange[T], chunks: Sequence[memoryview] = ()) -> T:
    """Run an exchange. `chunks`: the body of those of its requests that have none of their own.

    Raises:
        StoreUnavailable: no response, or what the exchange raises.
    """
    request = next(exchange)
    while True:
        answer = await send(session, request, chunks)
        try:
            request = exchange.send(answer)
        except StopIteration as done:
            found: T = done.value
            return found


async def send(session: aiohttp.ClientSession, request: SignedRequest, chunks: Sequence[memoryview] = ()) -> Answer:
    """Send a signed request and read the response. `chunks` are its body if it has none of its own. Redirects are not
    followed: the signature is for one host.

    Raises:
        StoreUnavailable: no response.
    """
    parts = chunks if request.body is None else [memoryview(request.body)] if request.body else ()
    origin, path = _target(request.url)
    pieces = partial(_pieces, parts) if parts else None
    try:
        wire = await direct.request(session, request.method, origin, request.headers, pieces, path=path)
        try:
            return Answer(wire.status, wire.headers, await wire.read(ANSWER_BYTES) if wire.left != 0 else b"")
        finally:
            wire.close()
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise _no_response(request, exc) from exc


def _target(url: str) -> tuple[URL, str]:
    """The origin of a URL, and its path with the query: to parse each URL takes longer than to send it."""
    scheme, _, rest = url.partition("://")
    before, mark, query = rest.partition("?")
    host, _, path = before.partition("/")
    return _origin(f"{scheme}://{host}"), f"/{path}{mark}{query}"


@lru_cache(maxsize=64)
def _origin(text: str) -> URL:
    return URL(text, encoded=True)


def _pieces(chunks: Sequence[memoryview]) -> Iterator[bytes | memoryview]:
    """The bytes of chunks in pieces of about 512 KiB, so that a large write does not block the event loop."""
    small: list[memoryview] = []
    held = 0
    for chunk in chunks:
        if len(chunk) < SMALL_BYTES:
            small.append(chunk)
            held += len(chunk)
            if held < PIECE_BYTES:
                continue
        if small:
            yield b"".join(small)
            small, held = [], 0
        if len(chunk) >= SMALL_BYTES:
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
    if small:
        yield b"".join(small)


async def open_object(
    session: aiohttp.ClientSession, requests: Requests, key: str, headers: Mapping[str, str], *, head: bool = False
) -> aiohttp.ClientResponse:
    """The response to a GET or HEAD of an object, with any status; the caller reads and closes it. What the store says
    of another region, endpoint or addressing is followed.

    Raises:
        StoreUnavailable: no response.
    """
    requests = requests.holding(key)
    for left in range(MOVES, -1, -1):
        used = requests.traits.place
        request = requests.sign_get(key, headers, head=head)
        try:
            response = await session.request(
                request.method, URL(request.url, encoded=True), headers=request.headers, allow_redirects=False
            )
            if response.status < 300 or left == 0 or not requests.traits.learn(used, await answer_of(response)):
                return response
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise _no_response(request, exc) from exc
        response.close()
    raise AssertionError("unreachable")


def _no_response(request: SignedRequest, exc: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"{request.method}: {sessions.failure_text(exc)}")


async def answer_of(response: aiohttp.ClientResponse) -> Answer:
    """A response as a value, with at most 64 KiB of its body."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, await _beginning(response.content))


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """At most 64 KiB of a response. Reading it to its end lets the connection be used again."""
    body = b""
    while len(body) < ANSWER_BYTES and (chunk := await content.read(ANSWER_BYTES - len(body))):
        body += chunk
    return body
