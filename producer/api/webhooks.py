"""`/v1/webhooks`: endpoints and their secrets, messages, replays and tests. Changes need the scope admin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.openapi.document import also, json_body, problems
from producer.api.parameters import Instant
from producer.api.request_bodies import EndpointChange, NewEndpoint, ReplayBody, SecretRotation, WebhookTest
from producer.api.resources.webhooks import (
    EndpointList,
    EndpointResource,
    EndpointWithSecret,
    MessagePage,
    MessageResource,
    ReplayedMessages,
    WebhookSecrets,
)
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import principal_of, require_scope
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.operator_actions import webhooks
from producer.operator_actions.webhooks import endpoint_document, message_document
from storage.database import Connection
from storage.tenants.keys import Scope
from storage.webhooks.endpoints import Endpoint, list_endpoints
from storage.webhooks.messages import MessageFilter, MessageState, MessageView, Place, find_messages

TEST_S = 30.0
_POLL_S = 0.25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9a-f]{8,16})-([0-9a-f]{32})")


def webhook_routes(service: Service) -> APIRouter:
    """The routes of webhooks."""
    router = APIRouter(tags=["webhooks"])
    _endpoint_routes(router, service)
    _secret_routes(router, service)
    _message_routes(router, service)
    _sending_routes(router, service)
    return router


def _endpoint_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/webhooks/endpoints",
        response_model=EndpointList,
        response_description="Every endpoint.",
        responses=problems(503),
    )
    async def endpoints(request: Request) -> Response:
        """List every endpoint, oldest first, without their secrets."""
        tenant = principal_of(request).tenant
        found = await service.read(lambda conn: list_endpoints(conn, tenant))
        return answer(EndpointList(data=[_endpoint(item) for item in found]))

    @router.post(
        "/v1/webhooks/endpoints",
        status_code=201,
        response_model=EndpointWithSecret,
        response_description="The endpoint receives events from now on.",
        responses=problems(413, 415, 422, 503),
        openapi_extra=json_body(NewEndpoint),
    )
    async def add(request: Request) -> Response:
        """Add an endpoint. Its secret, which verifies the messages, is in this answer only."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, NewEndpoint)
        made, secret = await service.read(
            lambda conn: webhooks.add_endpoint(conn, service.settings, tenant, body.url, body.events or [])
        )
        return answer(_with_secret(made, secret), 201, {"Location": f"/v1/webhooks/endpoints/{made.id}"})

    _one_endpoint_routes(router, service)


def _one_endpoint_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/webhooks/endpoints/{endpoint_id}",
        response_model=EndpointResource,
        response_description="The endpoint.",
        responses=problems(404, 422, 503),
    )
    async def get(request: Request, endpoint_id: UUID) -> Response:
        """Return one endpoint, without its secret."""
        tenant = principal_of(request).tenant
        return answer(_endpoint(await service.read(lambda conn: webhooks.get_endpoint(conn, tenant, endpoint_id))))

    @router.patch(
        "/v1/webhooks/endpoints/{endpoint_id}",
        response_model=EndpointResource,
        response_description="The endpoint.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(EndpointChange),
    )
    async def change(request: Request, endpoint_id: UUID) -> Response:
        """Change the events of an endpoint, disable it, or enable it again. Pending messages to a disabled endpoint are
        dropped."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, EndpointChange)
        found = await service.read(
            lambda conn: webhooks.change_endpoint(conn, tenant, endpoint_id, events=body.events, disabled=body.disabled)
        )
        return answer(_endpoint(found))

    @router.delete(
        "/v1/webhooks/endpoints/{endpoint_id}",
        status_code=204,
        response_description="The endpoint is removed.",
        responses=problems(404, 422, 503),
    )
    async def remove(request: Request, endpoint_id: UUID) -> Response:
        """Remove an endpoint. Its pending messages are dropped."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        await service.read(lambda conn: webhooks.remove_endpoint(conn, tenant, endpoint_id))
        return Response(status_code=204)


def _secret_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/webhooks/endpoints/{endpoint_id}/rotate",
        response_model=EndpointWithSecret,
        response_description="The endpoint with its new secret.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(SecretRotation, required=False),
    )
    async def rotate(request: Request, endpoint_id: UUID) -> Response:
        """Replace the secret of an endpoint. The new one is in this answer only; for `overlap_seconds` messages are
        signed with the previous one too."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        overlap_s = (await bodies.json_body(request, SecretRotation, empty=True)).overlap_seconds
        found, secret = await service.read(lambda conn: webhooks.rotate_secret(conn, tenant, endpoint_id, overlap_s))
        return answer(_with_secret(found, secret))

    @router.get(
        "/v1/webhooks/secret", response_model=WebhookSecrets, response_description="The secrets, the new one first."
    )
    async def secret(request: Request) -> Response:
        """Return the secrets that verify deliveries to the `webhook_url` of jobs. Endpoints have their own."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        found = WebhookSecrets(secrets=service.settings.webhook_secrets(tenant))
        return answer(found, headers={"Cache-Control": "no-store"})


