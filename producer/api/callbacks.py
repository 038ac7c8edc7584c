"""Callbacks of gateways: each is a hint to poll a task, and is never believed by itself."""

from __future__ import annotations

import asyncio
import logging
import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api.openapi.document import also, any_body, problems
from producer.api.resources.information import CallbackReceived, CallbackRefused
from producer.http.answers import answer
from producer.http.bodies import BODY_S, chunks
from producer.http.doors.callback_proofs import CallbackProofs, KeysUnavailable
from seedance.gateways.base import Callback
from seedance.gateways.registry import DIALECTS
from storage.database import Database, DatabaseUnavailable
from storage.jobs import callbacks

log = logging.getLogger("reelq.callbacks")

MAX_BODY_BYTES = 256 * 1024
MAX_TASK_ID_CHARS = 200
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def callback_routes(database: Database, proofs: CallbackProofs) -> APIRouter:
    """The route `POST /callbacks/{gateway}/{token}`."""
    router = APIRouter(tags=["callbacks"])

    @router.post(
        "/callbacks/{gateway}/{token}",
        response_model=CallbackReceived,
        response_description="Callback accepted; the job will be polled, unless it is terminal.",
        responses=also(403, "The gateway's signature is missing or wrong.", model=CallbackRefused)
        | also(404, "No attempt at that gateway has that token.", model=CallbackRefused)
        | also(503, "Temporarily unavailable; retry after `Retry-After`.", model=CallbackRefused)
        | problems(400, 408, 413),
        openapi_extra=any_body(),
    )
    async def receive(gateway: str, token: str, request: Request) -> Response:
        """Take a callback of a gateway. The token of the URL says which attempt it is about."""
        body = b"".join([chunk async for chunk in chunks(request, MAX_BODY_BYTES, BODY_S)])
        # An unknown gateway or token takes the same path as a known one, so that timing reveals nothing about tokens.
        known = gateway in DIALECTS and _TOKEN.fullmatch(token) is not None
        try:
            sent_to = await asyncio.to_thread(_addressee, database, gateway, token)
            if known and sent_to is not None:
                callback = Callback({name.lower(): value for name, value in request.headers.items()}, body)
                if (why := await proofs.forgery(sent_to[0], callback)) is not None:
                    log.warning("callback.refused gateway=%s account=%s %s", gateway, sent_to[0], why)
                    return answer(CallbackRefused(error=f"not accepted: {why}"), 403)
            task_id = _named(gateway, body, sent_to) if known else None
            unfinished = known and DIALECTS[gateway].callback_is_unfinished(body)
            job_id = await asyncio.to_thread(_hint, database, gateway, token, task_id, unfinished)
        except (DatabaseUnavailable, KeysUnavailable) as exc:
            if isinstance(exc, KeysUnavailable):
                log.warning("callback.not_verified gateway=%s %s", gateway, exc)
            refused = CallbackRefused(error="temporarily unavailable; retry later")
            return answer(refused, 503, {"Retry-After": "5"})
        if job_id is None or not known:
            return answer(CallbackRefused(error="not found"), 404)
        return answer(CallbackReceived(received=True))

    return router


def _named(gateway: str, body: bytes, sent_to: tuple[str, str] | None) -> str | None:
    """The task that a callback names, by the id under which it is stored; None if it names none that can be."""
    named = DIALECTS[gateway].read_callback(body)
    if named and sent_to is not None:
        named = DIALECTS[gateway].task_handle(named, sent_to[1])
    return named if 0 < len(named) <= MAX_TASK_ID_CHARS and named.isprintable() else None


def _addressee(database: Database, gateway: str, token: str) -> tuple[str, str] | None:
    with database.begin() as conn:
        return callbacks.addressee(conn, gateway, token)


def _hint(database: Database, gateway: str, token: str, task_id: str | None, unfinished: bool) -> object:
    with database.begin() as conn:
        return callbacks.hint(conn, gateway, token, task_id, unfinished=unfinished)
