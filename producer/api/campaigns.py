"""`/v1/campaigns`: named sets of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, BinaryIO

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.batch import BODY, count_rows, notes_on_known, summary
from producer.api.openapi import JsonLines, also, json_body, problems, rows_body
from producer.api.parameters import Cursor
from producer.api.request_bodies import MAX_BUDGET_CHARS, CampaignChange, CampaignRows, CancelBody
from producer.api.resources.campaigns import (
    CampaignPage,
    CampaignResource,
    CancelledCampaign,
    CheckedCampaign,
    CurrencyEstimate,
    StoredCampaign,
    as_campaign,
    campaign_path,
)
from producer.api.resources.jobs import as_resource, shortened
from producer.api.resources.plans import EditedRows
from producer.api.row_options import CampaignOptions
from producer.api.run_options import RunOptions, RunParameters
from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.files import MAX_NAME_CHARS, MAX_ROWS, check_name, read_rows
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.status import (
    campaign_page,
    campaign_status,
    cancel_campaign,
    change_campaign,
    pause_campaign,
)
from producer.campaigns.storing import edited_rows
from producer.client import Producer
from producer.http import bodies
from producer.http.answers import answer
from producer.http.bodies import RowFormat, row_format, spooled
from producer.http.doors.auth import principal_of
from producer.http.paging import cursor_id
from producer.http.service import Service
from producer.intake.intake import Batch, prepare
from producer.intake.proofs import as_proofs
from producer.intake.start import Start, same_way
from producer.intake.terms import Terms, check_priced, read_terms
from storage.bucket.requests import MAX_LINK_S
from storage.campaigns import controls
from storage.campaigns.controls import MAX_WEIGHT
from storage.campaigns.sheets import SheetSource
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.states import JobState

_PAGE = 500

Name = Annotated[
    str,
    Query(
        description="The campaign. Rows added later under the same name join it.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_CHARS},
    ),
]
BudgetText = Annotated[
    str | None,
    Query(max_length=MAX_BUDGET_CHARS, description='What the campaign may spend, such as "100 CNY"; "none": no limit.'),
]
Weight = Annotated[
    int | None,
    Query(ge=1, le=MAX_WEIGHT, description="Its share of the slots, relative to the tenant's other campaigns."),
]
LinkSeconds = Annotated[int, Query(ge=60, le=MAX_LINK_S, description="How long the links to the videos work.")]


def campaign_routes(service: Service) -> APIRouter:
    """The routes of campaigns."""
    router = APIRouter(tags=["campaigns"])
    _create_route(router, service)
    _look_routes(router, service)
    _decide_routes(router, service)
    _name_route(router, service)
    return router


def _create_route(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/campaigns",
        status_code=202,
        response_model=StoredCampaign,
        response_description="Every row is stored.",
        responses=also(200, "A dry run: nothing is stored.", model=CheckedCampaign) | problems(413, 415, 422, 429, 503),
        openapi_extra=rows_body(CampaignRows),
    )
    async def create(
        request: Request,
        name: Name,
        options: CampaignOptions,
        run: RunOptions,
        dry_run: Annotated[bool, Query(description="Check every row and estimate the cost; store nothing.")] = False,
        budget: BudgetText = None,
        weight: Weight = None,
        first: Annotated[
            int | None,
            Query(ge=1, le=MAX_ROWS, description="Submit only this number of rows; the rest waits for a resume."),
        ] = None,
        paused: Annotated[bool, Query(description="Store everything; submit nothing before a resume.")] = False,
    ) -> Response:
        """Store one job per row under a name, all or none. Rows without an `idempotency_key` get one, so the same rows
        again are the same jobs."""
        check_name(name)
        terms = replace(read_terms(budget, weight), pace=run.pace)
        kind = row_format(request, options)
        producer = service.producer_for(request)
        async with spooled(request, service.uploads) as file:
            if dry_run:
                return answer(await service.run_batch(lambda: _check(producer, name, file, kind, terms, run)))
            await service.run_batch(lambda: count_rows(service, request, file, kind))
            start = Start(paused, first)
            stored = await service.run_batch(lambda: _store(producer, name, file, kind, terms, start, run))
        return answer(stored, 202, {"Location": campaign_path(name)})


def _look_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/campaigns",
        response_model=CampaignPage,
        response_description="One page of campaigns.",
        responses=problems(422, 503),
    )
    async def list_campaigns(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100, description="Campaigns per page.")] = 20,
        cursor: Cursor = None,
    ) -> Response:
        """List campaigns, newest first, with their jobs by state and their costs."""
        before, tenant = cursor_id(cursor), principal_of(request).tenant
        found = await service.read(lambda conn: campaign_page(conn, tenant, before, limit + 1))
        page = found[:limit]
        following = page[-1].id.hex if len(found) > limit else None
        return answer(CampaignPage(data=[as_campaign(item) for item in page], next_cursor=following))

    @router.get(
        "/v1/campaigns/{name:path}/manifest",
        response_class=JsonLines,
        response_description="One job per line.",
        responses=problems(404, 422, 503),
    )
    async def manifest(request: Request, name: str, link_seconds: LinkSeconds = 86400) -> Response:
        """Return every job of a campaign as JSONL, in the order of the rows. Jobs that have succeeded have a
        `video_url`, which works for `link_seconds`. If you cannot reach the bucket, it leads through this API and
        needs your key."""
        tenant = principal_of(request).tenant
        await service.read(lambda conn: campaign_status(conn, tenant, name))
        if await service.reach.links_work(request):

            def url_of(job: JobView) -> str:
                return service.objects.link(job.object_key or "", link_seconds)
        else:
            base = (service.settings.public_url or str(request.base_url)).rstrip("/")

            def url_of(job: JobView) -> str:
                return f"{base}/v1/jobs/{job.id}/video?proxy=1"

        return JsonLines(_manifest(service, tenant, name, url_of), headers={"Cache-Control": "no-store"})


def _decide_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/campaigns/{name:path}/cancel",
        response_model=CancelledCampaign,
        response_description="What happened to the jobs.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(CancelBody, required=False),
    )
    async def cancel(request: Request, name: str) -> Response:
        """Cancel every job of a campaign that is not terminal, each as `POST /v1/jobs/{job_id}/cancel` does."""
        options = await bodies.json_body(request, CancelBody, empty=True)
        tenant, database = principal_of(request).tenant, service.producer.database
        done = await service.run_batch(lambda: cancel_campaign(database, tenant, name, discard=options.discard))
        status = await service.read(lambda conn: campaign_status(conn, tenant, name))
        return answer(
            CancelledCampaign(
                cancelled=done.cancelled, asked=done.asked, refused=done.refused, campaign=as_campaign(status)
            )
        )

    @router.patch(
        "/v1/campaigns/{name:path}",
        response_model=CampaignResource,
        response_description="The campaign.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(CampaignChange),
    )
    async def change(request: Request, name: str) -> Response:
        """Change the budget and the weight of a campaign."""
        terms = (await bodies.json_body(request, CampaignChange)).terms()
        tenant = principal_of(request).tenant
        return answer(as_campaign(await service.read(lambda conn: change_campaign(conn, tenant, name, terms))))

    @router.post(
        "/v1/campaigns/{name:path}/pause",
        response_model=CampaignResource,
        response_description="The campaign.",
        responses=problems(404, 422, 503),
    )
    async def pause(request: Request, name: str) -> Response:
        """Stop submitting jobs of a campaign. Submitted jobs continue: they are billed in any case."""
        tenant = principal_of(request).tenant
        return answer(as_campaign(await service.read(lambda conn: pause_campaign(conn, tenant, name))))

    @router.post(
        "/v1/campaigns/{name:path}/resume",
        response_model=CampaignResource,
        response_description="The campaign.",
        responses=problems(404, 422, 503),
    )
    async def resume(request: Request, name: str) -> Response:
        """Continue a paused campaign."""
        tenant = principal_of(request).tenant
        return answer(as_campaign(await service.read(lambda conn: pause_campaign(conn, tenant, name, paused=False))))


def _name_route(router: APIRouter, service: Service) -> None:
    # Last, because a name may contain slashes.
    @router.get(
        "/v1/campaigns/{name:path}",
        response_model=CampaignResource,
        response_description="The campaign.",
        responses=problems(404, 422, 503),
    )
    async def get_campaign(request: Request, name: str) -> Response:
        """Return one campaign: its jobs by state, and its costs."""
        tenant = principal_of(request).tenant
        return answer(as_campaign(await service.read(lambda conn: campaign_status(conn, tenant, name))))


def _check(
    producer: Producer, name: str, file: BinaryIO, kind: RowFormat, terms: Terms, run: RunParameters
) -> CheckedCampaign:
    options, run = remembered_options(producer, name, kind), remembered_run(producer, name, run)
    batch, report = _prepared(producer, file, kind, terms, options, run)
    notes = [*report.notes, *notes_on_duplicates(batch.jobs)]
    estimates, unpriced = _estimated(batch)
    return CheckedCampaign(
        campaign=name, rows=len(batch.jobs), dry_run=True, notes=notes, estimates=estimates, without_price=unpriced
    )


def _store(
    producer: Producer, name: str, file: BinaryIO, kind: RowFormat, terms: Terms, start: Start, run: RunParameters
) -> StoredCampaign:
    options, run = remembered_options(producer, name, kind), remembered_run(producer, name, run)
    batch, report = _prepared(producer, file, kind, terms, options, run)
    notes = [*report.notes, *notes_on_duplicates(batch.jobs)]
    sheet = SheetSource(f"{BODY}.{kind.kind}", report.header, report.sheet)
    start = replace(start, reading=options.to_remember(), sheet=sheet, proof=run.proof)
    stored = producer.store(batch, campaign=name, terms=terms, start=start)
    estimates, unpriced = _estimated(batch)
    return StoredCampaign(
        campaign=name,
        **summary(stored),
        notes=[*notes, *notes_on_known(stored)],
        ids=[item.id for item in stored],
        edited=EditedRows(**edited_rows(batch.jobs, stored)),
        estimates=estimates,
        without_price=unpriced,
    )


def remembered_options(producer: Producer, name: str | None, kind: RowFormat) -> ReadingOptions:
    """The client's options, with what the campaign remembers about its columns."""
    if name is None:
        return kind.options
    with producer.database.begin() as conn:
        return kind.options.remembering(controls.reading_of(conn, producer.tenant, name))


