"""`/v1/estimate`, `/v1/capabilities`, `/v1/accounts`: what can be done, by whom, and what it would cost."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api import documents as docs
from producer.http.auth import principal_of, require_operator
from producer.http.bodies import json_object
from producer.http.resources import answer
from producer.http.service import Service
from producer.intake.quotes import estimates
from producer.operator_actions.account_status import account_statuses
from storage.admission import budgets
from storage.database import Connection
from storage.tenants import tenants


def information_routes(service: Service) -> APIRouter:
    """The routes that store nothing."""
    router = APIRouter(tags=["information"])

    @router.post("/v1/estimate", **docs.ESTIMATE)
    async def estimate(request: Request) -> Response:
        """What a job would cost, account by account in the order in which they are tried; `chosen` comes first for it.
        What could not be enqueued is refused in the same words. Nothing is stored."""
        fields = await json_object(request)
        return answer(await service.run(lambda: estimates(fields, service.settings)))

    @router.get("/v1/capabilities", **docs.CAPABILITIES)
    async def capabilities() -> Response:
        """What each account's gateway can do, as its pages document it; null: they do not say."""
        found = [
            {"name": account.name, "gateway": account.gateway, "capabilities": account.dialect.capabilities().as_dict()}
            for account in service.settings.accounts
        ]
        return answer({"accounts": found})

    @router.get("/v1/tenant", **docs.TENANT)
    async def tenant(request: Request) -> Response:
        """Whose jobs these are: what the key may do, and what the tenant may spend and enqueue."""
        principal = principal_of(request)
        found = await service.read(lambda conn: _tenant(conn, principal.tenant))
        return answer({"name": principal.tenant, "scopes": sorted(principal.scopes)} | found)

    @router.get("/v1/accounts", **docs.ACCOUNTS)
    async def accounts(request: Request) -> Response:
        """The configured accounts, their limits, and whether one is suspended, throttled or in an outage; no keys.
        Needs an admin key of the default tenant: they serve everybody."""
        require_operator(request)
        found = await service.read(lambda conn: account_statuses(conn, service.settings))
        return answer({"accounts": found})

    return router


def _tenant(conn: Connection, name: str) -> dict[str, Any]:
    [found] = tenants.list_tenants(conn, name)
    budget = next(iter(budgets.budgets_of(conn, name)), None)
    shown = None if budget is None else budget.as_dict()
    return {"weight": found.weight, "jobs_per_minute": found.jobs_per_minute, "budget": shown}
