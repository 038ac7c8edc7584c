"""`/`: what needs attention, then the state of the whole system."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.health.work import versions_of
from producer.operator_actions.account_status import account_statuses
from producer.web.charts import chart_of
from producer.web.job_form import CHOICES, JobForm
from producer.web.permissions import Permissions, permissions_of
from producer.web.site import FRAGMENT_HEADER, Site
from storage.database import Connection
from storage.heartbeats import instances
from storage.jobs import queries, search
from storage.jobs.events.log import position_now
from storage.journal.state import held_by
from storage.reporting import overview
from storage.reporting.costs import recent_costs
from storage.settings import Settings

WINDOWS: Mapping[str, tuple[int, int]] = {"hour": (60, 60), "day": (1800, 48), "week": (10_800, 56)}
"""By name: the length of a column in seconds, and the number of columns."""
_FRESH_S = 60.0
"""A process that was not seen for this long does not run any more."""
_SHOWN_NEEDY, _SHOWN_JOBS, _SHOWN_CAMPAIGNS = 8, 12, 6


def overview_routes(site: Site) -> APIRouter:
    """The route of the first page."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())

    @router.get("/")
    async def first_page(request: Request, window: str = "hour") -> Response:
        permissions = permissions_of(request)
        window = window if window in WINDOWS else "hour"
        tenant, (step_s, pieces) = permissions.tenant, WINDOWS[window]
        now, counts, rate, sums = await asyncio.gather(
            site.service.read(lambda conn: _now(conn, site.service.settings, permissions)),
            site.cache.get(("counts", tenant), lambda conn: overview.counts(conn, tenant)),
            site.cache.get(
                ("rate", tenant, window), lambda conn: overview.finished_lately(conn, tenant, step_s, pieces)
            ),
            site.cache.get(("costs", tenant, window), lambda conn: recent_costs(conn, tenant, step_s * pieces)),
        )
        ids = tuple(row.id for row in now["campaigns"])
        campaign_counts = await site.cache.get(("campaigns", ids), lambda conn: overview.campaign_counts(conn, ids))
        values = now | {
            "unfit": site.service.unfit,
            "stream": "/v1/events",
            "window": window,
            "windows": WINDOWS,
            "counts": counts,
            "rate": None if rate is None else chart_of(rate),
            "sums": sums,
            "campaign_counts": campaign_counts,
        }
        if FRAGMENT_HEADER not in request.headers:
            values |= {"form": JobForm(), "choices": CHOICES, "estimate": None, "wrong": None}
        return site.page(request, "overview.html", values)

    return router


def _now(conn: Connection, settings: Settings, permissions: Permissions) -> dict[str, Any]:
    """The queries that are cheap enough to run each time."""
    after = position_now(conn)  # first, so that no later event is missed
    accounts = account_statuses(conn, settings) if permissions.may_operate else []
    versions = versions_of(instances(conn, _FRESH_S)) if permissions.may_operate else {}
    recent = queries.get_jobs(
        conn, permissions.tenant, search.find(conn, search.Search(permissions.tenant), limit=_SHOWN_JOBS).ids
    )
    return {
        "after": after,
        "submits_held": held_by(conn),
        "held": overview.held(conn, permissions.tenant, _SHOWN_NEEDY),
        "expiring": overview.expiring(conn, permissions.tenant, _SHOWN_NEEDY),
        "accounts": accounts,
        "stopped": [account for account in accounts if account["state"] in ("suspended", "outage")],
        "versions": versions if len(versions) > 1 else {},
        "campaigns": overview.campaigns(conn, permissions.tenant, limit=_SHOWN_CAMPAIGNS),
        "recent": sorted(recent.values(), key=lambda job: job.id, reverse=True),
    }
