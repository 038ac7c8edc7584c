"""The table that decides whether a POST may be repeated, proven against a server that misbehaves at every byte.

A POST that the server may have read must never count as not sent: it would be paid for twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest

from seedance import client as client_module
from seedance.account import Account
from seedance.client import GatewayClient
from seedance.errors import BadAnswer, GatewayError, NotSent, NotTried, OutcomeUnknown, Rejected, Unavailable
from seedance.gateways.base import AttemptOptions, Submitted
from seedance.gateways.registry import DIALECTS
from seedance.request import GenerationRequest
from tests.waiting import PATIENCE_S

REQUEST = GenerationRequest(prompt="a cat on a piano")
BODY = orjson.dumps({"id": "asyntask_1", "task_id": "asyntask_1", "status": ""})
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture(autouse=True, params=[True, None], ids=["directly", "by aiohttp"])
def _reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of a POST: after a query that was answered, and before it."""
    monkeypatch.setattr(GatewayClient, "_reads_directly", request.param)


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client_for(
    port: int, *, timeout_s: float = PATIENCE_S, scheme: str = "http", host: str = "127.0.0.1"
) -> GatewayClient:
    account = Account.model_validate(
        {"name": "a", "gateway": "anyfast", "base_url": f"{scheme}://{host}:{port}", "api_key": "sk-test-key"}
    )
    return GatewayClient(
        account, DIALECTS["anyfast"], submit_timeout_s=timeout_s, query_timeout_s=timeout_s, max_connections=1
    )


@contextlib.asynccontextmanager
async def serve(behaviour: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await behaviour(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()
        handling.discard(task)

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


def reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def submit_to(behaviour: Behaviour, *, timeout_s: float = PATIENCE_S) -> Submitted | GatewayError:
    async with serve(behaviour) as port, client_for(port, timeout_s=timeout_s) as client:
        try:
            return await client.submit(REQUEST, AttemptOptions())
        except GatewayError as exc:
            return exc


async def the_request_length() -> int:
    seen: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(await read_request(reader)))
        writer.write(ANSWER)
        await writer.drain()

    assert isinstance(await submit_to(answer), Submitted)
    return seen[0]


def test_a_request_cut_at_any_byte_is_of_unknown_outcome() -> None:
    async def run() -> None:
        length = await the_request_length()
        for offset in [0, 1, 2, *range(10, length, 23), length - 1, length]:
            for ending in ("close", "reset"):

                async def cut(
                    reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter,
                    offset: int = offset,
                    ending: str = ending,
                ) -> None:
                    await reader.readexactly(offset)
                    if ending == "reset":
                        reset(writer)

                assert isinstance(await submit_to(cut), OutcomeUnknown), (offset, ending)

    asyncio.run(run())


def test_an_answer_cut_at_any_byte_is_of_unknown_outcome() -> None:
    async def run() -> None:
        for offset in range(len(ANSWER)):

            async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, offset: int = offset) -> None:
                await read_request(reader)
                writer.write(ANSWER[:offset])
                await writer.drain()

            assert isinstance(await submit_to(cut), OutcomeUnknown), ANSWER[:offset]

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status": "ok"}'[:-1] + b" ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 500 X\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 524 Unknown\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 17\r\n\r\n{"message": "no"}',
        b'HTTP/1.1 500 X\r\nContent-Length: 50\r\n\r\n{"code":"invalid_request","message":"x","data":null}',
        b'HTTP/1.1 403 X\r\nContent-Length: 24\r\n\r\n{"message": "Forbidden"}',
        b"HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 X\r\nLocation: /v1/video/generations\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 303 X\r\nLocation: /tasks/1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 400 X\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"error": "sorry"}',
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        ANSWER.replace(b"\r\n", b"\r\n" + b"X-Long: " + b"x" * 2**20 + b"\r\n", 1),
        ANSWER.replace(b"\r\n", b"\r\nX-A: a\rb\r\n", 1),
        ANSWER.replace(b"\r\n", b"\r\nX-A: a\0b\r\n", 1),
        ANSWER.replace(b"\r\n", b"\r\nContent-Length: 2\r\n", 1),
        ANSWER.replace(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n", 1),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + BODY,
    ],
)
def test_an_answer_that_proves_nothing_is_of_unknown_outcome(answer: bytes) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    assert isinstance(asyncio.run(submit_to(behave)), OutcomeUnknown)


def test_silence_is_of_unknown_outcome() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.Event().wait()

    # Half of it is for connecting: if that is too short on a loaded machine, the request is never sent.
    assert isinstance(asyncio.run(submit_to(behave, timeout_s=2.0)), OutcomeUnknown)


@pytest.mark.parametrize("sent", [7, ANSWER.index(b"\r\n\r\n") + 4, len(ANSWER) - 1])
def test_an_answer_that_stops_is_of_unknown_outcome(sent: int) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWER[:sent])
        await asyncio.Event().wait()

    assert isinstance(asyncio.run(submit_to(behave, timeout_s=2.0)), OutcomeUnknown)


