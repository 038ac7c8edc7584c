"""`/v1/campaigns`: named sets of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from producer.api import documents as docs
from producer.api.batch import BODY, count_rows, summary
from producer.api.jobs import Cursor, boolean
from producer.campaigns.files import MAX_NAME_CHARS, check_name, read_rows
from producer.campaigns.status import (
    CampaignStatus,
    campaign_page,
    campaign_status,
    cancel_campaign,
    change_campaign,
    pause_campaign,
)
from producer.client import Producer
from producer.http.auth import principal_of
from producer.http.bodies import RowFormat, json_object, row_format, spooled
from producer.http.paging import cursor_id
from producer.http.problems import ApiProblem
from producer.http.resources import answer, as_resource, shortened
from producer.http.service import Service
from producer.intake.intake import Batch, prepare
from producer.intake.terms import Terms, check_priced, read_terms
from storage.bucket.objects import MAX_LINK_S
from storage.campaigns.controls import MAX_WEIGHT
from storage.jobs import queries
from storage.jobs.states import JobState

_PAGE = 500

Name = Annotated[
    str,
    Query(
        description="The campaign. The same name again adds only what is new.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_CHARS},
    ),
]
Budgeted = Annotated[
    str | None,
    Query(max_length=40, description='What the campaign may spend, as in "100 CNY"; "none": without limit.'),
]
Weight = Annotated[
    int | None, Query(ge=1, le=MAX_WEIGHT, description="Jobs it gets in its turn, where others of its tenant get one.")
]
LinkSeconds = Annotated[int, Query(ge=60, le=MAX_LINK_S, description="How long the links to the videos work.")]


def campaign_routes(service: Service) -> APIRouter:
    """The routes of campaigns."""
    router = APIRouter(tags=["campaigns"])

    @router.post("/v1/campaigns", status_code=202, **docs.CREATE_CAMPAIGN)
    async def create(
        request: Request,
        name: Name,
        dry_run: Annotated[bool, Query(description="Check every row and estimate the cost; store nothing.")] = False,
        budget: Budgeted = None,
        weight: Weight = None,
    ) -> Response:
        """Store one job for each row under a name, all or none. Rows without an `idempotency_key` get one, so that the
        same rows again are the same jobs."""
        check_name(name)
        terms = read_terms(budget, weight)
        kind = row_format(request)
        producer = service.producer_for(request)
        async with spooled(request) as file:
            if not dry_run:
                await service.run_batch(lambda: count_rows(service, request, file, kind))
            made = await service.run_batch(lambda: _create(producer, name, file, kind, terms, dry_run=dry_run))
        path = f"/v1/campaigns/{quote(name, safe='')}"
        return answer(made, 200, {}) if dry_run else answer(made, 202, {"Location": path})

    @router.get("/v1/campaigns", **docs.CAMPAIGNS)
    async def list_campaigns(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100, description="Campaigns a page.")] = 20,
        cursor: Cursor = None,
    ) -> Response:
        """Campaigns, the newest first, with counts and costs."""
        before, tenant = cursor_id(cursor), principal_of(request).tenant
        found = await service.read(lambda conn: campaign_page(conn, tenant, before, limit + 1))
        page = found[:limit]
        following = page[-1].id.hex if len(found) > limit else None
        return answer({"data": [_shown(item) for item in page], "next_cursor": following})

    @router.get("/v1/campaigns/{name:path}/manifest", **docs.MANIFEST)
    async def manifest(request: Request, name: str, link_seconds: LinkSeconds = 86400) -> Response:
        """Every job of a campaign as JSONL, in the order of the rows; those that succeeded with a `video_url` that
        works for `link_seconds`."""
        tenant = principal_of(request).tenant
        await service.read(lambda conn: campaign_status(conn, tenant, name))
        lines = _manifest(service, tenant, name, link_seconds)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})

    @router.post("/v1/campaigns/{name:path}/cancel", **docs.CANCEL_CAMPAIGN)
    async def cancel(request: Request, name: str) -> Response:
        """Give up every job of a campaign that is not terminal, each as `/v1/jobs/{id}/cancel` does."""
        options = await json_object(request, known=("discard",), empty=True)
        discard = boolean(options, "discard")
        tenant, database = principal_of(request).tenant, service.producer.database
        done = await service.run_batch(lambda: cancel_campaign(database, tenant, name, discard=discard))
        status = await service.read(lambda conn: campaign_status(conn, tenant, name))
        return answer(asdict(done) | {"campaign": _shown(status)})

    @router.patch("/v1/campaigns/{name:path}", **docs.CHANGE_CAMPAIGN)
    async def change(request: Request, name: str) -> Response:
        """Set what a campaign may spend (`"100 CNY"`; null: without limit), and its weight."""
        options = await json_object(request, known=("budget", "weight"))
        terms = _terms(options)
        tenant = principal_of(request).tenant
        return answer(_shown(await service.read(lambda conn: change_campaign(conn, tenant, name, terms))))

    @router.post("/v1/campaigns/{name:path}/pause", **docs.PAUSE_CAMPAIGN)
    async def pause(request: Request, name: str) -> Response:
        """Submit no more of a campaign. What was submitted goes on: it is billed in any case."""
        tenant = principal_of(request).tenant
        return answer(_shown(await service.read(lambda conn: pause_campaign(conn, tenant, name))))

    @router.post("/v1/campaigns/{name:path}/resume", **docs.PAUSE_CAMPAIGN)
    async def resume(request: Request, name: str) -> Response:
        """Let a paused campaign go on."""
        tenant = principal_of(request).tenant
        return answer(_shown(await service.read(lambda conn: pause_campaign(conn, tenant, name, paused=False))))

    # Last, because a name may hold slashes.
    @router.get("/v1/campaigns/{name:path}", **docs.CAMPAIGN)
    async def get_campaign(request: Request, name: str) -> Response:
        """How far a campaign is, and what it costs."""
        tenant = principal_of(request).tenant
        return answer(_shown(await service.read(lambda conn: campaign_status(conn, tenant, name))))

    return router


def _terms(options: Mapping[str, Any]) -> Terms:
    budget = "none" if "budget" in options and options["budget"] is None else options.get("budget")
    weight = options.get("weight")
    if not isinstance(budget, str | None):
        raise ApiProblem(422, "invalid_request", 'budget: must be text, as in "100 CNY", or null', param="budget")
    if isinstance(weight, bool) or not isinstance(weight, int | None):
        raise ApiProblem(422, "invalid_request", "weight: must be a whole number", param="weight")
    return read_terms(budget, weight)


def _shown(status: CampaignStatus) -> dict[str, Any]:
    self = f"/v1/campaigns/{quote(status.name, safe='')}"
    return status.as_dict() | {
        "links": {
            "self": self,
            "manifest": f"{self}/manifest",
            "cancel": f"{self}/cancel",
            "pause": f"{self}/pause",
            "resume": f"{self}/resume",
            "jobs": f"/v1/jobs?campaign={quote(status.name, safe='')}",
        }
    }


def _create(
    producer: Producer, name: str, file: BinaryIO, kind: RowFormat, terms: Terms, *, dry_run: bool
) -> Mapping[str, Any]:
    batch = prepare(read_rows(BODY, file, kind), producer.settings, None)
    if terms.budget is not None:
        check_priced(batch.jobs, terms.budget)
    if dry_run:
        return {"campaign": name, "rows": len(batch.jobs), "dry_run": True} | _estimated(batch)
    stored = producer.store(batch, campaign=name, terms=terms)
    return {"campaign": name, **summary(stored), "ids": [item.id for item in stored]} | _estimated(batch)


def _estimated(batch: Batch) -> dict[str, Any]:
    """What a batch will cost, by currency, and how many of its jobs have no known price."""
    sums: dict[str, dict[str, Any]] = {}
    unpriced = 0
    for job in batch.jobs:
        if job.estimate is None:
            unpriced += 1
            continue
        of = sums.setdefault(job.estimate["currency"], {"jobs": 0, "low": 0.0, "high": 0.0})
        of["jobs"] += 1
        of["low"] += float(job.estimate["low"])
        of["high"] += float(job.estimate["high"])
    for of in sums.values():
        of |= {"low": round(of["low"], 4), "high": round(of["high"], 4)}
    return {"estimates": [{"currency": name} | of for name, of in sorted(sums.items())], "without_price": unpriced}


def _manifest(service: Service, tenant: str, name: str, link_seconds: int) -> Iterator[bytes]:
    """A line a job; Starlette asks for each piece in a thread."""
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
            link = service.objects.link(job.object_key or "", link_seconds) if there else None
            lines.append(
                orjson.dumps(shortened(as_resource(job)))[:-1] + b',"video_url":' + orjson.dumps(link) + b"}\n"
            )
        yield b"".join(lines)
