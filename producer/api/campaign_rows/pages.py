"""`GET /v1/campaigns/{name}/rows`, one row with its versions, and the campaign by its rows."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.campaign_rows.resources import (
    CampaignOverview,
    CampaignRowDetail,
    RowPage,
    as_overview,
    as_row,
    as_row_detail,
)
from producer.api.openapi.document import problems
from producer.campaigns.decisions.choice import MAX_NUMBER, choose
from producer.campaigns.overview import overview_of
from producer.campaigns.results.results import Results
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.problems import ApiProblem
from producer.http.service import Service
from storage.campaigns.reviews import Review
from storage.campaigns.rows import Place, RowFilter
from storage.campaigns.versions import versions_of
from storage.jobs import queries
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState

MAX_PAGE = 500
MAX_KEYS = 50
"""They fit into the head of a request."""
_CURSOR = re.compile(r"([0-9]{1,10})-([0-9a-f]{32})")
_MAX_KEY_CHARS = 500

States = Annotated[list[JobState] | None, Query(alias="state", description="Only rows in these states.")]
Reviews = Annotated[
    list[Review] | None, Query(alias="review", max_length=len(Review), description="Only rows with these reviews.")
]
Reasons = Annotated[
    list[Reason] | None, Query(alias="reason", max_length=len(Reason), description="Only rows with these reasons.")
]
Keys = Annotated[
    list[Annotated[str, Query(max_length=_MAX_KEY_CHARS)]] | None,
    Query(alias="key", max_length=MAX_KEYS, description="Only rows with these values in the key column."),
]
Numbers = Annotated[
    str | None,
    Query(max_length=10_000, description='Only rows with these numbers, as a spreadsheet counts: "2-10,14".'),
]


def chosen_rows(
    states: list[JobState] | None = None,
    reviews: list[Review] | None = None,
    reasons: list[Reason] | None = None,
    keys: list[str] | None = None,
    numbers: str | None = None,
) -> RowFilter:
    """The filter that these parameters make.

    Raises:
        InvalidInput: `numbers` cannot be read.
    """
    choice = choose(rows=numbers, keys=keys or (), states=states or (), reviews=reviews or (), reasons=reasons or ())
    return RowFilter() if choice is None else choice.wanted


def row_routes(service: Service) -> APIRouter:
    """The routes that read rows."""
    router = APIRouter(tags=["campaigns"])

    @router.get(
        "/v1/campaigns/{name:path}/status",
        response_model=CampaignOverview,
        response_description="The campaign by its rows.",
        responses=problems(404, 422, 503),
    )
    async def status(request: Request, name: str) -> Response:
        """Return a campaign by its rows: states, reviews, what it waits for, reasons with advice in English and Chinese
        and the gateways' own words, budget and costs."""
        tenant = principal_of(request).tenant
        settings = await service.run(lambda: service.settings_for(tenant))
        found = await service.read(lambda conn: overview_of(conn, settings, tenant, name))
        return answer(as_overview(found))

    @router.get(
        "/v1/campaigns/{name:path}/rows",
        response_model=RowPage,
        response_description="One page of rows.",
        responses=problems(404, 422, 503),
    )
    async def rows(
        request: Request,
        name: str,
        states: States = None,
        reviews: Reviews = None,
        reasons: Reasons = None,
        keys: Keys = None,
        numbers: Numbers = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows per page.")] = 100,
        cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the previous page.")] = None,
    ) -> Response:
        """List the rows of a campaign in the order of the sheet, each with the job that stands for it. Several filters
        must all match."""
        wanted, after = chosen_rows(states, reviews, reasons, keys, numbers), _place(cursor)
        tenant, database = principal_of(request).tenant, service.producer.database

        def read() -> RowPage:
            results = Results(database, tenant, name, wanted)
            found, following = results.page(after, limit)
            return RowPage(
                data=[as_row(name, results.columns, item) for item in found],
                next_cursor=None if following is None else f"{following[0]}-{following[1].hex}",
            )

        return answer(await service.run(read))

    _one_row_route(router, service)
    return router


def _one_row_route(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/campaigns/{name:path}/rows/{row_id}",
        response_model=CampaignRowDetail,
        response_description="The row.",
        responses=problems(404, 422, 503),
    )
    async def row(request: Request, name: str, row_id: UUID) -> Response:
        """Return one row of a campaign with every job that was made for it."""
        tenant, database = principal_of(request).tenant, service.producer.database

        def read() -> CampaignRowDetail:
            results = Results(database, tenant, name, RowFilter(ids=[row_id]))
            found, _ = results.page(None, 1)
            if not found:
                advice = "`GET /v1/campaigns/{name}/rows` lists the rows."
                raise ApiProblem(404, "row_not_found", f"the campaign {name!r} has no row {row_id}", advice=advice)
            with database.begin() as conn:
                versions = versions_of(conn, row_id)
                jobs = queries.get_jobs(conn, tenant, [item.job_id for item in versions])
            return as_row_detail(name, results.columns, found[0], [(item, jobs.get(item.job_id)) for item in versions])

        return answer(await service.run(read))


def _place(cursor: str | None) -> Place | None:
    """Where a page begins.

    Raises:
        ApiProblem: it is not a valid cursor.
    """
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None or int(found[1]) > MAX_NUMBER:
        raise ApiProblem(422, "invalid_parameter", "cursor: must be the next_cursor of a page", param="cursor")
    return int(found[1]), UUID(found[2])
