"""`/v1/estimate`, `/v1/capabilities`, `/v1/tenant`: what jobs cost, and who can run them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api.openapi import job_body, problems
from producer.api.resources.campaigns import BudgetResource
from producer.api.resources.information import (
    CapabilityList,
    Estimates,
    TenantResource,
)
from producer.http.answers import answer
from producer.http.bodies import json_object
from producer.http.doors.auth import Principal, principal_of
from producer.http.service import Service
from producer.intake.quotes import estimates
from storage.admission import budgets
from storage.database import Connection
from storage.tenants import tenants
from storage.tenants.keys import Scope


def information_routes(service: Service) -> APIRouter:
    """The routes that store nothing."""
    router = APIRouter(tags=["information"])

    @router.post(
        "/v1/estimate",
        response_model=Estimates,
        response_description="The estimates.",
        responses=problems(413, 415, 422, 503),
        openapi_extra=job_body(),
    )
    async def estimate(request: Request) -> Response:
        """Estimate what a job would cost at each account, in the order they are tried. A job that could not be enqueued
        is refused as `POST /v1/jobs` refuses it. Nothing is stored."""
        fields = await json_object(request)
        return answer(await service.run(lambda: estimates(fields, service.producer_for(request).settings)))

    @router.get(
        "/v1/capabilities", response_model=CapabilityList, response_description="What each account's gateway can do."
    )
    async def capabilities(request: Request) -> Response:
        """Return what each account's gateway can do, as its documentation says."""
        settings = await service.run(lambda: service.producer_for(request).settings)
        found = [
            {"name": account.name, "gateway": account.gateway, "capabilities": account.dialect.capabilities().as_dict()}
            for account in settings.accounts
        ]
        return answer({"accounts": found})

    @router.get(
        "/v1/tenant",
        response_model=TenantResource,
        response_description="The tenant of the key.",
        responses=problems(503),
    )
    async def tenant(request: Request) -> Response:
        """Return the tenant of the key, the key's scopes, and what the tenant may spend and enqueue."""
        principal = principal_of(request)
        return answer(await service.read(lambda conn: _tenant(conn, principal)))

    return router


def _tenant(conn: Connection, principal: Principal) -> TenantResource:
    [found] = tenants.list_tenants(conn, principal.tenant)
    budget = next(iter(budgets.budgets_of(conn, principal.tenant)), None)
    return TenantResource(
        name=principal.tenant,
        scopes=sorted(Scope(name) for name in principal.scopes),
        weight=found.weight,
        jobs_per_minute=found.jobs_per_minute,
        budget=None if budget is None else BudgetResource(**budget.as_dict()),
    )
