"""`/v1/campaigns/plan`: check a sheet, and show what a run would cost and take."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.campaign_rows.forms import Asked, PlanForm
from producer.api.campaign_rows.uploads import Upload, uploaded
from producer.api.campaigns.routes import FETCH_S, remembered_options, remembered_proof
from producer.api.openapi.document import problems, rows_body
from producer.api.request_bodies import MAX_BUDGET_CHARS, CampaignRows
from producer.api.resources.plans import PlanResource
from producer.api.row_options import CampaignOptions
from producer.api.run_options import RunOptions
from producer.campaigns.files import read_rows
from producer.campaigns.names import MAX_NAME_CHARS, check_name
from producer.campaigns.planning.checking import Checked, check_campaign
from producer.campaigns.planning.plan import make_plan, read_stored
from producer.campaigns.reading.report import Report
from producer.client import Producer
from producer.http.answers import answer
from producer.http.service import Service
from producer.intake.terms import read_terms

PlanName = Annotated[
    str | None,
    Query(
        description="The campaign that the rows are for: its known rows cost nothing again.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_CHARS},
    ),
]
Fetch = Annotated[bool, Query(description="Fetch the media that rows name by URL, each file once.")]


def plan_routes(service: Service) -> APIRouter:
    """The route of plans."""
    router = APIRouter(tags=["campaigns"])

    @router.post(
        "/v1/campaigns/plan",
        response_model=PlanResource,
        response_description="The plan. Bad rows are in it; they are no error of the request.",
        responses=problems(413, 415, 422, 429, 503),
        openapi_extra=rows_body(CampaignRows, PlanForm),
    )
    async def plan(
        request: Request,
        options: CampaignOptions,
        run: RunOptions,
        name: PlanName = None,
        budget: Annotated[
            str | None, Query(max_length=MAX_BUDGET_CHARS, description='What it may spend, such as "100 CNY".')
        ] = None,
        fetch: Fetch = False,
    ) -> Response:
        """Check every row of a body, and show what a run would cost and take. Nothing is stored or sent."""
        if name is not None:
            check_name(name)
        by_query = Asked(
            name,
            options,
            replace(read_terms(budget), pace=run.pace),
            fetch=fetch,
            defaults=run.defaults,
            proof=run.proof,
        )
        producer = service.producer_for(request)
        async with uploaded(request, service, by_query, PlanForm) as upload:
            return answer(await service.run_batch(lambda: _plan(producer, upload)))

    return router


def _plan(producer: Producer, upload: Upload) -> dict[str, Any]:
    settings, asked = producer.settings, upload.asked
    checked, report, proof = checked_upload(producer, upload)
    with producer.database.begin() as conn:
        stored = read_stored(conn, settings, producer.tenant, asked.name, checked)
    plan = make_plan(checked, report, settings, name=asked.name, terms=asked.terms, stored=stored, proof=proof)
    return plan.as_dict()


def checked_upload(producer: Producer, upload: Upload) -> tuple[Checked, Report, bool]:
    """Check every row of a sheet. Also returns how it was read, and whether its jobs are proofs.

    Raises:
        InvalidInput: no account can be used, or the sheet as a whole cannot be read.
    """
    asked = upload.asked
    proof = remembered_proof(producer, asked)
    rows = read_rows(upload.name, upload.file, upload.format.kind, remembered_options(producer, asked))
    found = producer.with_drafts(asked.defaults.fill(rows))
    checked = check_campaign(found, producer.settings, None, fetch=asked.fetch, fetch_within_s=FETCH_S, proof=proof)
    return checked, rows.report, proof
