"""Counting wrong keys takes bounded memory and forgives."""

from __future__ import annotations

import asyncio
import time

import pytest

from producer.http.doors import failed_keys
from producer.http.doors.failed_keys import FREE, MAX_ADDRESSES, MAX_RIGHT, WAIT_S, FailedKeys


def test_only_the_address_that_failed_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        failed = FailedKeys()
        for _ in range(int(FREE) + 1):
            failed.note("2001:db8::1", "/v1/jobs", "wrong", None)
        started = time.monotonic()
        await failed.wait("2001:db8:0:1::1", "key")
        await failed.wait("192.0.2.1", "key")
        assert time.monotonic() - started < WAIT_S
        started = time.monotonic()
        await failed.wait("2001:db8::ffff", "key")  # the same network of one client
        assert time.monotonic() - started >= WAIT_S
        monkeypatch.setattr(failed_keys, "FORGIVEN_PER_S", 1e9)
        started = time.monotonic()
        await failed.wait("2001:db8::1", "key")
        assert time.monotonic() - started < WAIT_S

    asyncio.run(run())


def test_memory_is_bounded() -> None:
    failed = FailedKeys()
    for number in range(MAX_ADDRESSES + 100):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        failed.note(address, "/", "wrong", None)
        failed.was_right(address, f"key {number}", guessable=False)
    assert len(failed._addresses) == MAX_ADDRESSES
    assert len(failed._right) == MAX_RIGHT
