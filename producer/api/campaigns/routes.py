"""`/v1/campaigns`: named sets of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.batch import BODY, count_rows, notes_on_known
from producer.api.campaign_rows.forms import Asked, CampaignForm
from producer.api.campaign_rows.uploads import Upload, uploaded
from producer.api.openapi.document import JsonLines, also, json_body, problems, rows_body
from producer.api.parameters import Cursor
from producer.api.request_bodies import MAX_BUDGET_CHARS, CampaignChange, CampaignRows
from producer.api.resources.campaigns import (
    CampaignPage,
    CampaignResource,
    CheckedCampaign,
    CurrencyEstimate,
    RowLeftBehind,
    StoredCampaign,
    as_campaign,
    campaign_path,
)
from producer.api.resources.jobs import as_resource, shortened
from producer.api.resources.plans import BadCell, EditedRows, ProofKinds
from producer.api.row_options import CampaignOptions
from producer.api.run_options import RunOptions
from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.files import MAX_ROWS, read_rows
from producer.campaigns.names import MAX_NAME_CHARS, check_name
from producer.campaigns.planning.checking import Checked, bad_cells, check_campaign
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.run_report import run_report
from producer.campaigns.status import (
    campaign_page,
    campaign_status,
    change_campaign,
    pause_campaign,
)
from producer.campaigns.storing import source_of
from producer.client import Producer
from producer.errors import InvalidRows
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.paging import cursor_id
from producer.http.service import Service
from producer.intake.intake import MAX_BAD_ROWS, Batch, prepare
from producer.intake.proofs import as_proofs
from producer.intake.start import Start, same_way
from producer.intake.terms import check_priced, read_terms
from seedance.problems import InvalidInput, Problem
from storage.addresses.mail import MAX_ADDRESS_CHARS
from storage.bucket.requests import MAX_LINK_S
from storage.campaigns import controls
from storage.campaigns.controls import MAX_WEIGHT
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.webhooks.recipients import MAX_RECIPIENTS

_PAGE = 500
FETCH_S = 300.0
"""How long one request may fetch media: it keeps a thread."""

Name = Annotated[
    str | None,
    Query(
        description="The campaign; needed, unless a form names it. Rows added later under the same name join it.",
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
Notify = Annotated[
    list[Annotated[str, Query(max_length=MAX_ADDRESS_CHARS)]] | None,
    Query(
        max_length=MAX_RECIPIENTS,
        description='Who gets mail about the campaign; "none": no one; "default": those whom the tenant names.',
    ),
]
LinkSeconds = Annotated[int, Query(ge=60, le=MAX_LINK_S, description="How long the links to the videos work.")]


def campaign_routes(service: Service) -> APIRouter:
    """The routes of campaigns."""
    router = APIRouter(tags=["campaigns"])
    _create_route(router, service)
    _look_routes(router, service)
    _change_routes(router, service)
    _name_route(router, service)
    return router


def _create_route(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/campaigns",
        status_code=202,
        response_model=StoredCampaign,
        response_description="Every row is stored.",
        responses=also(200, "A dry run: nothing is stored.", model=CheckedCampaign) | problems(413, 415, 422, 429, 503),
        openapi_extra=rows_body(CampaignRows, CampaignForm),
    )
    async def create(
        request: Request,
        options: CampaignOptions,
        run: RunOptions,
        name: Name = None,
        dry_run: Annotated[bool, Query(description="Check every row and estimate the cost; store nothing.")] = False,
        budget: BudgetText = None,
        weight: Weight = None,
        first: Annotated[
            int | None,
            Query(ge=1, le=MAX_ROWS, description="Submit only this number of rows; the rest waits for a resume."),
        ] = None,
        paused: Annotated[bool, Query(description="Store everything; submit nothing before a resume.")] = False,
        skip_bad: Annotated[bool, Query(description="Store the good rows although some are bad.")] = False,
        fetch: Annotated[
            bool, Query(description="Fetch the media that rows name by URL before anything else.")
        ] = False,
        notify: Notify = None,
    ) -> Response:
        """Store one job per row under a name, all or none. Rows without an `idempotency_key` get one, so the same rows
        again are the same jobs. The sheet is the body, or the part `file` of a form, whose other parts have the names
        of the query parameters."""
        if name is not None:
            check_name(name)
        terms = replace(read_terms(budget, weight, notify), pace=run.pace)
        by_query = Asked(name, options, terms, first, paused, skip_bad, fetch, dry_run, run.defaults, run.proof)
        producer = service.producer_for(request)
        async with uploaded(request, service, by_query, CampaignForm) as upload:
            named = upload.asked.named()
            if upload.asked.dry_run:
                return answer(await service.run_batch(lambda: _check(producer, upload)))
            await service.run_batch(lambda: count_rows(service, request, upload.file, upload.format))
            stored = await service.run_batch(lambda: _store(producer, upload))
        return answer(stored, 202, {"Location": campaign_path(named)})


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


def _change_routes(router: APIRouter, service: Service) -> None:
    @router.patch(
        "/v1/campaigns/{name:path}",
        response_model=CampaignResource,
        response_description="The campaign.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(CampaignChange),
    )
    async def change(request: Request, name: str) -> Response:
        """Change the budget and the weight of a campaign, and who gets mail about it."""
        terms = (await bodies.json_body(request, CampaignChange)).terms()
        tenant, settings = principal_of(request).tenant, service.settings
        changed = await service.read(lambda conn: change_campaign(conn, settings, tenant, name, terms))
        return answer(as_campaign(changed))

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


def _check(producer: Producer, upload: Upload) -> CheckedCampaign:
    asked = upload.asked
    options, proof = remembered_options(producer, asked), remembered_proof(producer, asked)
    checked, report = _checked(producer, upload, options, proof=proof)
    estimates, unpriced = _estimated(checked.batch())
    return CheckedCampaign(
        campaign=asked.named(),
        rows=len(checked.jobs),
        dry_run=True,
        notes=[*report.notes, *notes_on_duplicates(checked.jobs)],
        estimates=estimates,
        without_price=unpriced,
        skipped=[BadCell(**cell) for cell in bad_cells(checked.bad)],
    )


def _store(producer: Producer, upload: Upload) -> StoredCampaign:
    asked = upload.asked
    name, options, proof = asked.named(), remembered_options(producer, asked), remembered_proof(producer, asked)
    checked, report = _checked(producer, upload, options, proof=proof)
    if not checked.jobs:
        raise InvalidInput([Problem("", "no row is left to enqueue")], upload.name)
    notes = [*report.notes, *notes_on_duplicates(checked.jobs)]
    file = upload.name if upload.name != BODY else f"{BODY}.{upload.format.kind}"
    sheet = source_of(file, report)
    start = Start(asked.paused, asked.first, options.to_remember(), sheet, proof=proof)
    batch = checked.batch()
    stored = producer.store(batch, campaign=name, terms=asked.terms, start=start)
    estimates, unpriced = _estimated(batch)
    done = run_report(producer.database, producer.tenant, name, batch.jobs, stored, proof=proof)
    shown = {
        "edited": EditedRows(**done.pop("edited")),
        "proofs": None if done["proofs"] is None else ProofKinds(**done["proofs"]),
        "not_in_file": [RowLeftBehind(**row) for row in done.pop("not_in_file")],
    }
    return StoredCampaign(
        campaign=name,
        **done | shown,
        notes=[*notes, *notes_on_known(stored)],
        reading=notes,
        ids=[item.id for item in stored],
        estimates=estimates,
        without_price=unpriced,
        skipped=[BadCell(**cell) for cell in bad_cells(checked.bad)],
    )


def remembered_options(producer: Producer, asked: Asked) -> ReadingOptions:
    """The client's options, with what the campaign remembers about its columns."""
    if asked.name is None:
        return asked.options
    with producer.database.begin() as conn:
        return asked.options.remembering(controls.reading_of(conn, producer.tenant, asked.name))