def remembered_run(producer: Producer, name: str | None, run: RunParameters) -> RunParameters:
    """The client's parameters; a campaign that makes proofs goes on with them.

    Raises:
        InvalidInput: proofs are wanted, and the campaign has rows that were made without.
    """
    if name is None:
        return run
    with producer.database.begin() as conn:
        return replace(run, proof=same_way(name, controls.proof_of(conn, producer.tenant, name), run.proof))


def _prepared(
    producer: Producer, file: BinaryIO, kind: RowFormat, terms: Terms, options: ReadingOptions, run: RunParameters
) -> tuple[Batch, Report]:
    """The jobs of a body, and how it was read."""
    rows = read_rows(BODY, file, kind.kind, options)
    batch = prepare(producer.with_drafts(run.defaults.fill(rows)), producer.settings, None)
    if run.proof:
        batch = replace(batch, jobs=list(as_proofs(batch.jobs, producer.settings, batch.files.facts)))
    if terms.budget is not None:
        check_priced(batch.jobs, terms.budget)
    return batch, rows.report


def _estimated(batch: Batch) -> tuple[list[CurrencyEstimate], int]:
    """What a batch will cost, by currency, and how many of its jobs have no known price."""
    sums: dict[str, list[Mapping[str, Any]]] = {}
    for job in batch.jobs:
        if job.estimate is not None:
            sums.setdefault(job.estimate["currency"], []).append(job.estimate)
    estimates = [
        CurrencyEstimate(
            currency=currency,
            jobs=len(costs),
            low=round(sum(cost["low"] for cost in costs), 4),
            high=round(sum(cost["high"] for cost in costs), 4),
            by_list_price=sum(cost["basis"] == "list" for cost in costs),
        )
        for currency, costs in sorted(sums.items())
    ]
    return estimates, sum(job.estimate is None for job in batch.jobs)


def _manifest(service: Service, tenant: str, name: str, url_of: Callable[[JobView], str]) -> Iterator[bytes]:
    """One line per job; Starlette asks for each piece in a thread. `url_of`: the URL of the video of a job."""
    last = None
    while True:
        with service.producer.database.begin() as conn:
            page = queries.jobs_in_order(conn, queries.JobFilter(tenant, campaign=name), after=last, limit=_PAGE)
        if not page:
            return
        last = page[-1].id
        lines = []
        for job in page:
            there = job.state is JobState.SUCCEEDED and job.object_key is not None
            link = url_of(job) if there else None
            lines.append(
                orjson.dumps(shortened(as_resource(job)))[:-1] + b',"video_url":' + orjson.dumps(link) + b"}\n"
            )
        yield b"".join(lines)
