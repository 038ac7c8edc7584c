"""`/jobs/{id}`: one job in full, with the actions on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.campaigns.decisions.verdicts import fails_again
from producer.client import as_job_id
from producer.explanation import AccountAnswer, request_of
from producer.http.doors.auth import require_scope
from producer.http.problems import ApiProblem
from producer.operator_actions import job_actions
from producer.operator_actions.adoption import adopt_checked, candidates
from producer.operator_actions.finals import finalize
from producer.operator_actions.waiting import why_it_waits
from producer.web.forms import Form, read_form
from producer.web.language import catalogue, choose
from producer.web.permissions import permissions_of
from producer.web.site import LANGUAGE_COOKIE, Site, go
from seedance.request import parse_request
from storage.actors import current_actor
from storage.database import Connection
from storage.jobs import history
from storage.jobs.playable_copies import demand_of
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.keys import Scope

S = JobState
_WAY = (S.QUEUED, S.SUBMITTING, S.GENERATING, S.TRANSFERRING, S.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a job's progress: past, current or to come."""

    state: JobState
    how: Literal["done", "now", "ahead"]


@dataclass(frozen=True, slots=True)
class Sent:
    """The request that a job's account was sent, or would be sent."""

    answer: AccountAnswer
    was_sent: bool


@dataclass(frozen=True, slots=True)
class Film:
    """What the player shows. `format`: codec and pixels for people, "" if they are not known; `copy`: what to say about
    the copy that every browser plays, None: nothing; `error`: why it was given up."""

    format: str
    copy: Literal["offered", "waiting", "made", "failed"] | None
    error: str | None = None


