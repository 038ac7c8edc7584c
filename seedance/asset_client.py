"""Create and find assets through an account's connection. The calls are in `seedance.assets`, their order is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from seedance import assets
from seedance.assets import AssetStatus, ListedAsset
from seedance.client import GatewayClient
from seedance.errors import AccountProblem, GatewayError, ModelProblem, NotServed, NotTried
from seedance.gateways.base import WireAnswer, WireCall
from seedance.request import Modality

_PAGES = 20
_NO_SUCH_CALL = (404, 405, 501)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Source:
    """Where an asset's bytes come from: a URL that the gateway fetches, else `content`, the bytes of a file."""

    filename: str
    url: str | None = None
    content: bytes = b""


class AssetClient:
    """The assets of one account. It remembers nothing; the caller records what was created."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._gateway = client.dialect.name

    async def find_group(self, name: str) -> str | None:
        """The id of the group with exactly this name; None when there is none.

        Raises:
            GatewayError: the gateway gave no list.
        """
        found = await self._group_ids(name)
        return found[0] if found else None

    async def has_lost_group(self, name: str, group_id: str) -> bool:
        """Whether the gateway gives a list of its groups, and this one, with this name, is not among them."""
        try:
            return group_id not in await self._group_ids(name)
        except GatewayError:
            return False

    async def _group_ids(self, name: str) -> list[str]:
        groups = await self._pages(
            lambda page: assets.list_groups_call(name=name, page=page, page_size=assets.MAX_PAGE_SIZE),
            lambda answer: assets.read_groups(answer, self._gateway),
            lambda group: group.name == name,
        )
        return [group.id for group in groups]

    async def create_group(self, name: str) -> str:
        """Create a group, which is billed; gives its id.

        Raises:
            OutcomeUnknown: it may have been created.
            GatewayError: it was not created.
        """
        answer = await self._client.call("submit", assets.create_group_call(name))
        return assets.read_id(answer, self._gateway)

    async def find(self, name: str) -> list[ListedAsset]:
        """The assets with exactly this name in any group, in the gateway's order.

        Raises:
            GatewayError: the gateway gave no list.
        """
        return await self._pages(
            lambda page: assets.list_assets_call(name=name, page=page, page_size=assets.MAX_PAGE_SIZE),
            lambda answer: assets.read_assets(answer, self._gateway),
            lambda asset: asset.name == name,
        )

    async def usable(self, name: str) -> ListedAsset | None:
        """An asset with exactly this name that is or will be usable; None when there is none.

        Raises:
            GatewayError: the gateway gave no list.
        """
        found = [asset for asset in await self.find(name) if asset.status is not AssetStatus.FAILED]
        return min(found, key=lambda asset: asset.status is not AssetStatus.ACTIVE, default=None)

    async def create(self, group_id: str, name: str, modality: Modality, source: Source) -> str:
        """Create an asset, which is billed; gives its id.

        Raises:
            OutcomeUnknown: it may have been created.
            GatewayError: it was not created.
        """
        if source.url is not None:
            call = assets.create_asset_call(group_id, name, modality, source.url)
        else:
            call = assets.upload_asset_call(group_id, name, modality, source.filename, source.content)
        return assets.read_id(await self._client.call("submit", call), self._gateway)

    async def bring_group(self, name: str, may_post: Callable[[], bool]) -> str:
        """The id of the group with this name, created if there is none; `may_post` is checked right before the POST.

        Raises:
            OutcomeUnknown: it may have been created.
            GatewayError: it was not created.
        """
        found = await self._if_listed(self.find_group(name))
        if found is not None:
            return found
        self._check(may_post)
        return await self.create_group(name)

    async def bring(
        self,
        group_id: str,
        name: str,
        modality: Modality,
        source: Callable[[], Awaitable[Source]],
        may_post: Callable[[], bool],
    ) -> ListedAsset:
        """The asset with this name, created if none is usable; `may_post` is checked right before the POST.

        Raises:
            OutcomeUnknown: it may have been created.
            GatewayError: it was not created.
        """
        found = await self._if_listed(self.usable(name))
        if found is not None:
            return found
        content = await source()
        self._check(may_post)
        asset_id = await self.create(group_id, name, modality, content)
        return ListedAsset(asset_id, name, group_id, AssetStatus.PROCESSING)

    async def look(self, asset_id: str, name: str, group_id: str) -> ListedAsset:
        """The present status of an asset that was created. Where the gateway has no list, it counts as usable.

        Raises:
            GatewayError: the gateway gave no list.
        """
        listed = await self._if_listed(self.find(name))
        if listed is None:
            return ListedAsset(asset_id, name, group_id, AssetStatus.ACTIVE)
        not_listed = ListedAsset(asset_id, name, group_id, AssetStatus.PROCESSING)
        return next((asset for asset in listed if asset.id == asset_id), not_listed)

    def _check(self, may_post: Callable[[], bool]) -> None:
        if not may_post():
            raise NotTried("the lease ended before the request was sent", gateway=self._gateway)

    async def _if_listed(self, query: Awaitable[Item]) -> Item | None:
        try:
            return await query
        except GatewayError as exc:
            if exc.status in _NO_SUCH_CALL:
                return None
            raise

    async def list_all(self) -> list[ListedAsset]:
        """All assets of the account, up to the limit of pages.

        Raises:
            GatewayError: the gateway gave no list.
        """
        return await self._pages(
            lambda page: assets.list_assets_call(page=page, page_size=assets.MAX_PAGE_SIZE),
            lambda answer: assets.read_assets(answer, self._gateway),
            lambda asset: True,
        )

    async def _pages(
        self,
        call: Callable[[int], WireCall],
        read: Callable[[WireAnswer], list[Item]],
        wanted: Callable[[Item], bool],
    ) -> list[Item]:
        found: list[Item] = []
        for page in range(1, _PAGES + 1):
            items = read(await self._client.call("list", call(page)))
            found += [item for item in items if wanted(item)]
            if len(items) < assets.MAX_PAGE_SIZE:
                break
        return found


def not_offered(error: GatewayError) -> bool:
    """Whether the gateway offers this key no assets, so that links are needed: the key may not use their model, or the
    call does not exist."""
    if isinstance(error, AccountProblem):
        return error.kind == "permission"
    return isinstance(error, ModelProblem) or (isinstance(error, NotServed) and error.status in _NO_SUCH_CALL)
