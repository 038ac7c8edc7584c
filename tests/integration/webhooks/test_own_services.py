"""A tenant's webhook never reaches our own services, and could do nothing at the API if it did."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from storage.own_services import OwnServices
from storage.settings import Settings
from tests.integration.api.api_server import serving, with_account
from tests.waiting import PATIENCE_S
from tests.webhook_receiver import receiving
from worker.webhooks.sender import Answer, WebhookSender


class Names(AbstractResolver):
    """Every name leads to this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [found]

    async def close(self) -> None:
        """Nothing to close."""


def post(*urls: str, **options: Any) -> list[Answer]:
    """Deliver one message to each, while private networks are allowed."""

    async def run() -> list[Answer]:
        sender = WebhookSender(timeout_s=PATIENCE_S, allow_private=True, **options)
        headers = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
        try:
            return [await sender.post(url, b'{"prompt": "stolen"}', headers) for url in urls]
        finally:
            await sender.close()

    return asyncio.run(run())


def test_own_services_are_never_called_in_any_spelling_and_others_are() -> None:
    with receiving() as own, receiving() as other:
        port = urlsplit(own.url).port
        assert port is not None
        services = OwnServices([("127.0.0.1", port)])
        hosts = ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "a.example")
        disguised = ("127.1", "0x7f.1", "2130706433")
        answers = post(*(f"http://{host}:{port}/x" for host in (*hosts, *disguised)), own=services, resolver=Names())
        assert own.deliveries == []
        assert all(answer.status is None for answer in answers)
        for host, answer in zip(hosts, answers, strict=False):
            assert "own services" in answer.error, (host, answer)
        [answer] = post(f"{other.url}/hook", own=services, resolver=Names())
        assert answer.status == 200 and len(other.deliveries) == 1


def test_a_delivery_or_a_download_has_no_rights_at_the_api(settings: Settings) -> None:
    """A worker is a program on this machine; with `webhook_url = "http://127.0.0.1:8080/v1/jobs"` it acted as the
    operator."""
    with serving(with_account(settings)) as api:
        [answer] = post(f"{api.base_url}/v1/jobs")
        assert answer.status == 401
        for agent in ("reelq", "reelq/1.0"):
            fetched = api.get("/v1/jobs", headers={"User-Agent": agent})
            assert fetched.status_code == 401 and "tenant chose" in fetched.json()["detail"]
        assert api.get("/v1/jobs").json()["data"] == []
        assert httpx.get(f"{api.base_url}/v1/jobs", headers={"User-Agent": "reelq-client/1.0"}).status_code == 200
