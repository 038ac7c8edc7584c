"""The assets that a gateway itself lists for an account."""

from __future__ import annotations

import asyncio
from typing import Any

from producer.intake.asset_uploads import account_for_assets
from seedance.asset_client import AssetClient
from seedance.assets import ListedAsset
from seedance.client import GatewayClient
from storage.settings import Settings


def remote_assets(settings: Settings, account: str | None) -> list[dict[str, Any]]:
    """Every asset of an account, as rows of `reelq assets list`; None: the only account that keeps assets.

    Raises:
        InvalidInput: no account, or more than one, is meant.
        GatewayError: the gateway does not answer.
    """
    chosen = account_for_assets(settings, account)

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
