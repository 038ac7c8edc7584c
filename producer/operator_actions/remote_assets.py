"""The assets that a gateway itself lists for an account."""

from __future__ import annotations

import asyncio
from typing import Any

from seedance.account import Account
from seedance.asset_client import AssetClient
from seedance.assets import ListedAsset
from seedance.client import GatewayClient
from storage.settings import Settings


def remote_assets(settings: Settings, chosen: Account) -> list[dict[str, Any]]:
    """Every asset of an account, as rows of `reelq assets list`.

    Raises:
        GatewayError: the gateway does not answer.
    """

    async def ask() -> list[ListedAsset]:
        async with GatewayClient(
            chosen,
            chosen.dialect,
            submit_timeout_s=settings.submit_timeout_seconds,
            query_timeout_s=settings.query_timeout_seconds,
            outbound=settings.outbound(),
        ) as client:
            return await AssetClient(client).list_all()

    return [
        {
            "account": chosen.name,
            "status": asset.status.value,
            "asset": f"asset://{asset.id}",
            "group_id": asset.group_id,
            "name": asset.name,
            "error": asset.error or None,
        }
        for asset in asyncio.run(ask())
    ]
