"""`/v1/assets`: files that gateways keep for accounts."""

from __future__ import annotations

from collections.abc import Sequence

from reelq_client.core.binding import Awaiting, Blocking, call
from reelq_client.core.bodies import Body, Progress, Source
from reelq_client.core.requests import Flow, Request, given
from reelq_client.models.assets import AssetList, AssetResource, AssetUpload

_MAX_NAME_CHARS = 200
_SEND_S = 600.0


class AssetRoutes:
    """Assets of accounts; they need the scope admin."""

    @call
    def list(self, *, account: str | None = None, remote: bool = False) -> Flow[Sequence[AssetResource]]:
        """Every asset, oldest first; with `remote`, those that the gateway of an account lists itself."""
        query = given(account=account, remote=remote or None)
        answer = yield Request("assets_list", "GET", "/v1/assets", query=query)
        return answer.read(AssetList).data

    @call
    def upload(
        self,
        file: Source,
        *,
        account: str | None = None,
        group: str | None = None,
        wait: float | None = None,
        name: str | None = None,
        progress: Progress | None = None,
    ) -> Flow[AssetUpload]:
        """Upload a file, given as its path, its bytes or an open binary file, and wait until it can be used, at most
        `wait` seconds (60; None: 30). The gateway bills it once: the same content again is the same asset."""
        body = Body(file, None, progress, name)
        named = body.name[-_MAX_NAME_CHARS:] if body.name else None
        query = given(account=account, group=group, wait=wait, name=named)
        answer = yield Request(
            "assets_upload", "POST", "/v1/assets", query=query, body=body, repeatable=True, timeout_s=_SEND_S
        )
        return answer.read(AssetUpload)


class Assets(AssetRoutes, Blocking):
    """Assets of accounts."""


class AsyncAssets(AssetRoutes, Awaiting):
    """Assets of accounts."""
