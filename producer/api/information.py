"""`/v1/estimate`, `/v1/explain`, `/v1/capabilities`, `/v1/catalog`, `/v1/tenant`: what jobs cost, and who runs them."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.batch import BODY
from producer.api.openapi.document import job_body, problems, rows_body
from producer.api.request_bodies import JobBatch
from producer.api.resources.campaigns import BudgetResource
from producer.api.resources.explanations import MAX_EXPLAINED, ExplainedJobs, as_explained
from producer.api.resources.information import (
    CapabilityList,
    Catalog,
    Estimates,
    TenantResource,
)
from producer.api.row_options import RowOptions
from producer.campaigns.files import read_rows
from producer.client import Producer
from producer.explanation import explain_rows
from producer.http.answers import answer
from producer.http.bodies import RowFormat, json_object, row_format, spooled
from producer.http.doors.auth import Principal, principal_of
from producer.http.service import Service
from producer.intake.job_spec import MAX_ACCOUNT_CHARS
from producer.intake.quotes import estimates
from producer.model_catalog import model_catalog
from seedance.problems import InvalidInput, Problem
from storage.admission.spending import budgets
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

    _tenant_routes(router, service)
    return router


def _tenant_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/catalog",
        response_model=Catalog,
        response_description="The models.",
        responses=problems(422, 503),
    )
    async def catalog(
        request: Request,
        account: Annotated[str | None, Query(max_length=MAX_ACCOUNT_CHARS, description="This account only.")] = None,
    ) -> Response:
        """Return the models of each account that serves the tenant, and everything that is known of them."""

        def read() -> list[dict[str, Any]]:
            return list(model_catalog(service.producer_for(request).settings, account))

        return answer({"models": await service.run(read)})

    @router.post(
        "/v1/explain",
        response_model=ExplainedJobs,
        response_description="The jobs, in the order of the rows.",
        responses=problems(413, 415, 422, 503),
        openapi_extra=rows_body(JobBatch),
    )
    async def explain(
        request: Request,
        options: RowOptions,
        account: Annotated[str | None, Query(max_length=MAX_ACCOUNT_CHARS, description="This account only.")] = None,
    ) -> Response:
        """Show what each account would be sent for jobs, at what cost, and why an account cannot serve them. A bad row
        is in the answer; it is no error of the request. Nothing is sent, uploaded or stored."""
        kind = row_format(request, options)
        async with spooled(request, service.uploads) as file:
            return answer(
                await service.run_batch(lambda: _explained(service.producer_for(request), file, kind, account))
            )

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


def _tenant(conn: Connection, principal: Principal) -> TenantResource:
    [found] = tenants.list_tenants(conn, principal.tenant)
    budget = next(iter(budgets.budgets_of(conn, principal.tenant)), None)
    return TenantResource(
        name=principal.tenant,
        scopes=sorted(Scope(name) for name in principal.scopes),
        weight=found.weight,
        jobs_per_minute=found.jobs_per_minute,
        created_at=found.created_at,
        budget=None if budget is None else BudgetResource(**budget.as_dict()),
    )


def _explained(producer: Producer, file: BinaryIO, kind: RowFormat, account: str | None) -> ExplainedJobs:
    rows = read_rows(BODY, file, kind.kind, kind.options)
    found = list(islice(explain_rows(rows, producer.settings, None, account), MAX_EXPLAINED + 1))
    if len(found) > MAX_EXPLAINED:
        raise InvalidInput([Problem("", f"has more than {MAX_EXPLAINED:,} jobs; explain some of them")], BODY)
    return ExplainedJobs(jobs=[as_explained(item) for item in found], notes=list(rows.notes))
