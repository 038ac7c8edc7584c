"""`Reelq` and `AsyncReelq`."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from reelq_client.core.async_driver import AsyncDriver
from reelq_client.core.options import read_options
from reelq_client.core.requests import Flow, Request
from reelq_client.core.sync_driver import SyncDriver
from reelq_client.routes.access import (
    AsyncCapabilityInfo,
    AsyncDecisions,
    AsyncEvents,
    AsyncHealthInfo,
    AsyncKeys,
    AsyncTenantInfo,
    CapabilityInfo,
    Decisions,
    Events,
    HealthInfo,
    Keys,
    TenantInfo,
)
from reelq_client.routes.accounts import Accounts, AsyncAccounts
from reelq_client.routes.assets import Assets, AsyncAssets
from reelq_client.routes.campaigns import AsyncCampaigns, Campaigns
from reelq_client.routes.jobs import AsyncJobs, Jobs
from reelq_client.routes.uploads import AsyncUploads, Uploads
from reelq_client.routes.webhooks import AsyncWebhooks, Webhooks

if TYPE_CHECKING:
    from typing_extensions import Self

TIMEOUT_S = 60.0
MAX_RETRIES = 4


class Reelq:
    """A client of the API. Threads may share one; close it, or use it as a context manager.

    `base_url`, `api_key`: None reads `REELQ_API_URL` and `REELQ_API_KEY`; an API on the same machine may need no key.
    `timeout`: how many seconds an answer may take. `max_retries`: how often a request is sent again that surely has no
    second effect. `http_client`: your own, with proxies, certificates or limits; you close it.

    Raises:
        ConfigurationError: there is no URL.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT_S,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.Client | None = None,
    ) -> None:
        driver = SyncDriver(read_options(base_url, api_key, timeout, max_retries), http_client)
        self._driver = driver
        self.jobs = Jobs(driver)
        self.campaigns = Campaigns(driver)
        self.uploads = Uploads(driver)
        self.events = Events(driver)
        self.webhooks = Webhooks(driver)
        self.keys = Keys(driver)
        self.decisions = Decisions(driver)
        self.tenant = TenantInfo(driver)
        self.accounts = Accounts(driver)
        self.assets = Assets(driver)
        self.capabilities = CapabilityInfo(driver)
        self.health = HealthInfo(driver)

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._driver.options.base_url

    def request(self, method: str, path: str, *, json: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """Any other route: its JSON, as it is. It is sent again only if it reads."""
        return self._driver.run(_any_route(method, path, json, query))

    def close(self) -> None:
        """Close the connections; the jobs continue."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncReelq:
    """The same with `await`; `async with` closes it. The options are those of `Reelq`.

    Raises:
        ConfigurationError: there is no URL.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT_S,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        driver = AsyncDriver(read_options(base_url, api_key, timeout, max_retries), http_client)
        self._driver = driver
        self.jobs = AsyncJobs(driver)
        self.campaigns = AsyncCampaigns(driver)
        self.uploads = AsyncUploads(driver)
        self.events = AsyncEvents(driver)
        self.webhooks = AsyncWebhooks(driver)
        self.keys = AsyncKeys(driver)
        self.decisions = AsyncDecisions(driver)
        self.tenant = AsyncTenantInfo(driver)
        self.accounts = AsyncAccounts(driver)
        self.assets = AsyncAssets(driver)
        self.capabilities = AsyncCapabilityInfo(driver)
        self.health = AsyncHealthInfo(driver)

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._driver.options.base_url

    async def request(self, method: str, path: str, *, json: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """Any other route: its JSON, as it is. It is sent again only if it reads."""
        return await self._driver.run(_any_route(method, path, json, query))

    async def close(self) -> None:
        """Close the connections; the jobs continue."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _any_route(method: str, path: str, json: Any, query: Mapping[str, Any] | None) -> Flow[Any]:
    route = path.replace("{", "{{").replace("}", "}}")
    answer = yield Request("", method.upper(), route, json=json, query=query or {})
    return answer.read(Any) if answer.body else None
