"""The body of Ark's create call, which may hold whole pictures as base64."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request

from producer.campaigns.reading.json_objects import parse_object
from producer.http.bodies import BATCH_S, BODY_S, MAX_JOB_BYTES, chunks
from producer.http.problems import ApiProblem
from producer.http.service import Service

MAX_BYTES = 64 * 2**20
"""As at Ark."""


@asynccontextmanager
async def ark_body(request: Request, service: Service) -> AsyncIterator[dict[str, Any]]:
    """The body as a JSON object. One of more than 1 MiB takes a place among the uploads until the end.

    Raises:
        ApiProblem: it is not a JSON object, too large or too slow, or there is no room for it.
    """
    place: str | None = None
    declared = request.headers.get("content-length", "")
    small = declared.isdecimal() and int(declared) <= MAX_JOB_BYTES and "content-encoding" not in request.headers
    try:
        if not small:
            place = service.uploads.take()
        body = bytearray()
        async for chunk in chunks(request, MAX_BYTES, BODY_S if small else BATCH_S):
            body += chunk
        yield _parsed(body)
    finally:
        if place is not None:
            service.uploads.give_back(place)


def _parsed(body: bytearray) -> dict[str, Any]:
    try:
        return parse_object(body.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise ApiProblem(400, "invalid_json", f"the body is not UTF-8 text (byte {exc.start + 1})") from exc
    except ValueError as exc:
        raise ApiProblem(400, "invalid_json", f"the body {exc}") from exc
