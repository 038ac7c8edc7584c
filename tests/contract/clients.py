"""Clients of simulated gateways, one per call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from seedance.account import Account
from seedance.client import GatewayClient
from seedance.gateways.registry import DIALECTS
from tests.waiting import PATIENCE_S

T = TypeVar("T")
KEY = "sk-contract-tests"


def account_url(url: str, gateway: str) -> str:
    """An account's `base_url` at a simulator, which keeps the path of the gateway's own (`/ark/api/v3`)."""
    return f"{url}/{gateway}{urlsplit(DIALECTS[gateway].default_base_url or '').path}"


def own_settings(gateway: str) -> dict[str, Any]:
    """What an account of a gateway needs besides an address and a key: model names, where it has none of its own."""
    if gateway != "new-api":
        return {}
    return {"models": {tier: row.id for tier, row in DIALECTS[gateway].catalog.tiers.items()}}


def with_client(url: str, gateway: str, work: Callable[[GatewayClient], Awaitable[T]], **fields: Any) -> T:
    """Do something as an account of a simulator at `url`; `fields` are the account's other settings."""
    settings = {"name": "a", "gateway": gateway, "base_url": account_url(url, gateway), "api_key": KEY}
    account = Account.model_validate(settings | own_settings(gateway) | fields)

    async def run() -> T:
        async with GatewayClient(
            account, account.dialect, submit_timeout_s=PATIENCE_S, query_timeout_s=PATIENCE_S
        ) as client:
            return await work(client)

    return asyncio.run(run())
