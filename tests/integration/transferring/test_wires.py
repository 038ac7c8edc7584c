"""One exchange on a connection: every form of a response, and a connection is used again only if that is safe."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from seedance.network import direct
from seedance.network.http_messages import NotHttp
from seedance.network.outbound import DIRECT, read_outbound
from seedance.network.sessions import NotConnected, failure_text, open_connector, open_session
from tests.certificates import make_certificates

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
LARGE = 8 * 2**20
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request as the test says; `heads` are the requests of each connection."""

    def __init__(self, *answers: bytes | Answer) -> None:
        self.answers = list(answers)
        self.heads: list[list[bytes]] = []
        self.body = b""
        self.serving: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(mine := [])
        self.serving.add(asyncio.current_task())
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                mine.append(head)
                answer = self.answers.pop(0)
                if not isinstance(answer, bytes):
                    await answer(head, writer)
                    continue
                length = next(
                    (int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: ")), 0
                )
                self.body = await reader.readexactly(length)
                writer.write(answer)
                if b"Content-Length" not in answer and b"chunked" not in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        writer.close()

    async def end(self) -> None:
        for task in self.serving:
            if task is not None:
                task.cancel()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def asking(server: Server, stall_s: float = 10.0) -> AsyncIterator[tuple[aiohttp.ClientSession, URL]]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=stall_s)
    async with open_session(DIRECT, timeout=timeout) as session, asyncio.timeout(30):
        yield session, URL(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/a?b=%2F", encoded=True)
    listener.close()
    await server.end()


async def get(session: aiohttp.ClientSession, url: URL) -> tuple[int, bytes]:
    response = await direct.request(session, "GET", url)
    try:
        return response.status, await response.read(2**20)
    finally:
        response.close()


@pytest.mark.parametrize(
    ("answer", "body", "connections"),
    [
        (GOOD, b"good", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + GOOD, b"good", 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2\r\nod\r\n0\r\n\r\n", b"good", 1),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood", b"good", 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood", b"good", 2),
        (GOOD + GOOD, b"good", 2),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"c350\r\n" + b"y" * 50_000 + b"\r\n0\r\n\r\n",
            b"y" * 50_000,
            1,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * 400_000, b"z" * 400_000, 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, b"x" * 300_000, 1),
    ],
)
def test_each_form_of_a_response_is_read_and_its_connection_used_again_if_it_may_be(
    answer: bytes, body: bytes, connections: int
) -> None:
    async def run() -> None:
        server = Server(answer, GOOD)
        async with asking(server) as (session, url):
            assert await get(session, url) == (200, body)
            assert await get(session, url) == (200, b"good")
        assert len(server.heads) == connections
        assert server.heads[0][0].startswith(b"GET /a?b=%2F HTTP/1.1\r\nhost: 127.0.0.1:")

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\nContent-Length",
        b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + b"a" * 40_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
    ],
)
def test_what_is_not_http_fails_at_once_and_its_connection_is_not_used_again(answer: bytes) -> None:
    async def run() -> None:
        server = Server(answer, GOOD)
        async with asking(server) as (session, url):
            with pytest.raises(NotHttp):
                await get(session, url)
            assert await get(session, url) == (200, b"good")
        assert len(server.heads) == 2

    asyncio.run(run())


