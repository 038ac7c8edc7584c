"""Reading request bodies, with limits on their size and on the time they may take."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.options import NO_OPTIONS, ReadingOptions
from producer.http.decompression import CLOSE, unpacker
from producer.http.problems import ApiProblem
from producer.http.sharing.places import Places
from seedance.problems import InvalidInput
from seedance.request import problems_of

M = TypeVar("M", bound=BaseModel)

MAX_JOB_BYTES = 2**20
MAX_BATCH_BYTES = 64 * 2**20
PAUSE_S = 15.0
"""How long a body may stay below `MIN_BYTES_PER_S`, also by a pause; a slower one is refused, and its place is free."""
MIN_BYTES_PER_S = 4096.0
BODY_S = 60.0
BATCH_S = 600.0
_IN_MEMORY_BYTES = 2**20
_CHARSET = re.compile(r";\s*charset=\"?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """The format of a body of many jobs, named as a file's suffix, and the client's options for reading it."""

    kind: str
    options: ReadingOptions = NO_OPTIONS


_FORMATS: Mapping[str, str] = {
    "": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/json-lines": "jsonl",
    "application/json": "json",
    "application/octet-stream": "jsonl",
    "text/plain": "jsonl",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.ms-excel": "xls",  # browsers on Windows also call CSV that
}


async def chunks(request: Request, limit: int, whole_s: float) -> AsyncIterator[bytes]:
    """A body, piece by piece.

    Raises:
        ApiProblem: it is larger than the limit (also once it is decompressed), arrives too slowly, or is compressed in
            a way that is not known.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    unpack = unpacker(request.headers.get("content-encoding", ""))
    loop = asyncio.get_running_loop()
    give_up = loop.time() + whole_s
    stream = aiter(request.stream())
    received = total = 0
    patience_s = PAUSE_S  # only waiting for the client takes from it, not our own work
    while True:
        waits_from = loop.time()
        try:
            async with asyncio.timeout_at(min(waits_from + patience_s, give_up)):
                chunk = await anext(stream, None)
        except ClientDisconnect:
            raise ApiProblem(400, "body_incomplete", "the connection was closed before the body was complete") from None
        except TimeoutError:
            raise ApiProblem(408, "body_too_slow", "the body arrived too slowly", headers=CLOSE) from None
        if chunk is None:
            unpack.end()
            return
        patience_s = min(PAUSE_S, patience_s - (loop.time() - waits_from) + len(chunk) / MIN_BYTES_PER_S)
        received += len(chunk)  # gzip may stand for nothing
        if received > limit:
            raise _too_large(limit)
        for piece in unpack.pieces(chunk):
            total += len(piece)
            if total > limit:
                raise _too_large(limit)
            yield piece


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


def row_format(request: Request, options: ReadingOptions = NO_OPTIONS) -> RowFormat:
    """The format of a body of many jobs, from its content type. If the options name no encoding, a `charset` does,
    except UTF-8, which many programs add to any body.

    Raises:
        ApiProblem: its type is not one of rows.
    """
    kind = media_type(request)
    if kind not in _FORMATS:
        raise ApiProblem(
            415,
            "unsupported_media_type",
            "the body must be application/x-ndjson (one JSON object per line), application/json (an array of objects), "
            "text/csv or a workbook "
            f"(XLSX, XLS, ODS), not {kind}",
            advice="Set Content-Type.",
        )
    charset = _CHARSET.search(request.headers.get("content-type", ""))
    if options.encoding is None and charset is not None and charset[1].lower() not in {"utf-8", "utf8"}:
        options = replace(options, encoding=charset[1])
    return RowFormat(_FORMATS[kind], options)


@asynccontextmanager
async def spooled(request: Request, uploads: Places) -> AsyncIterator[BinaryIO]:
    """A large body as a file, on disk if it is larger than 1 MiB; then it takes a place among `uploads`.

    Raises:
        ApiProblem: it is too large or arrives too slowly, or there is no place for it.
    """
    place: str | None = None
    size = 0
    try:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            async for chunk in chunks(request, MAX_BATCH_BYTES, BATCH_S):
                size += len(chunk)
                if size > _IN_MEMORY_BYTES and place is None:
                    place = uploads.take()
                await asyncio.to_thread(file.write, chunk)
            file.seek(0)
            yield file  # type: ignore[misc] # it is a binary file in all but name
    finally:
        if place is not None:
            uploads.give_back(place)
