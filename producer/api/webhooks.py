"""`/v1/webhooks`: endpoints and their secrets, messages, replays and tests. Changing anything needs the scope admin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api import webhook_documents as docs
from producer.api.jobs import Instant
from producer.http.auth import principal_of, require_scope
from producer.http.bodies import json_object
from producer.http.problems import ApiProblem
from producer.http.resources import answer
from producer.http.service import Service
from producer.operator_actions import webhooks
from producer.operator_actions.webhooks import endpoint_document, message_document
from storage.database import Connection
from storage.tenants.keys import Scope
from storage.webhooks.endpoints import list_endpoints
from storage.webhooks.messages import MessageFilter, MessageState, MessageView, list_messages

T = TypeVar("T")

TEST_S = 30.0
_POLL_S = 0.25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9a-f]{8,16})-([0-9a-f]{32})")


def webhook_routes(service: Service) -> APIRouter:
    """The routes of webhooks."""
    router = APIRouter(tags=["webhooks"])
    _endpoint_routes(router, service)
    _message_routes(router, service)
    return router


def _endpoint_routes(router: APIRouter, service: Service) -> None:
    @router.get("/v1/webhooks/endpoints", **docs.ENDPOINTS)
    async def endpoints(request: Request) -> Response:
        """Every endpoint, the oldest first; without their secrets."""
        tenant = principal_of(request).tenant
        found = await service.read(lambda conn: list_endpoints(conn, tenant))
        return answer({"data": [endpoint_document(item) for item in found]})

    @router.post("/v1/webhooks/endpoints", status_code=201, **docs.ADD_ENDPOINT)
    async def add(request: Request) -> Response:
        """Tell a URL of what happens from now on. The answer has the secret that it verifies with, this once."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        options = await json_object(request, known=("url", "events"))
        url, events = _text(options, "url"), _texts(options, "events") or []
        made, secret = await service.read(
            lambda conn: webhooks.add_endpoint(conn, service.settings, tenant, url, events)
        )
        path = f"/v1/webhooks/endpoints/{made.id}"
        return answer(endpoint_document(made) | {"secret": secret}, 201, {"Location": path})

    @router.get("/v1/webhooks/endpoints/{endpoint_id}", **docs.ENDPOINT)
    async def get(request: Request, endpoint_id: UUID) -> Response:
        """One endpoint; without its secret."""
        tenant = principal_of(request).tenant
        return answer(
            endpoint_document(await service.read(lambda conn: webhooks.get_endpoint(conn, tenant, endpoint_id)))
        )

    @router.patch("/v1/webhooks/endpoints/{endpoint_id}", **docs.CHANGE_ENDPOINT)
    async def change(request: Request, endpoint_id: UUID) -> Response:
        """Change its events, disable it, or enable it again. What waits for one that is disabled is given up."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        options = await json_object(request, known=("events", "disabled"))
        events, disabled = _texts(options, "events"), options.get("disabled")
        if disabled is not None and not isinstance(disabled, bool):
            raise _invalid("disabled", "must be true or false")
        found = await service.read(
            lambda conn: webhooks.change_endpoint(conn, tenant, endpoint_id, events=events, disabled=disabled)
        )
        return answer(endpoint_document(found))

    @router.delete("/v1/webhooks/endpoints/{endpoint_id}", status_code=204, **docs.REMOVE_ENDPOINT)
    async def remove(request: Request, endpoint_id: UUID) -> Response:
        """Remove it. What waits for it is given up."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        await service.read(lambda conn: webhooks.remove_endpoint(conn, tenant, endpoint_id))
        return Response(status_code=204)

    @router.post("/v1/webhooks/endpoints/{endpoint_id}/rotate", **docs.ROTATE)
    async def rotate(request: Request, endpoint_id: UUID) -> Response:
        """A new secret, shown this once; messages carry a signature of the former one too for `overlap_seconds`."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        options = await json_object(request, known=("overlap_seconds",), empty=True)
        overlap_s = _number(options, "overlap_seconds", webhooks.OVERLAP_S)
        found, secret = await service.read(lambda conn: webhooks.rotate_secret(conn, tenant, endpoint_id, overlap_s))
        return answer(endpoint_document(found) | {"secret": secret})

    @router.get("/v1/webhooks/secret", **docs.SECRET)
    async def secret(request: Request) -> Response:
        """What deliveries to the `webhook_url` of jobs are verified with: two while it is being replaced, the new one
        first. Endpoints have secrets of their own."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        return answer({"secrets": service.settings.webhook_secrets(tenant)}, 200, {"Cache-Control": "no-store"})


