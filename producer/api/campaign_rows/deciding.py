"""`POST /v1/campaigns/{name}/approve`, `reject`, `reroll`, `retry`, `cancel`, `resume` and `set`: decisions about rows.

Each can first say what it would do (`dry_run`), and is one operation with an id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.api.campaign_rows.bodies import CancelRows, ReviewRows, RowChoice, SetRows
from producer.api.campaign_rows.resources import CancelAnswer, ResumeAnswer, RowDecision, as_decision
from producer.api.openapi.document import OPERATION_KEY, headers, json_body, problems
from producer.api.resources.campaigns import CancelledCampaign, as_campaign
from producer.campaigns.decisions.carry_out import carried_out, carry_out, preview
from producer.campaigns.decisions.choice import EVERY_ROW, LOST, Choice
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.campaigns.status import campaign_status, cancel_campaign, pause_campaign
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.service import Service
from seedance.problems import InvalidInput, Problem

Route = Callable[..., Awaitable[Response]]

_ERRORS = problems(404, 413, 415, 422, 429, 503)
_DECIDED = "What was done, or would be."
_NONE_CHOSEN = "choose rows with rows, keys, ids, states, reviews or reasons, or all of them with all"
_REVIEWS: Mapping[Verb, str] = {
    Verb.APPROVE: "Mark videos as wanted. Of a draft, the final is made, which is billed.",
    Verb.REJECT: "Mark videos as not wanted; they stay.",
}


def decision_routes(service: Service) -> APIRouter:
    """The routes of decisions."""
    router = APIRouter(tags=["campaigns"])
    deciding = _Deciding(service)
    for verb, summary in _REVIEWS.items():
        _review_route(router, deciding, verb, summary)
    _again_routes(router, deciding)
    _whole_routes(router, service, deciding)
    return router


def _decides(
    router: APIRouter, verb: Verb, body: type[RowChoice], *, required: bool = True, **more: Any
) -> Callable[[Route], Route]:
    """Declare the route of a decision, with the body that it reads."""
    return router.post(
        f"/v1/campaigns/{{name:path}}/{verb}",
        response_model=RowDecision,
        response_description=_DECIDED,
        responses=_ERRORS,
        openapi_extra=json_body(body, required=required) | headers(OPERATION_KEY),
        **more,
    )


def _review_route(router: APIRouter, deciding: _Deciding, verb: Verb, summary: str) -> None:
    @_decides(router, verb, ReviewRows, name=verb, description=summary)
    async def review(request: Request, name: str) -> Response:
        body = await bodies.json_body(request, ReviewRows)
        terms = Terms(datetime.now(UTC), comment=body.comment)
        return await deciding.answer(request, name, verb, body, _required(body), terms)


def _again_routes(router: APIRouter, deciding: _Deciding) -> None:
    @_decides(router, Verb.REROLL, RowChoice)
    async def reroll(request: Request, name: str) -> Response:
        """Make rows again, with another seed or as the edited sheet asks. They are billed again."""
        body = await bodies.json_body(request, RowChoice)
        return await deciding.answer(request, name, Verb.REROLL, body, _required(body))

    @_decides(router, Verb.RETRY, RowChoice, required=False)
    async def retry(request: Request, name: str) -> Response:
        """Enqueue rows again that failed or were cancelled; without a choice, all of them. What cannot succeed is left
        out."""
        body = await bodies.json_body(request, RowChoice, empty=True)
        return await deciding.answer(request, name, Verb.RETRY, body, body.choice() or LOST)

    @_decides(router, Verb.SET, SetRows)
    async def set_fields(request: Request, name: str) -> Response:
        """Change fields of rows that still wait. A row that was submitted keeps its request."""
        body = await bodies.json_body(request, SetRows)
        terms = Terms(datetime.now(UTC), fields=body.checked_fields())
        return await deciding.answer(request, name, Verb.SET, body, _required(body), terms)


def _whole_routes(router: APIRouter, service: Service, deciding: _Deciding) -> None:
    @router.post(
        "/v1/campaigns/{name:path}/cancel",
        response_model=CancelAnswer,
        response_description="What happened to the jobs.",
        responses=_ERRORS,
        openapi_extra=json_body(CancelRows, required=False) | headers(OPERATION_KEY),
    )
    async def cancel(request: Request, name: str) -> Response:
        """Cancel every job of a campaign that is not terminal, each as `POST /v1/jobs/{job_id}/cancel` does. With a
        choice, a dry run or an operation: cancel rows, as a decision."""
        body = await bodies.json_body(request, CancelRows, empty=True)
        choice = body.choice()
        if choice is not None or body.dry_run or _operation(request, body) is not None:
            terms = Terms(datetime.now(UTC), discard=body.discard)
            return await deciding.answer(request, name, Verb.CANCEL, body, choice or EVERY_ROW, terms)
        tenant, database = principal_of(request).tenant, service.producer.database
        done = await service.run_batch(lambda: cancel_campaign(database, tenant, name, discard=body.discard))
        status = await service.read(lambda conn: campaign_status(conn, tenant, name))
        return answer(
            CancelledCampaign(
                cancelled=done.cancelled, asked=done.asked, refused=done.refused, campaign=as_campaign(status)
            )
        )

    @router.post(
        "/v1/campaigns/{name:path}/resume",
        response_model=ResumeAnswer,
        response_description="The campaign, or the decision.",
        responses=_ERRORS,
        openapi_extra=json_body(RowChoice, required=False) | headers(OPERATION_KEY),
    )
    async def resume(request: Request, name: str) -> Response:
        """Continue a paused campaign. With a choice: submit rows that were kept back. A dry run or an operation is a
        decision, about every row if none is chosen."""
        body = await bodies.json_body(request, RowChoice, empty=True)
        choice = body.choice()
        if choice is not None or body.dry_run or _operation(request, body) is not None:
            terms = Terms(datetime.now(UTC), whole=choice is None)
            return await deciding.answer(request, name, Verb.RESUME, body, choice or EVERY_ROW, terms)
        tenant = principal_of(request).tenant
        return answer(as_campaign(await service.read(lambda conn: pause_campaign(conn, tenant, name, paused=False))))


def _required(body: RowChoice) -> Choice:
    choice = body.choice()
    if choice is None:
        raise InvalidInput([Problem("rows", _NONE_CHOSEN)])
    return choice


class _Deciding:
    """Carries out decisions for routes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(
        self, request: Request, name: str, verb: Verb, body: RowChoice, choice: Choice, terms: Terms | None = None
    ) -> Response:
        """The answer to a decision, after it was carried out or, in a dry run, looked at.

        Raises:
            CampaignNotFound, InvalidInput, DatabaseUnavailable: as `carry_out`.
            ApiProblem: it makes more jobs than the tenant may enqueue in a minute.
        """
        service, producer = self._service, self._service.producer_for(request)
        operation = _operation(request, body)

        def work() -> RowDecision:
            counted = principal_of(request).jobs_per_minute is not None and verb in _MAKING
            if operation is not None and (body.dry_run or counted):
                before = carried_out(producer, name, verb, choice, terms, operation)
                if before is not None:
                    return as_decision(dict(before.document), dry_run=body.dry_run, repeated=True)
            if body.dry_run:
                return as_decision(preview(producer, name, verb, choice, terms).as_dict(), dry_run=True)
            if counted:
                made = preview(producer, name, verb, choice, terms).new_jobs
                if made:
                    service.count_jobs(request, made)
            done = carry_out(producer, name, verb, choice, terms, operation)
            document: dict[str, Any] = dict(done.document)
            return as_decision(document, dry_run=False, repeated=done.known)

        return answer(await service.run_batch(work))


_MAKING = frozenset({Verb.APPROVE, Verb.REROLL, Verb.RETRY})
"""Decisions that make jobs."""


def _operation(request: Request, body: RowChoice) -> str | None:
    """The id of the operation, from the header or the body; None: a new one.

    Raises:
        InvalidInput: both are given, and they differ.
    """
    given = request.headers.get("idempotency-key")
    if given is not None and body.operation is not None and given != body.operation:
        raise InvalidInput([Problem("operation", "and the header Idempotency-Key differ; give one of them")])
    return body.operation if given is None else given
