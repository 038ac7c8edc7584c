"""Counting wrong keys takes bounded memory and forgives."""

from __future__ import annotations

import asyncio
import time

import pytest

from producer.http.doors import failed_keys
from producer.http.doors.failed_keys import FREE, MAX_ADDRESSES, MAX_RIGHT, WAIT_S, FailedKeys


def test_only_the_address_that_failed_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_keys, "FORGIVEN_PER_S", 0.0)  # however long the test takes

    async def run() -> None:
        failed = FailedKeys()

        async def waits(address: str) -> bool:
            """Whether it waits at all: what does not wait ends at its first step."""
            waiting = asyncio.create_task(failed.wait(address, "key"))
            await asyncio.sleep(0)
            if waiting.done():
                return False
            await waiting
            return True

        for _ in range(int(FREE) + 1):
            failed.note("2001:db8::1", "/v1/jobs", "wrong", None)
        assert not await waits("2001:db8:0:1::1")
        assert not await waits("192.0.2.1")
        started = time.monotonic()
        assert await waits("2001:db8::ffff"), "the same network of one client"
        assert time.monotonic() - started >= WAIT_S * 0.99
        monkeypatch.setattr(failed_keys, "FORGIVEN_PER_S", 1e9)
        assert not await waits("2001:db8::1")

    asyncio.run(run())


def test_memory_is_bounded() -> None:
    failed = FailedKeys()
    for number in range(MAX_ADDRESSES + 100):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        failed.note(address, "/", "wrong", None)
        failed.was_right(address, f"key {number}", guessable=False)
    assert len(failed._addresses) == MAX_ADDRESSES
    assert len(failed._right) == MAX_RIGHT