@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("PUT", 2), ("POST", 1)])
def test_a_request_is_sent_again_once_if_its_connection_ended_before_a_response_began(method: str, tries: int) -> None:
    async def hang_up(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def run() -> None:
        server = Server(hang_up, GOOD)
        async with asking(server) as (session, url):
            asked = direct.request(session, method, url, {"Content-Length": "3"}, lambda: [b"abc"])
            if tries == 1:
                with pytest.raises(aiohttp.ServerDisconnectedError) as ended:
                    await asked
                # People read it in the attempts of a held job.
                assert failure_text(ended.value) == (
                    "ConnectionEnded: the connection was closed before the end of the response"
                )
            else:
                (await asked).close()
                assert server.body == b"abc"
        assert sum(map(len, server.heads)) == tries

    asyncio.run(run())


def test_a_response_that_began_is_not_asked_for_again() -> None:
    async def begin(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    async def run() -> None:
        server = Server(begin, GOOD)
        async with asking(server) as (session, url):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await get(session, url)
        assert sum(map(len, server.heads)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("closes", [False, True])
def test_a_refusal_that_comes_before_the_body_was_sent_is_read(closes: bool) -> None:
    async def refuse(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await asyncio.sleep(0.2 if closes else 30)

    async def run() -> None:
        server = Server(refuse, GOOD)
        async with asking(server) as (session, url):
            pieces = [bytes(2**20)] * (LARGE // 2**20)
            response = await direct.request(session, "PUT", url, {"Content-Length": str(LARGE)}, lambda: pieces)
            assert (response.status, await response.read(100)) == (403, b"no")
            response.close()
            assert await get(session, url) == (200, b"good")
        assert len(server.heads) == 2, "the server still waits for the rest of the body on the first one"

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_with_the_rest_of_an_answered_request_is_not_used_again(tmp_path: Path, scheme: str) -> None:
    """The other side does not take it, so the next request would never arrive, or be lost with the connection."""

    def small(address: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return made

    async def refuse(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await asyncio.sleep(30)

    certificates = make_certificates(tmp_path)
    outbound = read_outbound({}, None, str(certificates.authority))

    async def run() -> None:
        server = Server(refuse, GOOD)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            tls = certificates.server() if scheme == "https" else None
            listener = await asyncio.start_server(server.serve, sock=listening, ssl=tls)
            connector = open_connector(outbound, socket_factory=small)
            async with open_session(outbound, connector) as session, asyncio.timeout(30):
                url = URL(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/")
                body = bytes(60_000)  # asyncio holds that much without asking to pause
                response = await direct.request(session, "POST", url, {"Content-Length": "60000"}, lambda: [body])
                assert (response.status, await response.read(100)) == (403, b"no")
                assert await get(session, url) == (200, b"good")
            listener.close()
            await server.end()
        assert len(server.heads) == 2

    asyncio.run(run())


def test_a_server_that_says_nothing_is_given_up() -> None:
    async def nothing(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def run() -> None:
        async with asking(Server(nothing), stall_s=0.2) as (session, url):
            with pytest.raises(aiohttp.SocketTimeoutError):
                await get(session, url)

    asyncio.run(run())


def test_bytes_that_are_not_read_yet_wait_at_the_server() -> None:
    size = 32 * 2**20
    sent = asyncio.Event()

    async def flood(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 2**20):
            writer.write(bytes(2**20))
            await writer.drain()
        sent.set()

    async def run() -> None:
        async with asking(Server(flood)) as (session, url):
            response = await direct.request(session, "GET", url)
            await asyncio.sleep(0.2)
            assert not sent.is_set()
            into, left = memoryview(bytearray(2**20)), size
            while left:
                left -= len(await response.receive(into))
            response.close()
            await sent.wait()

    asyncio.run(run())


def test_a_proxy_that_says_nothing_is_given_up() -> None:
    async def nothing(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def run() -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=0.2)
        async with asking(Server(nothing)) as (_, url):
            outbound = read_outbound({}, f"http://127.0.0.1:{url.port}")
            async with open_session(outbound, timeout=timeout) as session:
                with pytest.raises(NotConnected, match=r"gave no connection to files\.example:443: .* within 0\.4 s"):
                    await direct.request(session, "GET", URL("https://files.example/v.mp4"))

    asyncio.run(run())


def test_a_response_is_read_after_its_server_has_closed_the_connection() -> None:
    async def hang_up(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        writer.close()

    async def run() -> None:
        async with asking(Server(hang_up)) as (session, url):
            response = await direct.request(session, "GET", url)
            await asyncio.sleep(0.1)
            assert await response.read(100) == b"good"

    asyncio.run(run())


def test_a_closed_session_is_forgotten() -> None:
    async def run() -> None:
        async with asking(Server(GOOD)) as (session, url):
            assert await get(session, url) == (200, b"good")
            assert session in direct._ORIGINS
            forgotten = weakref.ref(session)
        del session
        gc.collect()
        assert forgotten() is None

    asyncio.run(run())


def test_a_cancelled_exchange_leaves_no_connection() -> None:
    asked = asyncio.Event()

    async def nothing(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await asyncio.sleep(30)

    async def run() -> None:
        server = Server(nothing, GOOD)
        async with asking(server) as (session, url):
            asking_for = asyncio.create_task(get(session, url))
            await asked.wait()
            asking_for.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking_for
            assert await get(session, url) == (200, b"good")
        assert len(server.heads) == 2

    asyncio.run(run())


def test_a_proxy_gets_the_whole_url_and_its_login_and_a_user_of_the_url_becomes_a_header() -> None:
    async def run() -> None:
        server = Server(GOOD, GOOD, GOOD)
        async with asking(server) as (_, url):
            proxy = f"http://me:secret@127.0.0.1:{url.port}"
            async with open_session(read_outbound({}, proxy)) as session:
                assert await get(session, URL("http://files.example/v.mp4?a=b")) == (200, b"good")
                below = await direct.request(session, "GET", URL("http://files.example/"), path="/tasks/a%2Fb")
                assert await below.read(10) == b"good"
            async with open_session(DIRECT) as session:
                assert await get(session, url.with_user("you").with_password("word")) == (200, b"good")
        forwarded, other, direct_one = (head for connection in server.heads for head in connection)
        assert forwarded.startswith(b"GET http://files.example/v.mp4?a=b HTTP/1.1\r\nhost: files.example\r\n")
        assert other.startswith(b"GET http://files.example/tasks/a%2Fb HTTP/1.1\r\nhost: files.example\r\n")
        for head in (forwarded, other):
            assert b"proxy-authorization: Basic bWU6c2VjcmV0\r\n" in head
        assert direct_one.startswith(b"GET /a?b=%2F HTTP/1.1\r\n")
        assert b"authorization: Basic eW91OndvcmQ=\r\n" in direct_one

    asyncio.run(run())


def test_a_header_of_a_request_replaces_the_usual_one_and_no_part_of_a_head_may_break_a_line() -> None:
    async def run() -> None:
        server = Server(GOOD, GOOD)
        async with asking(server) as (session, url):
            for headers in ({"X-Mine": "1"}, {"X-Mine": "1", "User-Agent": "other"}):
                assert await (await direct.request(session, "GET", url, headers, path="/p")).read(10) == b"good"
            with pytest.raises(ValueError, match="line break"):
                await direct.request(session, "GET", url, path="/p\r\nx: y")
            with pytest.raises(ValueError, match="line break"):
                await direct.request(session, "GET", url, {"x": "y\n"})
        ((usual, other),) = server.heads
        assert usual.startswith(b"GET /p HTTP/1.1\r\nhost: 127.0.0.1:")
        assert usual.count(b"user-agent: ") == other.count(b"user-agent: ") == 1
        assert b"user-agent: other\r\n" in other
        assert usual.count(b"x-mine: 1\r\n") == other.count(b"x-mine: 1\r\n") == 1

    asyncio.run(run())


def test_interim_responses_without_end_are_refused() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 7_000 + b"\r\n\r\n"

    async def run() -> None:
        async with asking(Server(interim * 6 + GOOD)) as (session, url):
            with pytest.raises(NotHttp, match="is larger than"):
                await get(session, url)

    asyncio.run(run())
