"""Nothing of a POST comes late: not its bytes at the gateway, and not an answer that belongs to another one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from seedance import client as client_module
from seedance.client import GatewayClient
from seedance.errors import NotSent, OutcomeUnknown
from seedance.gateways.base import AttemptOptions, Submitted, WireCall
from tests.integration.submitting.test_never_sent import ANSWER, REQUEST, client_for, read_request, serve
from tests.waiting import PATIENCE_S


@pytest.fixture(autouse=True, params=[True, None], ids=["directly", "by aiohttp"])
def _reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of a POST: after a query that was answered, and before it."""
    monkeypatch.setattr(GatewayClient, "_reads_directly", request.param)


@pytest.mark.parametrize("seen", [True, False])
def test_a_late_second_answer_is_not_taken_for_that_of_the_next_post(
    monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    """It would give the next job the task of another one. Not `seen`: it comes while other work keeps the loop busy."""
    monkeypatch.setattr(client_module, "SUBMIT_KEEPALIVE_S", PATIENCE_S)
    posts = 0
    was_read, was_sent = threading.Event(), threading.Event()

    def say_more(sock: socket.socket) -> None:
        was_read.wait()
        with sock:
            sock.sendall(ANSWER.replace(b"asyntask_1", b"asyntask_0"))
        was_sent.set()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal posts
        while await read_request(reader):
            posts += 1
            if posts == 1:
                own = writer.get_extra_info("socket").dup()
                threading.Thread(target=say_more, args=(own,), daemon=True).start()
            writer.write(ANSWER.replace(b"asyntask_1", b"asyntask_%d" % posts))
            await writer.drain()

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_1")
            was_read.set()
            assert was_sent.wait(PATIENCE_S)
            if seen:
                await asyncio.sleep(0.1)
            assert await client.submit(REQUEST, AttemptOptions()) == Submitted("asyntask_2")

    asyncio.run(run())


def test_a_connection_that_was_made_over_a_sleep_of_the_machine_carries_no_paid_post(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time limits do not count the sleep; by its end, the job may have been decided about."""
    clock = iter([0.0, 3600.0])
    monkeypatch.setattr("seedance.network.sessions.boottime_s", lambda: next(clock))
    received = b""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received += await reader.read(1)

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            with pytest.raises(NotSent, match="stopped"):
                await client.submit(REQUEST, AttemptOptions())

    asyncio.run(run())
    assert received == b""


def test_nothing_more_of_a_post_arrives_after_its_time_limit() -> None:
    """The kernel holds what a busy server has not taken yet. A task that it begins so late may have been proven not to
    exist, and its job sent again."""
    received = 0

    async def run() -> None:
        nonlocal received
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listening.setblocking(False)
            async with client_for(listening.getsockname()[1], timeout_s=1.0) as client:
                with pytest.raises(OutcomeUnknown):
                    await client.call("submit", WireCall("POST", "/v1/videos", json={"image": "x" * 300_000}))
            busy, _ = listening.accept()
            with busy, contextlib.suppress(ConnectionResetError):
                busy.settimeout(PATIENCE_S)
                while data := busy.recv(2**16):
                    received += len(data)

    asyncio.run(run())
    assert received < 300_000


def test_the_rest_of_a_post_does_not_arrive_after_a_sleep_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatewayClient, "_reads_directly", True)
    now_s, received = 0.0, 0
    monkeypatch.setattr("seedance.client.boottime_s", lambda: now_s)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now_s, received
        received += len(await reader.readexactly(100_000))
        now_s = 3600.0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                received += len(data)

    async def run() -> None:
        async with serve(behave) as port, client_for(port) as client:
            with pytest.raises(OutcomeUnknown, match="stopped"):
                await client.call("submit", WireCall("POST", "/v1/videos", json={"image": "x" * 30_000_000}))

    asyncio.run(run())
    assert received < 30_000_000