def test_a_kept_connection_that_the_server_has_closed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "SUBMIT_KEEPALIVE_S", PATIENCE_S)
    connections = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(ANSWER)
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            for _ in range(2):
                assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")
                await asyncio.sleep(0.1)

    asyncio.run(run())
    assert connections == 2


def test_a_kept_connection_closed_under_the_second_post_is_of_unknown_outcome_and_posted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "SUBMIT_KEEPALIVE_S", PATIENCE_S)
    received = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await read_request(reader)
        received += 1
        writer.write(ANSWER)
        await writer.drain()
        await read_request(reader)
        received += 1

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")
            with pytest.raises(OutcomeUnknown):
                await client.submit(REQUEST, AttemptOptions())

    asyncio.run(run())
    assert received == 2


def test_a_connection_that_idled_carries_no_paid_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server closes an idle connection just as a request arrives, it is unknown whether it read the request."""
    monkeypatch.setattr(client_module, "SUBMIT_KEEPALIVE_S", 0.2)
    connections = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(ANSWER)
        await writer.drain()
        await reader.read(1)  # the next request: it is dropped with the connection

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")
            await asyncio.sleep(0.5)
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")

    asyncio.run(run())
    assert connections == 2


def test_a_paid_post_does_not_share_the_connections_of_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections for queries are kept much longer."""
    monkeypatch.setattr(client_module, "SUBMIT_KEEPALIVE_S", PATIENCE_S)
    requests: list[list[bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[bytes] = []
        requests.append(mine)
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"POST"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.split(b":")[1]))
            mine.append(head[:4])
            writer.write(ANSWER)
            await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            for _ in range(2):
                with pytest.raises(BadAnswer):
                    await client.query("asyntask_1")
                await client.submit(REQUEST, AttemptOptions())

    asyncio.run(run())
    assert requests == [[b"GET ", b"GET "], [b"POST", b"POST"]]


@pytest.mark.parametrize(("host", "scheme"), [("127.0.0.1", "http"), ("no-such-host.invalid", "http")])
def test_no_connection_means_never_sent(closed_port: int, host: str, scheme: str) -> None:
    async def run() -> None:
        async with client_for(closed_port, host=host, scheme=scheme) as client:
            with pytest.raises(NotSent) as caught:
                await client.submit(REQUEST, AttemptOptions())
            assert caught.value.code == NotSent.code, "it may be the gateway's fault"

    asyncio.run(run())


def test_a_failed_tls_handshake_means_never_sent() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"this is not TLS\r\n")
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port, scheme="https") as client:
            with pytest.raises(NotSent) as caught:
                await client.submit(REQUEST, AttemptOptions())
            assert caught.value.code == NotSent.code, "it may be the gateway's fault"

    asyncio.run(run())


def test_a_connection_that_is_never_made_means_never_sent() -> None:
    async def run() -> None:
        with socket.socket() as listener, contextlib.ExitStack() as stack:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(4):  # fills the backlog, so that the kernel leaves further connections unanswered
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            await asyncio.sleep(0.05)
            async with client_for(port, timeout_s=1.0) as client:
                with pytest.raises(NotSent) as caught:
                    await client.submit(REQUEST, AttemptOptions())
                assert caught.value.code == NotSent.code

    asyncio.run(run())


def test_waiting_for_a_free_connection_in_vain_means_never_sent() -> None:
    received = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await read_request(reader)
        received += 1
        arrived.set()
        await hang_up.wait()

    arrived, hang_up = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        # The second gives up after half of its time, long before the first would free the connection.
        async with serve(behave) as port, client_for(port, timeout_s=6.0) as client:
            first = asyncio.create_task(client.submit(REQUEST, AttemptOptions()))
            await arrived.wait()
            with pytest.raises(NotTried, match="all 1 connections were in use"):
                await client.submit(REQUEST, AttemptOptions())
            hang_up.set()
            with pytest.raises(OutcomeUnknown):
                await first

    asyncio.run(run())
    assert received == 1


def test_a_documented_refusal_is_a_refusal() -> None:
    body = b'{"code":"invalid_request","message":"duration must be 4-15","data":null}'

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    result = asyncio.run(submit_to(behave))
    assert isinstance(result, Rejected)
    assert result.message == "duration must be 4-15"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", BadAnswer),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", Unavailable),
    ],
)
def test_a_query_can_always_be_repeated(answer: bytes, expected: type[GatewayError]) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            with pytest.raises(expected):
                await client.query("asyntask_1")

    asyncio.run(run())


def test_the_key_is_in_no_message() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = b'{"error":{"message":"the key sk-test-key is bad","type":"x","code":""}}'
        writer.write(b"HTTP/1.1 401 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    result = asyncio.run(submit_to(behave))
    assert isinstance(result, GatewayError)
    assert "sk-test-key" not in result.message + str(result.as_dict()) + repr(result)
