"""`/v1/keys` and `/v1/decisions`: the tenant's keys, and who decided what. Both need the scope admin."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.openapi.document import json_body, problems
from producer.api.request_bodies import KeyPurse, KeyRotation, NewKey
from producer.api.resources.access import (
    DecisionPage,
    DecisionResource,
    KeyList,
    KeyPurseResource,
    KeyResource,
    NewKeyResource,
    PurseResource,
)
from producer.campaigns.status import campaign_status
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import principal_of, require_operator, require_scope
from producer.http.service import Service
from producer.operator_actions.tenants import create_key, purse_of_key, revoke_key, rotate_key, set_purse
from storage.campaigns.controls import subject_of
from storage.database import Connection
from storage.decisions import Decision, list_decisions
from storage.tenants import keys
from storage.tenants.keys import ApiKey, Scope
from storage.tenants.purses import Purse

Limit = Annotated[int, Query(ge=1, le=200, description="Decisions per page.")]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The `next_cursor` of the previous page.")]


def access_routes(service: Service) -> APIRouter:
    """The routes of keys and of decisions."""
    router = APIRouter(tags=["access"])
    _key_routes(router, service)
    _decision_routes(router, service)
    return router


def _key_routes(router: APIRouter, service: Service) -> None:
    @router.get("/v1/keys", response_model=KeyList, response_description="Every key.", responses=problems(503))
    async def list_keys(request: Request) -> Response:
        """List the tenant's keys, oldest first, without their secrets. Revoked and expired ones are included."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        found = await service.read(lambda conn: keys.list_keys(conn, tenant))
        return answer(KeyList(data=[_key(item) for item in found]))

    @router.post(
        "/v1/keys",
        status_code=201,
        response_model=NewKeyResource,
        response_description="The key may be used.",
        responses=problems(413, 415, 422, 503),
        openapi_extra=json_body(NewKey),
    )
    async def create(request: Request) -> Response:
        """Create a key. The key itself is in this answer only. Admins of tenant default may create one for another
        tenant, which is created with it."""
        own = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, NewKey)
        if body.tenant not in (None, own):
            require_operator(request)
        tenant, scopes = body.tenant or own, [str(scope) for scope in body.scopes]
        made = await service.read(lambda conn: create_key(conn, tenant, body.name, scopes, body.expires_in_seconds))
        return answer(_new_key(*made), 201)

    @router.post(
        "/v1/keys/{key_id}/rotate",
        status_code=201,
        response_model=NewKeyResource,
        response_description="The new key may be used.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(KeyRotation, required=False),
    )
    async def rotate(request: Request, key_id: str) -> Response:
        """Create a key with the same name and scopes in place of another, which expires after `overlap_seconds`. The
        new key itself is in this answer only."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, KeyRotation, empty=True)
        made = await service.read(
            lambda conn: rotate_key(
                conn, key_id, body.overlap_seconds, tenant=tenant, expires_in_s=body.expires_in_seconds
            )
        )
        return answer(_new_key(*made), 201)

    _one_key_routes(router, service)


def _one_key_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/keys/{key_id}/purse",
        response_model=KeyPurseResource,
        response_description="The purse.",
        responses=problems(404, 503),
    )
    async def key_purse(request: Request, key_id: str) -> Response:
        """Return what a key may spend, and what is left of it."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        return answer(_purse(await service.read(lambda conn: purse_of_key(conn, key_id, tenant=tenant))))

    @router.put(
        "/v1/keys/{key_id}/purse",
        response_model=KeyPurseResource,
        response_description="The purse.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(KeyPurse),
    )
    async def set_key_purse(request: Request, key_id: str) -> Response:
        """Set what a key may spend, or remove its purse."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, KeyPurse)
        return answer(_purse(await service.read(lambda conn: set_purse(conn, key_id, body.purse, tenant=tenant))))

    @router.delete(
        "/v1/keys/{key_id}",
        status_code=204,
        response_description="The key is revoked.",
        responses=problems(404, 503),
    )
    async def revoke(request: Request, key_id: str) -> Response:
        """Revoke a key for good, with its sessions and streams. Servers notice within 5 s."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        await service.read(lambda conn: revoke_key(conn, key_id, tenant=tenant))
        return Response(status_code=204)


def _decision_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/decisions",
        response_model=DecisionPage,
        response_description="One page of decisions.",
        responses=problems(422, 503),
    )
    async def decisions(request: Request, limit: Limit = 50, cursor: Before = None) -> Response:
        """List who decided what about the tenant's campaigns, keys, webhooks and limits, newest first. Decisions about
        single jobs are in their events."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        return answer(await service.read(lambda conn: _page(conn, tenant, None, cursor, limit)))

    @router.get(
        "/v1/campaigns/{name:path}/decisions",
        response_model=DecisionPage,
        response_description="One page of decisions.",
        responses=problems(404, 422, 503),
    )
    async def of_campaign(request: Request, name: str, limit: Limit = 50, cursor: Before = None) -> Response:
        """List who paused, resumed, cancelled or changed a campaign, newest first."""
        tenant = principal_of(request).tenant

        def ask(conn: Connection) -> DecisionPage:
            return _page(conn, tenant, subject_of(campaign_status(conn, tenant, name).id), cursor, limit)

        return answer(await service.read(ask))


def _page(conn: Connection, tenant: str, subject: str | None, before: int | None, limit: int) -> DecisionPage:
    found = list_decisions(conn, tenant, subject, before=before, limit=limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return DecisionPage(data=[_decision(item) for item in found[:limit]], next_cursor=following)


def _decision(decision: Decision) -> DecisionResource:
    return DecisionResource(**asdict(decision))


def _key(key: ApiKey) -> KeyResource:
    return KeyResource(**asdict(key))


def _purse(purse: Purse | None) -> KeyPurseResource:
    shown = None if purse is None else PurseResource(**purse.as_dict())  # type: ignore[arg-type] # by its names
    return KeyPurseResource(purse=shown)


def _new_key(secret: str, key: ApiKey) -> NewKeyResource:
    return NewKeyResource(**asdict(key), key=secret)
