"""`/v1/accounts`: list, add, change, pause, resume, rekey and remove accounts. All need the scope admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.account_bodies import AccountChange, NewAccount, NewAccountKey
from producer.api.openapi.document import json_body, problems
from producer.api.resources.information import AccountList, AccountResource
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import Principal, require_scope
from producer.http.service import Service
from producer.operator_actions import accounts
from producer.operator_actions.account_status import account_statuses
from storage.accounts import changes
from storage.accounts.changes import AccountNotFound
from storage.accounts.live import with_accounts
from storage.database import Connection
from storage.settings import Settings
from storage.tenants.keys import Scope


def account_routes(service: Service) -> APIRouter:
    """The routes of accounts."""
    router = APIRouter(tags=["accounts"])
    _looking(router, service)
    _changing(router, service)
    _switching(router, service)
    return router


def _looking(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/accounts",
        response_model=AccountList,
        response_description="The accounts, in the order they are tried.",
        responses=problems(503),
    )
    async def list_accounts(request: Request) -> Response:
        """Return the accounts, their limits, and whether they take jobs; never their keys. An admin of tenant default
        sees all of them, an admin of another tenant those that serve only that tenant."""
        principal = require_scope(request, Scope.ADMIN)
        return answer(await service.read(lambda conn: _listed(conn, service.settings, principal)))

    @router.get(
        "/v1/accounts/{name}",
        response_model=AccountResource,
        response_description="The account.",
        responses=problems(404, 503),
    )
    async def show_account(request: Request, name: str) -> Response:
        """Return one account."""
        principal = require_scope(request, Scope.ADMIN)
        return answer(await service.read(lambda conn: _shown(conn, service.settings, principal, name)))


def _changing(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/accounts",
        status_code=201,
        response_model=AccountResource,
        response_description="The account takes jobs within seconds.",
        responses=problems(413, 415, 422, 503),
        openapi_extra=json_body(NewAccount),
    )
    async def add_account(request: Request) -> Response:
        """Add an account. Its key is encrypted with the master key of the settings. An admin of another tenant than
        default adds it for that tenant alone."""
        principal = require_scope(request, Scope.ADMIN)
        body = await bodies.json_body(request, NewAccount)
        fields = {**body.fields(), "gateway": body.gateway}
        fields = {name: value for name, value in fields.items() if value is not None}

        def change(conn: Connection, settings: Settings) -> None:
            accounts.add(conn, settings, managed_by(principal), body.name, fields, body.secrets())

        return answer(await _changed(service, principal, body.name, change), 201)

    @router.patch(
        "/v1/accounts/{name}",
        response_model=AccountResource,
        response_description="The account as it is now.",
        responses=problems(404, 409, 413, 415, 422, 503),
        openapi_extra=json_body(AccountChange),
    )
    async def change_account(request: Request, name: str) -> Response:
        """Change an account of the database. Its gateway never changes; its address only while it has no task."""
        principal = require_scope(request, Scope.ADMIN)
        body = await bodies.json_body(request, AccountChange)

        def change(conn: Connection, settings: Settings) -> None:
            accounts.change(conn, settings, managed_by(principal), name, body.fields())

        return answer(await _changed(service, principal, name, change))

    _rekeying_and_removing(router, service)


def _rekeying_and_removing(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/accounts/{name}/rekey",
        response_model=AccountResource,
        response_description="New jobs use the new key.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(NewAccountKey),
    )
    async def rekey_account(request: Request, name: str) -> Response:
        """Give an account a new key. Tasks in flight keep the one that they were submitted with until they end, unless
        `revoked` says that it does not work any more."""
        principal = require_scope(request, Scope.ADMIN)
        body = await bodies.json_body(request, NewAccountKey)

        def change(conn: Connection, settings: Settings) -> None:
            accounts.require(conn, settings, managed_by(principal), name)
            how = {"revoked": body.revoked, "other_project": body.other_project}
            changes.rekey_account(conn, settings, name, body.secrets(), **how)

        return answer(await _changed(service, principal, name, change))

    @router.delete(
        "/v1/accounts/{name}",
        status_code=204,
        response_description="The account is removed, or with `drain` will be.",
        responses=problems(404, 409, 422, 503),
    )
    async def remove_account(
        request: Request,
        name: str,
        drain: Annotated[
            bool,
            Query(description="Submit nothing more, and remove it when its last task has ended."),
        ] = False,
    ) -> Response:
        """Remove an account of the database. An account with unfinished jobs is removed only with `drain`."""
        principal = require_scope(request, Scope.ADMIN)

        def change(conn: Connection) -> None:
            accounts.require(conn, service.settings, managed_by(principal), name)
            changes.remove_account(conn, service.settings, name, drain=drain)

        await service.read(change)
        await service.read(service.live.refresh)
        return Response(status_code=204)


def _switching(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/accounts/{name}/pause",
        response_model=AccountResource,
        response_description="The account takes no new job.",
        responses=problems(404, 503),
    )
    async def pause_account(request: Request, name: str) -> Response:
        """Submit nothing more to an account, also to one of the configuration. Its tasks go on."""
        return answer(await switch(request, name, changes.pause_account))

    @router.post(
        "/v1/accounts/{name}/resume",
        response_model=AccountResource,
        response_description="The account takes jobs again.",
        responses=problems(404, 503),
    )
    async def resume_account(request: Request, name: str) -> Response:
        """Use an account again at once: after a pause, or after its gateway refused its key or credit."""
        return answer(await switch(request, name, changes.resume_account))

    async def switch(
        request: Request, name: str, decide: Callable[[Connection, str, list[str] | None], None]
    ) -> dict[str, Any]:
        principal = require_scope(request, Scope.ADMIN)

        def change(conn: Connection, settings: Settings) -> None:
            decide(conn, name, accounts.require(conn, settings, managed_by(principal), name))

        return await _changed(service, principal, name, change)


async def _changed(
    service: Service, principal: Principal, name: str, change: Callable[[Connection, Settings], None]
) -> dict[str, Any]:
    """Carry out a change in its own transaction, and return the account as it is then."""
    await service.read(lambda conn: change(conn, service.settings))
    return await service.read(lambda conn: _shown(conn, service.live.refresh(conn), principal, name))


def managed_by(principal: Principal) -> str | None:
    """The tenant whose accounts alone they may manage; None: they are an operator."""
    return None if principal.operator else principal.tenant


def _listed(conn: Connection, settings: Settings, principal: Principal) -> dict[str, Any]:
    settings = with_accounts(conn, settings)
    tenant = managed_by(principal)
    unusable = {
        name: why
        for name, why in settings.book.unusable.items()
        if tenant is None or accounts.may_manage(tenant, changes.tenants_named(conn, settings, name))
    }
    found = [row for row in account_statuses(conn, settings) if accounts.may_manage(tenant, row["tenants"])]
    return {"accounts": found, "unusable": unusable}


def _shown(conn: Connection, settings: Settings, principal: Principal, name: str) -> dict[str, Any]:
    found = next((row for row in _listed(conn, settings, principal)["accounts"] if row["name"] == name), None)
    if found is None:
        accounts.require(conn, settings, managed_by(principal), name)
        raise AccountNotFound.because(name, settings.book.unusable.get(name, "it is not known here yet"))
    return dict(found)
