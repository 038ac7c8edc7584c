"""`/accounts`: limits and health of each account, and resuming one at once."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.http.doors.auth import require_operator
from producer.http.problems import ApiProblem
from producer.operator_actions.account_status import account_statuses
from producer.web.forms import read_form
from producer.web.site import Site, go
from storage.accounts import changes
from storage.jobs.events.log import position_now


def account_routes(site: Site) -> APIRouter:
    """The routes of the accounts."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())
    service = site.service

    @router.get("/accounts")
    async def accounts_page(request: Request) -> Response:
        require_operator(request)
        after, found = await service.read(
            lambda conn: (position_now(conn), account_statuses(conn, service.live.refresh(conn)))
        )
        return site.page(request, "accounts.html", {"accounts": found, "stream": "/v1/events", "after": after})

    @router.post("/accounts/{name}/resume")
    async def resume(request: Request, name: str) -> Response:
        require_operator(request)
        await read_form(request)
        account = service.settings.account(name)
        if account is None:
            raise ApiProblem(404, "account_not_found", f"account {name!r} is not configured")
        await service.read(lambda conn: changes.resume_account(conn, name, account.tenants))
        return go("/accounts")

    return router