def remembered_proof(producer: Producer, asked: Asked) -> bool:
    """Whether the rows are made as proofs first; a campaign that makes proofs goes on with them.

    Raises:
        InvalidInput: proofs are wanted, and the campaign has rows that were made without.
    """
    if asked.name is None:
        return asked.proof
    with producer.database.begin() as conn:
        return same_way(asked.name, controls.proof_of(conn, producer.tenant, asked.name), asked.proof)


def _checked(producer: Producer, upload: Upload, options: ReadingOptions, *, proof: bool) -> tuple[Checked, Report]:
    """The rows of a body, checked, and how it was read.

    Raises:
        InvalidInput: some rows are bad, and they are not to be skipped; or a budget has no price to count with.
    """
    asked = upload.asked
    rows = read_rows(upload.name, upload.file, upload.format.kind, options)
    found = producer.with_drafts(asked.defaults.fill(rows))
    if asked.skip_bad or asked.fetch:
        checked = check_campaign(found, producer.settings, None, fetch=asked.fetch, fetch_within_s=FETCH_S, proof=proof)
        if checked.bad and not asked.skip_bad:
            raise InvalidRows(checked.bad[:MAX_BAD_ROWS], more=len(checked.bad) > MAX_BAD_ROWS)
    else:  # reading ends after the first bad rows
        batch = prepare(found, producer.settings, None)
        jobs = as_proofs(batch.jobs, producer.settings, batch.files.facts) if proof else batch.jobs
        checked = Checked(list(jobs), [], batch.files, len(batch.jobs))
    if asked.terms.budget is not None:
        check_priced(checked.jobs, asked.terms.budget)
    return checked, rows.report


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
