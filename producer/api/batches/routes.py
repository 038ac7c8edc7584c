"""`/v1/batches`: OpenAI's batches, with `/v1/videos` as their endpoint. docs/openai.md is the guide."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.batches.resources import BatchPage, BatchResource, NewBatch, as_batch, not_found, page_of, read_id
from producer.api.batches.runner import BatchRunner
from producer.api.openapi.document import json_body, problems
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.problems import ApiProblem
from producer.http.service import Service
from seedance.problems import InvalidInput, Problem
from storage.batches import batches, files
from storage.batches.batches import Batch
from storage.database import Connection

MAX_PAGE = 100
MAX_WINDOW_S = 30 * 86_400
_UNITS = {"h": 3_600, "d": 86_400}


def batch_api_routes(service: Service, runner: BatchRunner) -> APIRouter:
    """The routes of OpenAI's `batches`."""
    router = APIRouter(tags=["batches"])

    @router.post(
        "/v1/batches",
        response_model=BatchResource,
        response_description="The batch is stored; its requests become jobs part by part.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(NewBatch),
    )
    async def create(request: Request) -> Response:
        """Create a batch of an uploaded file."""
        principal = principal_of(request)
        asked = await bodies.json_body(request, NewBatch)
        file_id = read_id(asked.input_file_id, "file-", "file")
        window_s = int(asked.completion_window[:-1]) * _UNITS[asked.completion_window[-1]]
        if window_s > MAX_WINDOW_S:
            raise InvalidInput([Problem("completion_window", "must be at most 30d")])

        def store(conn: Connection) -> Batch:
            if files.get_file(conn, principal.tenant, file_id) is None:
                raise not_found("file", asked.input_file_id)
            return batches.add_batch(conn, principal.tenant, principal.actor, file_id, window_s, asked.metadata)

        made = await service.read(store)
        runner.ring()
        return answer(as_batch(made))

    @router.get(
        "/v1/batches",
        response_model=BatchPage,
        response_description="One page of batches.",
        responses=problems(404, 422, 503),
    )
    async def list_batches(
        request: Request,
        after: Annotated[str | None, Query(description="`last_id` of the previous page.", max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Batches per page.")] = 20,
    ) -> Response:
        """List the tenant's batches, newest first."""
        tenant = principal_of(request).tenant
        last = None if after is None else read_id(after, "batch_", "batch")
        found = await service.read(lambda conn: batches.list_batches(conn, tenant, after=last, limit=limit + 1))
        return answer(BatchPage(**page_of([as_batch(item) for item in found], limit)))

    _one_batch_routes(router, service, runner)
    return router


def _one_batch_routes(router: APIRouter, service: Service, runner: BatchRunner) -> None:
    @router.get(
        "/v1/batches/{batch_id}",
        response_model=BatchResource,
        response_description="The batch.",
        responses=problems(404, 422, 503),
    )
    async def get(request: Request, batch_id: str) -> Response:
        """Return one batch."""
        tenant = principal_of(request).tenant
        wanted = read_id(batch_id, "batch_", "batch")
        return answer(as_batch(await service.read(lambda conn: _find(conn, tenant, wanted))))

    @router.post(
        "/v1/batches/{batch_id}/cancel",
        response_model=BatchResource,
        response_description="The batch is being cancelled.",
        responses=problems(404, 409, 422, 503),
    )
    async def cancel(request: Request, batch_id: str) -> Response:
        """Store no more requests of a batch, and cancel its jobs that are free to cancel. Others run to their end."""
        tenant = principal_of(request).tenant
        wanted = read_id(batch_id, "batch_", "batch")

        def stop(conn: Connection) -> Batch:
            found = _find(conn, tenant, wanted)
            if not batches.cancel_batch(conn, wanted) and found.state not in ("cancelling", "cancelled"):
                detail = f"the batch is {found.state} and cannot be cancelled"
                raise ApiProblem(409, "not_possible", detail, headers={"x-should-retry": "false"})
            return _find(conn, tenant, wanted)

        found = await service.read(stop)
        runner.ring()
        return answer(as_batch(found))


def _find(conn: Connection, tenant: str, batch_id: UUID) -> Batch:
    found = batches.get_batch(conn, tenant, batch_id)
    if found is None:
        raise not_found("batch", f"batch_{batch_id.hex}")
    return found
