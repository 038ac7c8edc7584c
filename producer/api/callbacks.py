"""Where gateways call back: each call is a hint that a task is worth asking about, never believed by itself."""

from __future__ import annotations

import asyncio
import re

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from producer.api import documents as docs
from producer.http.bodies import BODY_S, chunks
from seedance.gateways.registry import DIALECTS
from storage.database import Database, DatabaseUnavailable
from storage.jobs import attempts

MAX_BODY_BYTES = 256 * 1024
MAX_TASK_ID_CHARS = 200
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def callback_routes(database: Database) -> APIRouter:
    """The route `POST /callbacks/{gateway}/{token}`.

    200: thanks, the job is looked at now (of a job that has ended, nothing comes). 404: no attempt has that
    token at that gateway. 413: more than any gateway sends. 408: it comes too slowly. 503: come again.
    """
    router = APIRouter()

    @router.post("/callbacks/{gateway}/{token}", **docs.CALLBACK)
    async def receive(gateway: str, token: str, request: Request) -> JSONResponse:
        body = b"".join([chunk async for chunk in chunks(request, MAX_BODY_BYTES, BODY_S)])
        # An unknown gateway or token takes the same way as a known one, so that time tells nothing about tokens.
        known = gateway in DIALECTS and _TOKEN.fullmatch(token) is not None
        task_id = DIALECTS[gateway].read_callback(body) if known else ""
        unfinished = known and DIALECTS[gateway].callback_is_unfinished(body)
        believable = task_id if 0 < len(task_id) <= MAX_TASK_ID_CHARS and task_id.isprintable() else None
        try:
            job_id = await asyncio.to_thread(_hint, database, gateway, token, believable, unfinished)
        except DatabaseUnavailable:
            return JSONResponse({"error": "try again later"}, 503, {"Retry-After": "5"})
        if job_id is None or not known:
            return JSONResponse({"error": "not found"}, 404)
        return JSONResponse({"received": True})

    return router


def _hint(database: Database, gateway: str, token: str, task_id: str | None, unfinished: bool) -> object:
    with database.begin() as conn:
        return attempts.hint(conn, gateway, token, task_id, unfinished=unfinished)