def job_routes(site: Site) -> APIRouter:
    """The routes of one job."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())
    service = site.service

    @router.get("/jobs/{job_id}")
    async def job_page(request: Request, job_id: str) -> Response:
        wanted, tenant = as_job_id(job_id), permissions_of(request).tenant
        values = await service.read(lambda conn: _whole(conn, service.settings_for(tenant), tenant, wanted))
        job: JobView = values["job"]
        words = catalogue(choose(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")))
        values["flower_url"] = (service.settings.flower_url or "").rstrip("/")
        if not values["flower_url"] or not permissions_of(request).may_operate:
            values["celery_tasks"] = {}  # Flower is for operators
        values["says"] = words.text("job.says", state=words.text(f"state.{job.state}"))
        values["stream"] = None if job.terminal else f"/v1/jobs/{job.id}/events"
        return site.page(request, "job.html", values)

    _decision_routes(router, site)
    return router


def _decision_routes(router: APIRouter, site: Site) -> None:
    service = site.service

    @router.post("/jobs/{job_id}/cancel")
    async def cancel(request: Request, job_id: str) -> Response:
        wanted, tenant = as_job_id(job_id), permissions_of(request).tenant
        form = await read_form(request)
        discard = form.get("how") == "discard"
        if discard and form.get("confirm") != "yes":
            raise ApiProblem(422, "invalid_request", "confirm: tick the box to confirm that you will still be billed")
        await service.run(lambda: job_actions.cancel(service.producer.database, tenant, wanted, discard=discard))
        return go(f"/jobs/{wanted}")

    @router.post("/jobs/{job_id}/playable")
    async def playable(request: Request, job_id: str) -> Response:
        wanted, tenant = as_job_id(job_id), permissions_of(request).tenant
        await read_form(request)
        producer = service.producer.as_tenant(tenant)
        await service.run(lambda: producer.make_playable(wanted))
        return go(f"/jobs/{wanted}")

    @router.post("/jobs/{job_id}/retry")
    async def retry(request: Request, job_id: str) -> Response:
        wanted, tenant = as_job_id(job_id), permissions_of(request).tenant
        await read_form(request)
        await service.count_job(request)
        job, _ = await service.run(
            lambda: job_actions.retry(service.producer.database, service.settings_for(tenant), tenant, wanted)
        )
        return go(f"/jobs/{job.id}")

    @router.post("/jobs/{job_id}/finalize")
    async def finalize_job(request: Request, job_id: str) -> Response:
        wanted = as_job_id(job_id)
        producer = service.producer.as_tenant(permissions_of(request).tenant, current_actor())
        await read_form(request)
        await service.count_job(request)
        job, _ = await service.run(lambda: finalize(producer, producer.get(wanted), {}))
        return go(f"/jobs/{job.id}")

    @router.post("/jobs/{job_id}/resolve")
    async def resolve(request: Request, job_id: str) -> Response:
        wanted, tenant = as_job_id(job_id), require_scope(request, Scope.ADMIN).tenant
        decide = _resolution(site, tenant, wanted, await read_form(request))
        await service.run_batch(decide)  # the gateway may be asked
        return go(f"/jobs/{wanted}")


def _resolution(site: Site, tenant: str, job_id: UUID, form: Form) -> Callable[[], JobView]:
    database, settings = site.service.producer.database, site.service.settings
    match form.get("action"):
        case "adopt":
            task_id = form.get("task_id", "").strip()
            if not 0 < len(task_id) <= 200:
                raise ApiProblem(422, "invalid_request", "task_id: write the id that the gateway gave the task")
            if form.get("unchecked") == "yes":
                return lambda: job_actions.adopt(database, tenant, job_id, task_id)
            return lambda: adopt_checked(database, settings, tenant, job_id, task_id)
        case "resubmit":
            if form.get("confirm") != "yes":
                raise ApiProblem(422, "invalid_request", "confirm: tick the box to confirm that you may pay twice")
            return lambda: job_actions.resubmit(database, tenant, job_id)
        case "abandon":
            return lambda: job_actions.abandon(database, tenant, job_id)
    raise ApiProblem(422, "invalid_request", "action: choose one of the three")


def _film(conn: Connection, settings: Settings, job: JobView) -> Film:
    found = job.video_format or {}
    shown = " · ".join(
        str(part) for part in (found.get("codec"), found.get("pixel_format"), found.get("container")) if part
    )
    if job.playable_key is not None:
        return Film(shown, "made")
    if job.object_key is None or not found or found.get("playable"):
        return Film(shown, None)
    demand = demand_of(conn, job.id)
    if demand is not None:
        return Film(shown, "waiting" if demand.error is None else "failed", demand.error)
    return Film(shown, None if settings.playable_copies == "off" else "offered")


def _whole(conn: Connection, settings: Settings, tenant: str, job_id: UUID) -> dict[str, Any]:
    events = history.events_of(conn, job_id)  # first, so that no later event is missed
    job = job_actions.get_job(conn, tenant, job_id)
    attempts = history.attempts_of(conn, job_id)
    # `draft_of` is shown as a link.
    request = {name: value for name, value in job.request.items() if name not in ("prompt", "draft_of")}
    return {
        "after": events[-1]["id"] if events else 0,
        "job": job,
        "request": request,
        "attempts": attempts,
        "events": events,
        "waits": why_it_waits(conn, settings, job),
        "steps": steps(job),
        "sent": _sent(settings, job, attempts),
        "candidates": candidates(attempts[-1]) if attempts and job.state is S.UNCONFIRMED else [],
        "final_resolution": _final_resolution(settings, job),
        "film": _film(conn, settings, job),
        "celery_tasks": history.celery_tasks_of(conn, job_id),
        "cancelling": job_actions.what_cancelling_does(job),
        "fails_again": fails_again(job.error),
    }


def _final_resolution(settings: Settings, job: JobView) -> str | None:
    """The resolution of the final that can be made of this job now; None: none can."""
    alive = job.draft_ends_at is not None and job.draft_ends_at > datetime.now(UTC)
    account = settings.account(job.account or "")
    if job.state is not S.SUCCEEDED or job.draft_of is not None or not alive or account is None:
        return None
    row = account.dialect.row_of(parse_request(job.request))
    return None if row is None or row.drafts is None else row.drafts.final_resolutions[0]


def steps(job: JobView) -> list[Step]:
    """The progress of a job. A failed or cancelled one shows only the states that it must have passed."""
    way: list[JobState] = list(_WAY)
    if job.state is S.UNCONFIRMED:
        way[1] = S.UNCONFIRMED
    if job.state in (S.FAILED, S.CANCELLED):
        reached = 3 if job.generated_at else 2 if job.gateway_task_id else 1 if job.submitted_at else 0
        way = [*way[: reached + 1], job.state]
    at = way.index(job.state)
    return [
        Step(state, "done" if place < at or (job.terminal and place == at) else "now" if place == at else "ahead")
        for place, state in enumerate(way)
    ]


def _sent(settings: Settings, job: JobView, attempts: Sequence[Mapping[str, Any]]) -> Sent | None:
    seed = attempts[-1]["seed"] if attempts else None
    answer = request_of(job, settings, seed)
    return None if answer is None else Sent(answer, was_sent=bool(attempts))
