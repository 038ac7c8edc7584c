"""How a POST is written, once, and how its answer is read: it cannot be asked for again."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from seedance.client import GatewayClient
from seedance.errors import OutcomeUnknown, Rejected
from seedance.gateways.base import AttemptOptions, Submitted, WireCall
from storage.jsonb import dumps
from tests.integration.submitting.test_never_sent import (
    ANSWER,
    REQUEST,
    client_for,
    read_request,
    reset,
    serve,
    submit_to,
)


@pytest.fixture(autouse=True)
def _answered_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatewayClient, "_reads_directly", True)


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER.replace(b"\r\n", b"\r\nContent-Security-Policy: " + b"x" * 30_000 + b"\r\n", 1),
        ANSWER.replace(b"\r\n", b"\r\n" + (b"Set-Cookie: " + b"x" * 8_000 + b"\r\n") * 60, 1),
        b"\r\n" + ANSWER,
        ANSWER.replace(b"HTTP/1.1", b"HTTP/2.0"),
        ANSWER.replace(b"\r\n", b"\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER,
    ],
)
@pytest.mark.parametrize("pause", [False, True])
def test_an_unusual_head_does_not_hide_the_answer(answer: bytes, *, pause: bool) -> None:
    """A POST cannot be made again to read it better."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if pause:
            writer.write(answer[:7])
            await asyncio.sleep(0.05)
        writer.write(answer[7:] if pause else answer)
        await writer.drain()

    assert asyncio.run(submit_to(behave)) == Submitted("asyntask_1")


@pytest.mark.parametrize("directly", [True, None])
def test_the_error_of_a_head_in_an_old_encoding_can_be_stored(
    monkeypatch: pytest.MonkeyPatch, *, directly: bool | None
) -> None:
    """Else what is known of the POST is lost, and its job waits for the end of its lease."""
    monkeypatch.setattr(GatewayClient, "_reads_directly", directly)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        place = "http://gateway.example/你好".encode("gbk")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    error = asyncio.run(submit_to(behave))
    assert isinstance(error, OutcomeUnknown)
    assert "redirected to http://gateway.example/" in orjson.loads(dumps(error.as_dict()))["message"]


def test_heads_that_only_aiohttp_reads_cost_a_doubt_only_if_those_of_queries_were_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GatewayClient, "_reads_directly", None)
    received = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await read_request(reader)
        received += 1
        writer.write(ANSWER.replace(b"\r\n", b"\r\n X-A: a\r\n", 1))
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")
            monkeypatch.setattr(client, "_reads_directly", True)
            await asyncio.sleep(0.1)  # the connection was kept, and the server has closed it
            with pytest.raises(OutcomeUnknown):
                await client.submit(REQUEST, AttemptOptions())
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")

    asyncio.run(run())
    assert received == 3


@pytest.mark.parametrize(
    ("head", "expected"), [(b"HTTP/1.1 200 OK\r\n", True), (b"HTTP/1.1 200 OK\r\n X: a\r\n", False)]
)
def test_a_query_finds_out_whether_posts_can_go_directly(
    monkeypatch: pytest.MonkeyPatch, head: bytes, *, expected: bool
) -> None:
    monkeypatch.setattr(GatewayClient, "_reads_directly", None)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"Content-Length: 2\r\n\r\n{}")
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            assert client._reads_directly is None
            await client.call("query", WireCall("GET", "/v1/videos/1"))
            assert client._reads_directly is expected

    asyncio.run(run())


def test_a_body_of_many_megabytes_arrives_whole_and_with_its_length() -> None:
    bodies: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append((await read_request(reader)).partition(b"\r\n\r\n")[2])
        writer.write(ANSWER)
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            await client.call("submit", WireCall("POST", "/v1/videos", json={"image": "x" * 5_000_000}))

    asyncio.run(run())
    assert [orjson.loads(body) for body in bodies] == [{"image": "x" * 5_000_000}]


@pytest.mark.parametrize("ending", ["close", "reset", "silence"])
def test_a_body_that_is_not_taken_to_its_end_is_of_unknown_outcome_and_sent_once(ending: str) -> None:
    connections = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readexactly(100_000)
        if ending == "silence":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        if ending == "reset":
            reset(writer)

    async def run() -> None:
        async with serve(behave) as port, client_for(port, timeout_s=2.0) as client:
            with pytest.raises(OutcomeUnknown):
                await client.call("submit", WireCall("POST", "/v1/videos", json={"image": "x" * 30_000_000}))

    asyncio.run(run())
    assert connections == 1


def test_a_refusal_that_comes_before_the_body_was_taken_is_read() -> None:
    body = b'{"code":"invalid_request","message":"too large","data":null}'

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100_000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        await asyncio.Event().wait()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            with pytest.raises(Rejected, match="too large"):
                await client.call("submit", WireCall("POST", "/v1/videos", json={"image": "x" * 30_000_000}))

    asyncio.run(run())
