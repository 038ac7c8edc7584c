"""Making and finding assets through an account's connection. `seedance.assets` has the calls, this their order."""

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
    """Where an asset's bytes come from: a URL that the gateway fetches, or else `content`, a file's bytes."""

    filename: str
    url: str | None = None
    content: bytes = b""


class AssetClient:
    """One account's assets. Nothing is remembered here; whoever calls keeps what was made."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._gateway = client.dialect.name

    async def find_group(self, name: str) -> str | None:
        """The id of the group of just that name, None when there is none.

        Raises:
            GatewayError: the gateway did not say.
        """
        groups = await self._pages(
            lambda page: assets.list_groups_call(name=name, page=page, page_size=assets.MAX_PAGE_SIZE),
            lambda answer: assets.read_groups(answer, self._gateway),
            lambda group: group.name == name,
        )
        return groups[0].id if groups else None

    async def create_group(self, name: str) -> str:
        """Make a group, which is billed, and give its id.

        Raises:
            OutcomeUnknown: it may have been made.
            GatewayError: it was not made.
        """
        answer = await self._client.call("submit", assets.create_group_call(name))
        return assets.read_id(answer, self._gateway)

    async def find(self, name: str) -> list[ListedAsset]:
        """The assets of just that name in any group, in the gateway's order.

        Raises:
            GatewayError: the gateway did not say.
        """
        return await self._pages(
            lambda page: assets.list_assets_call(name=name, page=page, page_size=assets.MAX_PAGE_SIZE),
            lambda answer: assets.read_assets(answer, self._gateway),
            lambda asset: asset.name == name,
        )

    async def usable(self, name: str) -> ListedAsset | None:
        """An asset of just that name that is or becomes usable, None when there is none.

        Raises:
            GatewayError: the gateway did not say.
        """
        found = [asset for asset in await self.find(name) if asset.status is not AssetStatus.FAILED]
        return min(found, key=lambda asset: asset.status is not AssetStatus.ACTIVE, default=None)

    async def create(self, group_id: str, name: str, modality: Modality, source: Source) -> str:
        """Make an asset, which is billed, and give its id.

        Raises:
            OutcomeUnknown: it may have been made.
            GatewayError: it was not made.
        """
        if source.url is not None:
            call = assets.create_asset_call(group_id, name, modality, source.url)
        else:
            call = assets.upload_asset_call(group_id, name, modality, source.filename, source.content)
        return assets.read_id(await self._client.call("submit", call), self._gateway)

    async def bring_group(self, name: str, may_post: Callable[[], bool]) -> str:
        """The group of that name, made if the gateway has none; `may_post` is asked just before.

        Raises:
            OutcomeUnknown: it may have been made.
            GatewayError: it was not made.
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
        """The asset of that name, made if the gateway has none that is usable; `may_post` is asked just before.

        Raises:
            OutcomeUnknown: it may have been made.
            GatewayError: it was not made.
        """
        found = await self._if_listed(self.usable(name))
        if found is not None:
            return found
        content = await source()
        self._check(may_post)
        asset_id = await self.create(group_id, name, modality, content)
        return ListedAsset(asset_id, name, group_id, AssetStatus.PROCESSING)

    async def look(self, asset_id: str, name: str, group_id: str) -> ListedAsset:
        """An asset that was made, as it stands now. Where the gateway lists nothing, it is taken for usable.

        Raises:
            GatewayError: the gateway did not say.
        """
        listed = await self._if_listed(self.find(name))
        if listed is None:
            return ListedAsset(asset_id, name, group_id, AssetStatus.ACTIVE)
        unseen = ListedAsset(asset_id, name, group_id, AssetStatus.PROCESSING)
        return next((asset for asset in listed if asset.id == asset_id), unseen)

    def _check(self, may_post: Callable[[], bool]) -> None:
        if not may_post():
            raise NotTried("the time for it was over before it was sent", gateway=self._gateway)

    async def _if_listed(self, question: Awaitable[Item]) -> Item | None:
        try:
            return await question
        except GatewayError as exc:
            if exc.status in _NO_SUCH_CALL:
                return None
            raise

    async def list_all(self) -> list[ListedAsset]:
        """Every asset of the account, as far as the bound on pages reaches.

        Raises:
            GatewayError: the gateway did not say.
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
    """Whether the gateway has no assets for this key, so that links are the way: it says that their model is not for
    it, or has no such call."""
    if isinstance(error, AccountProblem):
        return error.kind == "permission"
    return isinstance(error, ModelProblem) or (isinstance(error, NotServed) and error.status in _NO_SUCH_CALL)