def _message_routes(router: APIRouter, service: Service) -> None:
    @router.get("/v1/webhooks/messages", **docs.MESSAGES)
    async def messages(
        request: Request,
        state: Annotated[list[MessageState] | None, Query(description="One or several.")] = None,
        endpoint_id: UUID | None = None,
        job_id: UUID | None = None,
        type: Annotated[str | None, Query(max_length=64)] = None,
        since: Annotated[Instant | None, Query(description="Of what happened then or later.")] = None,
        limit: Annotated[int, Query(ge=1, le=200, description="Messages a page.")] = 50,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=64)] = None,
    ) -> Response:
        """Messages, the newest first, and how far each is."""
        tenant, before = principal_of(request).tenant, _before(cursor)
        wanted = MessageFilter(
            tenant, states=state or None, endpoint_id=endpoint_id, job_id=job_id, type=type, since=since
        )
        found = await service.read(lambda conn: list_messages(conn, wanted, before=before, limit=limit + 1))
        page = found[:limit]
        following = _cursor(page[-1]) if len(found) > limit else None
        return answer({"data": [message_document(item) for item in page], "next_cursor": following})

    @router.get("/v1/webhooks/messages/{message_id}", **docs.MESSAGE)
    async def message(request: Request, message_id: str) -> Response:
        """One message."""
        tenant = principal_of(request).tenant
        return answer(message_document(await service.read(lambda conn: webhooks.get_message(conn, tenant, message_id))))

    @router.post("/v1/webhooks/messages/{message_id}/replay", status_code=202, **docs.REPLAY_ONE)
    async def replay_one(request: Request, message_id: str) -> Response:
        """Send a message again, under its id."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        found = await service.read(lambda conn: webhooks.replay_one(conn, tenant, message_id))
        return answer(message_document(found), 202)

    @router.post("/v1/webhooks/replay", status_code=202, **docs.REPLAY_MANY)
    async def replay_many(request: Request) -> Response:
        """Send messages again, each under its id: those that were given up (`dead`), or all that were sent of what
        happened `since` then."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        options = await json_object(request, known=("dead", "since", "endpoint_id"))
        dead = options.get("dead", False)
        if not isinstance(dead, bool):
            raise _invalid("dead", "must be true or false")
        since, endpoint_id = _instant(options, "since"), _uuid(options, "endpoint_id")
        number = await service.read(
            lambda conn: webhooks.replay_many(conn, tenant, dead=dead, since=since, endpoint_id=endpoint_id)
        )
        return answer({"replayed": number}, 202)

    @router.post("/v1/webhooks/test", **docs.TEST)
    async def test(request: Request) -> Response:
        """Have a worker send a test event now, once; answers when the receiver has, or with 202 after half a minute."""
        tenant = require_scope(request, Scope.ADMIN).tenant
        options = await json_object(request, known=("url", "endpoint_id"))
        url = None if options.get("url") is None else _text(options, "url")
        endpoint_id = _uuid(options, "endpoint_id")

        def send(conn: Connection) -> str:
            return webhooks.send_test(conn, service.settings, tenant, endpoint_id=endpoint_id, url=url)

        sent = await service.read(send)
        found = await _when(lambda: service.read(lambda conn: webhooks.get_message(conn, tenant, sent)))
        return answer(message_document(found), 202 if found.due_at is not None else 200)


async def _when(ask: Callable[[], Any]) -> MessageView:
    """The message as soon as it was sent, or as it is when nobody has sent it in time."""
    give_up = asyncio.get_running_loop().time() + TEST_S
    while True:
        found: MessageView = await ask()
        if found.due_at is None or asyncio.get_running_loop().time() > give_up:
            return found
        await asyncio.sleep(_POLL_S)


def _cursor(last: MessageView) -> str:
    return f"{(last.created_at - _EPOCH) // timedelta(microseconds=1):08x}-{last.id.hex}"


def _before(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is not None:
            return _EPOCH + timedelta(microseconds=int(found[1], 16)), UUID(found[2])
    except OverflowError:
        pass
    raise ApiProblem(422, "invalid_parameter", "cursor: is not one that a page gave as next_cursor", param="cursor")


# --- bodies ----------------------------------------------------------------------------------------------------------


def _invalid(name: str, why: str) -> ApiProblem:
    return ApiProblem(422, "invalid_request", f"{name}: {why}", param=name)


def _text(options: dict[str, Any], name: str) -> str:
    value = options.get(name)
    if not isinstance(value, str):
        raise _invalid(name, "must be given, as text")
    return value


def _texts(options: dict[str, Any], name: str) -> list[str] | None:
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _invalid(name, "must be a list of texts")
    return value


def _number(options: dict[str, Any], name: str, default: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(name, "must be a number")
    return float(value)


def _uuid(options: dict[str, Any], name: str) -> UUID | None:
    value = options.get(name)
    if value is None:
        return None
    try:
        return UUID(_text(options, name))
    except ValueError:
        raise _invalid(name, "is not an id") from None


def _instant(options: dict[str, Any], name: str) -> datetime | None:
    value = options.get(name)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(_text(options, name))
    except ValueError:
        found = None
    if found is None or found.utcoffset() is None:
        raise _invalid(name, "must be an ISO 8601 instant with its offset (2030-01-31T18:00:00Z)")
    return found
