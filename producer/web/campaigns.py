"""`/campaigns`: the list, and one campaign with its progress, cost and jobs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.campaigns.status import cancel_campaign, pause_campaign
from producer.errors import CampaignNotFound
from producer.http.paging import cursor_id
from producer.http.problems import ApiProblem
from producer.operator_actions.standstill import standstill_of
from producer.operator_actions.waiting import PAUSED, waiting_for
from producer.web.charts import chart_of
from producer.web.forms import read_form
from producer.web.permissions import permissions_of
from producer.web.site import Site, go
from storage.admission.campaign_pace import pace_of
from storage.admission.spending.budgets import budgets_of
from storage.campaigns.controls import subject_of
from storage.database import Connection
from storage.decisions import list_decisions
from storage.jobs import queries, search
from storage.jobs.events.log import position_now
from storage.jobs.reasons import Reason
from storage.jobs.states import TERMINAL, JobState
from storage.journal.state import held_by
from storage.reporting import overview
from storage.reporting.costs import campaign_costs

PAGE, _SHOWN_JOBS = 30, 25
DECISIONS = 10
STEPS_S = (2, 5, 10, 30, 60, 300, 900, 3600, 3 * 3600, 12 * 3600, 86_400)
_COLUMNS = 60
# Said by a badge, by the counts and by the line of the pace.
_SAID_ELSEWHERE = frozenset({PAUSED, Reason.ENQUEUED, Reason.BEFORE_START, Reason.QUIET_HOURS})

CursorText = Annotated[str, Query(max_length=64)]


def campaign_routes(site: Site) -> APIRouter:
    """The routes of campaigns."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())
    service = site.service

    @router.get("/campaigns")
    async def campaigns_page(request: Request, cursor: CursorText = "") -> Response:
        tenant, before = permissions_of(request).tenant, cursor_id(cursor or None)
        after, found = await service.read(
            lambda conn: (position_now(conn), overview.campaigns(conn, tenant, before=before, limit=PAGE + 1))
        )
        rows = found[:PAGE]
        ids = tuple(row.id for row in rows)
        counts = await site.cache.get(("campaigns", ids), lambda conn: overview.campaign_counts(conn, ids))
        values = {
            "stream": "/v1/events",
            "after": after,
            "campaigns": rows,
            "counts": counts,
            "later": before is not None,
            "following": rows[-1].id if len(found) > PAGE else None,
        }
        return site.page(request, "campaigns.html", values)

    _one_campaign_routes(router, site)
    return router


def _one_campaign_routes(router: APIRouter, site: Site) -> None:
    service = site.service

    @router.post("/campaigns/{name:path}/pause")
    async def pause(request: Request, name: str) -> Response:
        return await _pause(site, request, name, paused=True)

    @router.post("/campaigns/{name:path}/resume")
    async def resume(request: Request, name: str) -> Response:
        return await _pause(site, request, name, paused=False)

    @router.post("/campaigns/{name:path}/cancel")
    async def cancel(request: Request, name: str) -> Response:
        form, tenant = await read_form(request), permissions_of(request).tenant
        if form.get("confirm") != "yes":
            raise ApiProblem(422, "invalid_request", "confirm: tick the box to confirm that the campaign is cancelled")
        discard = form.get("discard") == "yes"
        await service.run_batch(lambda: cancel_campaign(service.producer.database, tenant, name, discard=discard))
        return go(_path(name))

    # Last, because a name may contain slashes.
    @router.get("/campaigns/{name:path}")
    async def campaign_page(request: Request, name: str) -> Response:
        tenant = permissions_of(request).tenant
        now = await service.read(lambda conn: _now(conn, tenant, name))
        campaign_id, paused = now["campaign"].id, now["campaign"].paused_at is not None
        decided = await service.read(
            lambda conn: list_decisions(conn, tenant, subject_of(campaign_id), limit=DECISIONS)
        )
        figures = await _figures(site, tenant, name, campaign_id, paused=paused)
        of = None if figures["counts"] is None else figures["counts"].get(campaign_id, {})
        values = (
            now
            | figures
            | {
                "decisions": decided,
                "stream": "/v1/events",
                "counts": of,
                "total": sum((of or {}).values()),
                "ended": sum((of or {}).get(state, 0) for state in TERMINAL),
                "live": of is None or any(of.get(state) for state in JobState if state not in TERMINAL),
            }
        )
        return site.page(request, "campaign.html", values)


async def _figures(site: Site, tenant: str, name: str, campaign_id: UUID, *, paused: bool) -> dict[str, Any]:
    """What is counted, each kept for a while; None: not known yet."""
    cache, settings = site.cache, site.service.settings
    counts, rate, sums, budgets, waits, still = await asyncio.gather(
        cache.get(("campaigns", (campaign_id,)), lambda conn: overview.campaign_counts(conn, [campaign_id])),
        cache.get(
            ("campaign rate", campaign_id),
            lambda conn: overview.finished_in_campaign(conn, campaign_id, STEPS_S, _COLUMNS),
        ),
        cache.get(("campaign costs", campaign_id), lambda conn: campaign_costs(conn, tenant, name)),
        cache.get(("campaign budget", campaign_id), lambda conn: budgets_of(conn, tenant, [campaign_id])),
        cache.get(
            ("campaign waits", campaign_id, paused),
            lambda conn: waiting_for(conn, settings, campaign_id, paused=paused),
        ),
        cache.get(("campaign standstill", campaign_id), lambda conn: standstill_of(conn, settings, tenant, name)),
    )
    return {
        "counts": counts,
        "rate": None if rate is None else chart_of(rate),
        "sums": sums,
        "budget": next(iter(budgets or ()), None),
        "kept_back": (waits or {}).get(Reason.KEPT_BACK, 0),
        "closed": sum(why.jobs for why in still or () if why.code == "suspended"),
        "waits": {code: jobs for code, jobs in (waits or {}).items() if code not in _SAID_ELSEWHERE},
    }


async def _pause(site: Site, request: Request, name: str, *, paused: bool) -> Response:
    await read_form(request)
    tenant = permissions_of(request).tenant
    await site.service.read(lambda conn: pause_campaign(conn, tenant, name, paused=paused))
    return go(_path(name))


def _path(name: str) -> str:
    return f"/campaigns/{quote(name, safe='')}"


def _now(conn: Connection, tenant: str, name: str) -> dict[str, Any]:
    after = position_now(conn)
    found = overview.campaign(conn, tenant, name)
    if found is None:
        raise CampaignNotFound(name)
    page = search.find(conn, search.Search(tenant, campaign=found.id), limit=_SHOWN_JOBS)
    known = queries.get_jobs(conn, tenant, page.ids)
    return {
        "after": after,
        "campaign": found,
        "pace": pace_of(conn, found.id),
        "submits_held": held_by(conn),
        "jobs": [known[job_id] for job_id in page.ids if job_id in known],
        "following": page.next_before,
    }