def _message_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/webhooks/messages",
        response_model=MessagePage,
        response_description="One page of messages.",
        responses=problems(422, 503),
    )
    async def messages(
        request: Request,
        state: Annotated[list[MessageState] | None, Query(description="Any of these states.")] = None,
        endpoint_id: Annotated[UUID | None, Query(description="To this endpoint.")] = None,
        job_id: Annotated[UUID | None, Query(description="About this job.")] = None,
        type: Annotated[str | None, Query(description="The event, such as job.succeeded.", max_length=64)] = None,
        since: Annotated[Instant | None, Query(description="Created then or later.")] = None,
        limit: Annotated[int, Query(ge=1, le=200, description="Messages per page.")] = 50,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the previous page.", max_length=64)] = None,
    ) -> Response:
        """List messages, newest first, and how far their delivery is. A page with filters may be short, or empty, and
        still have a next one."""
        tenant, before = principal_of(request).tenant, _before(cursor)
        wanted = MessageFilter(
            tenant, states=state or None, endpoint_id=endpoint_id, job_id=job_id, type=type, since=since
        )
        found = await service.read(lambda conn: find_messages(conn, wanted, before=before, limit=limit))
        following = None if found.next_before is None else _cursor(found.next_before)
        return answer(MessagePage(data=[_message(item) for item in found.messages], next_cursor=following))

    @router.get(
        "/v1/webhooks/messages/{message_id}",
        response_model=MessageResource,
        response_description="The message.",
        responses=problems(404, 503),
    )
    async def message(request: Request, message_id: str) -> Response:
        """Return one message."""
        tenant = principal_of(request).tenant
        return answer(_message(await service.read(lambda conn: webhooks.get_message(conn, tenant, message_id))))


def _sending_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/webhooks/messages/{message_id}/replay",
        status_code=202,
        response_model=MessageResource,
        response_description="The message will be sent again.",
        responses=problems(404, 409, 503),
    )
    async def replay_one(request: Request, message_id: str) -> Response:
        """Send a message again, with the same `webhook-id`."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        found = await service.read(lambda conn: webhooks.replay_one(conn, tenant, message_id))
        return answer(_message(found), 202)

    @router.post(
        "/v1/webhooks/replay",
        status_code=202,
        response_model=ReplayedMessages,
        response_description="The messages will be sent again.",
        responses=problems(413, 415, 422, 503),
        openapi_extra=json_body(ReplayBody),
    )
    async def replay_many(request: Request) -> Response:
        """Send messages again, each with its own `webhook-id`: those whose delivery was given up (`dead`), or all since
        an instant."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, ReplayBody)
        number = await service.read(
            lambda conn: webhooks.replay_many(
                conn, tenant, dead=body.dead, since=body.since, endpoint_id=body.endpoint_id
            )
        )
        return answer(ReplayedMessages(replayed=number), 202)

    @router.post(
        "/v1/webhooks/test",
        response_model=MessageResource,
        response_description="The message was sent once; its state says with what result.",
        responses=also(202, "Not sent within 30 s; look at the message later.", model=MessageResource)
        | problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(WebhookTest),
    )
    async def test(request: Request) -> Response:
        """Send a test event to a URL or an endpoint, once, and wait for the result."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        body = await bodies.json_body(request, WebhookTest)

        def send(conn: Connection) -> str:
            return webhooks.send_test(conn, service.settings, tenant, endpoint_id=body.endpoint_id, url=body.url)

        sent = await service.read(send)
        found = await _when_sent(lambda: service.read(lambda conn: webhooks.get_message(conn, tenant, sent)))
        return answer(_message(found), 202 if found.due_at is not None else 200)


def _endpoint(endpoint: Endpoint) -> EndpointResource:
    return EndpointResource(**endpoint_document(endpoint))


def _with_secret(endpoint: Endpoint, secret: str) -> EndpointWithSecret:
    return EndpointWithSecret(**endpoint_document(endpoint), secret=secret)


def _message(message: MessageView) -> MessageResource:
    return MessageResource(**message_document(message))


async def _when_sent(ask: Callable[[], Any]) -> MessageView:
    """The message once it was sent, or as it is when it was not sent in time."""
    give_up = asyncio.get_running_loop().time() + TEST_S
    while True:
        found: MessageView = await ask()
        if found.due_at is None or asyncio.get_running_loop().time() > give_up:
            return found
        await asyncio.sleep(_POLL_S)


def _cursor(last: Place) -> str:
    return f"{(last[0] - _EPOCH) // timedelta(microseconds=1):08x}-{last[1].hex}"


def _before(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is not None:
            return _EPOCH + timedelta(microseconds=int(found[1], 16)), UUID(found[2])
    except OverflowError:
        pass
    raise ApiProblem(422, "invalid_parameter", "cursor: must be the next_cursor of a page", param="cursor")
