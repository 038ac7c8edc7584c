"""Reading request bodies, with limits on their size and on the time they may take."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from producer.campaigns.files import parse_object
from producer.http.problems import ApiProblem
from seedance.problems import InvalidInput
from seedance.request import problems_of

M = TypeVar("M", bound=BaseModel)

MAX_JOB_BYTES = 2**20
MAX_BATCH_BYTES = 64 * 2**20
PAUSE_S = 30.0
"""A body that pauses for this long is refused."""
BODY_S = 60.0
BATCH_S = 600.0
_IN_MEMORY_BYTES = 2**20

RowFormat = Literal["jsonl", "csv"]
_FORMATS: Mapping[str, RowFormat] = {
    "": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/json-lines": "jsonl",
    "application/octet-stream": "jsonl",
    "text/plain": "jsonl",
    "text/csv": "csv",
    "application/csv": "csv",
}


async def chunks(request: Request, limit: int, whole_s: float) -> AsyncIterator[bytes]:
    """A body, piece by piece.

    Raises:
        ApiProblem: it is larger than the limit, or arrives too slowly.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    loop = asyncio.get_running_loop()
    give_up = loop.time() + whole_s
    stream = aiter(request.stream())
    total = 0
    while True:
        try:
            async with asyncio.timeout_at(min(loop.time() + PAUSE_S, give_up)):
                chunk = await anext(stream, None)
        except ClientDisconnect:
            raise ApiProblem(400, "body_incomplete", "the connection was closed before the body was complete") from None
        except TimeoutError:
            raise ApiProblem(408, "body_too_slow", "the body arrived too slowly", headers=CLOSE) from None
        if chunk is None:
            return
        total += len(chunk)
        if total > limit:
            raise _too_large(limit)
        yield chunk


CLOSE = {"Connection": "close"}


def _too_large(limit: int) -> ApiProblem:
    size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} bytes"
    return ApiProblem(
        413,
        "body_too_large",
        f"the body is larger than {size}",
        advice="Send large media as URLs; send many jobs in several requests.",
        headers=CLOSE,
    )


def media_type(request: Request) -> str:
    """The content type without its parameters, "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_object(request: Request, *, empty: bool = False) -> dict[str, Any]:
    """The body as one JSON object, read as strictly as a line of a campaign file. `empty`: no body counts as `{}`.

    Raises:
        ApiProblem: it is not a JSON object, or too large.
    """
    body = bytearray()
    async for chunk in chunks(request, MAX_JOB_BYTES, BODY_S):
        body += chunk
    if empty and not body.strip():
        return {}
    kind = media_type(request)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise ApiProblem(
            415, "unsupported_media_type", f"the body must be application/json, not {kind}", advice="Set Content-Type."
        )
    try:
        return parse_object(bytes(body).decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise _broken(f"is not UTF-8 text (byte {exc.start + 1})") from exc
    except ValueError as exc:
        raise _broken(str(exc)) from exc


async def json_body(request: Request, model: type[M], *, empty: bool = False) -> M:
    """The body as a model. `empty`: as `json_object`.

    Raises:
        ApiProblem: as `json_object`.
        InvalidInput: a member is unknown, missing, or not what the model says.
    """
    try:
        return model.model_validate(await json_object(request, empty=empty))
    except ValidationError as exc:
        raise InvalidInput(problems_of(exc)) from exc


def _broken(problem: str) -> ApiProblem:
    return ApiProblem(400, "invalid_json", f"the body {problem}", advice="Send one JSON object in UTF-8.")


def row_format(request: Request) -> RowFormat:
    """Whether a body of many jobs is JSONL or CSV, by its content type.

    Raises:
        ApiProblem: it is neither.
    """
    kind = media_type(request)
    if kind not in _FORMATS:
        raise ApiProblem(
            415,
            "unsupported_media_type",
            f"the body must be application/x-ndjson (one JSON object per line) or text/csv, not {kind}",
            advice="Set Content-Type.",
        )
    return _FORMATS[kind]


@asynccontextmanager
async def spooled(request: Request) -> AsyncIterator[BinaryIO]:
    """A large body as a file, on disk if it is larger than 1 MiB.

    Raises:
        ApiProblem: it is too large or arrives too slowly.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        async for chunk in chunks(request, MAX_BATCH_BYTES, BATCH_S):
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        yield file  # type: ignore[misc] # it is a binary file in all but name
