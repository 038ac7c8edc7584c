"""`/jobs`: the list with its search, and the form for a new job."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.http.paging import cursor_id
from producer.intake.quotes import estimates
from producer.operator_actions.account_status import account_statuses
from producer.web.forms import Form, read_form
from producer.web.job_form import CHOICES, JobForm, fields_of, refused, with_own_key
from producer.web.permissions import Permissions, permissions_of
from producer.web.site import Site, go
from seedance.problems import InvalidInput
from storage.actors import current_actor
from storage.database import Connection
from storage.jobs import queries, search
from storage.jobs.events.log import position_now
from storage.jobs.records import IdempotencyConflict, JobView
from storage.jobs.states import JobState
from storage.reporting import overview

PAGE = 50
_FOUND_BY_ID = 20

Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Asked:
    """The search of a list; "" matches anything."""

    q: str = ""
    state: str = ""
    campaign: str = ""
    account: str = ""
    tag: str = ""
    cursor: str = ""

    @property
    def narrow(self) -> bool:
        """Whether the search is so narrow that the totals of all jobs would mislead."""
        return bool(self.q or self.campaign or self.account or self.tag)

    @property
    def any(self) -> bool:
        return self.narrow or bool(self.state)

    def link(self, **changed: str) -> str:
        """The link to the same list with a changed search; to its first page, unless a cursor is given."""
        asked = {name: getattr(self, name) for name in self.__dataclass_fields__} | {"cursor": ""} | changed
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/jobs?{query}" if query else "/jobs"


def job_list_routes(site: Site) -> APIRouter:
    """The routes of the list and of new jobs."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())
    service = site.service

    @router.get("/jobs")
    async def jobs_page(
        request: Request,
        q: Text = "",
        state: Text = "",
        campaign: Text = "",
        account: Text = "",
        tag: Text = "",
        cursor: Text = "",
    ) -> Response:
        wanted = state if state in list(JobState) else ""
        asked = Asked(*(text.strip().replace("\0", "") for text in (q, wanted, campaign, account, tag, cursor)))
        tenant = permissions_of(request).tenant
        before = cursor_id(asked.cursor or None)
        found = await service.read(lambda conn: _found(conn, tenant, asked, before))
        counts = await site.cache.get(("counts", tenant), lambda conn: overview.counts(conn, tenant))
        # Only the newest page is live; older ones do not update.
        stream = None if asked.cursor else "/v1/events"
        return site.page(request, "jobs.html", found | {"asked": asked, "counts": counts, "stream": stream})

    _new_job_routes(router, site)
    return router


def _new_job_routes(router: APIRouter, site: Site) -> None:
    service = site.service

    @router.get("/jobs/new")
    async def new_page(request: Request) -> Response:
        return await _form_page(site, request, JobForm())

    @router.post("/jobs/new")
    async def estimate_page(request: Request) -> Response:
        """The estimate for browsers without scripts: the form again, with the cost."""
        form = await read_form(request)
        shown = JobForm(form, once=form.get("once", ""))
        try:
            found = await service.run(lambda: estimates(fields_of(form), service.producer_for(request).settings))
        except InvalidInput as exc:
            return await _form_page(site, request, refused(form, exc), status=422)
        return await _form_page(site, request, shown, estimate=found)

    @router.post("/jobs/estimate")
    async def estimate(request: Request) -> Response:
        """The estimate alone. While the prompt is empty, a placeholder is used."""
        form = await read_form(request)
        fields = {"prompt": "…"} | fields_of(form)
        try:
            found = await service.run(lambda: estimates(fields, service.producer_for(request).settings))
        except InvalidInput as exc:
            return site.page(request, "estimate.html", {"estimate": None, "wrong": exc.problems})
        return site.page(request, "estimate.html", {"estimate": found, "wrong": None})

    @router.post("/jobs")
    async def enqueue(request: Request) -> Response:
        form = await read_form(request)
        permissions = permissions_of(request)
        try:
            await service.count_job(request)
            job = await service.run(partial(_enqueue, site, permissions, form))
        except InvalidInput as exc:
            return await _form_page(site, request, refused(form, exc), status=422)
        except IdempotencyConflict as exc:
            conflict = JobForm(form, {"idempotency_key": [str(exc)]}, once=form.get("once", ""))
            return await _form_page(site, request, conflict, status=422)
        return go(f"/jobs/{job.id}")


def _enqueue(site: Site, permissions: Permissions, form: Form) -> JobView:
    fields = with_own_key(fields_of(form), form.get("once", ""))
    job, _ = site.service.producer.as_tenant(permissions.tenant, current_actor()).enqueue_row(fields)
    return job


async def _form_page(
    site: Site, request: Request, form: JobForm, *, status: int = 200, estimate: Any = None
) -> Response:
    accounts = []
    if permissions_of(request).may_operate:
        accounts = await site.service.read(lambda conn: account_statuses(conn, site.service.settings))
    values = {"form": form, "choices": CHOICES, "accounts": accounts, "estimate": estimate, "wrong": None}
    return site.page(request, "new.html", values, status=status)


def _found(conn: Connection, tenant: str, asked: Asked, before: UUID | None) -> dict[str, Any]:
    after = position_now(conn)
    ids, following, looked_at = _ids(conn, tenant, asked, before)
    known = queries.get_jobs(conn, tenant, ids)
    return {
        "after": after,
        "jobs": [known[job_id] for job_id in ids if job_id in known],
        "following": following,
        "looked_at": looked_at,
    }


def _ids(
    conn: Connection, tenant: str, asked: Asked, before: UUID | None
) -> tuple[list[UUID], UUID | None, int | None]:
    """The matching ids, the cursor of the next page, and the number of jobs searched if that was not all."""
    if asked.q:
        by_name = search.by_id(conn, tenant, asked.q, _FOUND_BY_ID)
        if not by_name and (of_key := search.by_key(conn, tenant, asked.q)) is not None:
            by_name = [of_key]
        if by_name:
            return by_name, None, None
    campaign_id = None
    if asked.campaign:
        found = overview.campaign(conn, tenant, asked.campaign)
        if found is None:
            return [], None, None
        campaign_id = found.id
    wanted = search.Search(
        tenant,
        [JobState(asked.state)] if asked.state else None,
        campaign_id,
        asked.account or None,
        asked.tag or None,
        asked.q or None,
    )
    page = search.find(conn, wanted, before=before, limit=PAGE)
    return list(page.ids), page.next_before, page.looked_at
