"""A request that ran out of time because of others' connections says nothing about the other side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from yarl import URL

from seedance.errors import GatewayError, NotSent, NotTried
from seedance.network import direct
from seedance.network.failures import translate_failure
from seedance.network.sessions import Connector
from seedance.network.time_limits import TimeLimits
from tests.waiting import PATIENCE_S

LIMIT_S = 0.5


class OneConnection:
    """A session with one connection at most, at a server that accepts it and never answers the TLS handshake."""

    def __init__(self, session: aiohttp.ClientSession, connector: Connector, url: URL, *, directly: bool) -> None:
        self._session, self._connector, self._url, self._directly = session, connector, url, directly

    async def post(self, limit_s: float) -> GatewayError:
        try:
            if self._directly:
                await direct.request(self._session, "POST", self._url, connecting=TimeLimits(limit_s))
            else:
                await self._session.post(self._url, timeout=aiohttp.ClientTimeout(connect=limit_s))
        except (aiohttp.ClientError, TimeoutError) as exc:
            return translate_failure(exc, "anyfast", "submit")
        raise AssertionError("it has no connection")

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Another task has the connection."""
        other = asyncio.create_task(self.post(PATIENCE_S))
        while not self._connector._acquired:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(0.001)
        yield
        other.cancel()
        with suppress(asyncio.CancelledError):
            await other

    async def somebody_waits(self) -> None:
        while not self._connector._waiters:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def one_connection(*, directly: bool) -> AsyncIterator[OneConnection]:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, no process reads
        url = URL(f"https://127.0.0.1:{silent.getsockname()[1]}/")
        connector = Connector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield OneConnection(session, connector, url, directly=directly)


@pytest.mark.parametrize("directly", [True, False])
def test_the_rest_of_the_limit_after_a_wait_is_no_measure_of_the_server(*, directly: bool) -> None:
    """A gateway that closes its connections counted as down: a POST that had waited for 9.9 s got a place, and TCP and
    TLS took longer than the other 0.1 s."""

    async def run() -> GatewayError:
        async with one_connection(directly=directly) as one:
            async with one.in_use():
                waiting = asyncio.create_task(one.post(LIMIT_S))
                await one.somebody_waits()
            return await waiting

    failed = asyncio.run(run())
    assert type(failed) is NotTried
    assert "all 1 connections were in use" in str(failed)


@pytest.mark.parametrize("directly", [True, False])
def test_a_server_that_has_the_whole_limit_is_not_reached(*, directly: bool) -> None:
    async def run() -> GatewayError:
        async with one_connection(directly=directly) as one:
            return await one.post(LIMIT_S)

    assert type(asyncio.run(run())) is NotSent


@pytest.mark.parametrize("directly", [True, False])
def test_a_wait_that_another_limit_ended_is_not_remembered(*, directly: bool) -> None:
    async def run() -> GatewayError:
        async with one_connection(directly=directly) as one:
            async with one.in_use():
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(LIMIT_S):
                        await one.post(PATIENCE_S)
            return await one.post(LIMIT_S)

    assert type(asyncio.run(run())) is NotSent
