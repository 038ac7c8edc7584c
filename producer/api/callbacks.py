"""Callbacks of gateways: each is a hint to poll a task, and is never believed by itself."""

from __future__ import annotations

import asyncio
import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api.openapi import also, any_body, problems
from producer.api.resources.information import CallbackReceived, CallbackRefused
from producer.http.answers import answer
from producer.http.bodies import BODY_S, chunks
from seedance.gateways.registry import DIALECTS
from storage.database import Database, DatabaseUnavailable
from storage.jobs import callbacks

MAX_BODY_BYTES = 256 * 1024
MAX_TASK_ID_CHARS = 200
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def callback_routes(database: Database) -> APIRouter:
    """The route `POST /callbacks/{gateway}/{token}`."""
    router = APIRouter()

    @router.post(
        "/callbacks/{gateway}/{token}",
        response_model=CallbackReceived,
        response_description="Callback accepted; the job will be polled, unless it is terminal.",
        responses=also(404, "No attempt at that gateway has that token.", model=CallbackRefused)
        | also(503, "Temporarily unavailable; retry after `Retry-After`.", model=CallbackRefused)
        | problems(400, 403, 408, 413),
        openapi_extra=any_body(),
    )
    async def receive(gateway: str, token: str, request: Request) -> Response:
        """Take a callback of a gateway. The token of the URL says which attempt it is about."""
        body = b"".join([chunk async for chunk in chunks(request, MAX_BODY_BYTES, BODY_S)])
        # An unknown gateway or token takes the same path as a known one, so that timing reveals nothing about tokens.
        known = gateway in DIALECTS and _TOKEN.fullmatch(token) is not None
        task_id = DIALECTS[gateway].read_callback(body) if known else ""
        unfinished = known and DIALECTS[gateway].callback_is_unfinished(body)
        believable = task_id if 0 < len(task_id) <= MAX_TASK_ID_CHARS and task_id.isprintable() else None
        try:
            job_id = await asyncio.to_thread(_hint, database, gateway, token, believable, unfinished)
        except DatabaseUnavailable:
            refused = CallbackRefused(error="temporarily unavailable; retry later")
            return answer(refused, 503, {"Retry-After": "5"})
        if job_id is None or not known:
            return answer(CallbackRefused(error="not found"), 404)
        return answer(CallbackReceived(received=True))

    return router


def _hint(database: Database, gateway: str, token: str, task_id: str | None, unfinished: bool) -> object:
    with database.begin() as conn:
        return callbacks.hint(conn, gateway, token, task_id, unfinished=unfinished)
