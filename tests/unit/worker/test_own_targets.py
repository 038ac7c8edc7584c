"""Our own services are found behind names, in every spelling of an address, also while names do not resolve."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from storage.own_services import OwnServices
from worker.webhooks import own_targets
from worker.webhooks.own_targets import OwnTarget, OwnTargets

STORE = ("store.lan", 9000)


async def is_own(targets: OwnTargets, host: str, port: int = 9000) -> bool:
    try:
        await targets.check(host, port)
    except OwnTarget:
        return True
    return False


def test_the_address_of_a_service_counts_in_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = ["10.0.0.5"]

    async def run() -> None:
        async def look_up(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
            if not answers:
                raise socket.gaierror(socket.EAI_AGAIN, "no name server answers")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, 9000)) for answer in answers]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        monkeypatch.setattr(own_targets, "KNOWN_S", -1.0)  # look up each time
        targets = OwnTargets(OwnServices([STORE]))
        for host in ("store.lan", "STORE.LAN.", "10.0.0.5", "::ffff:10.0.0.5", "::ffff:a00:5"):
            assert await is_own(targets, host), host
        assert not await is_own(targets, "10.0.0.5", 9001)
        assert not await is_own(targets, "10.0.0.6")
        answers.clear()
        assert await is_own(targets, "10.0.0.5"), "names do not resolve now; the last answer counts"
        answers.append("10.0.0.6")
        assert await is_own(targets, "10.0.0.6")
        assert not await is_own(targets, "10.0.0.5"), "the service has moved"

    asyncio.run(run())
