"""Events as JSON and as server-sent events: of one job, and of all jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from producer.api.examples import WHOLE_EVENT_EXAMPLE
from producer.api.openapi.document import EventStream, also, event_stream, problems
from producer.api.resources.jobs import JobTimeline
from producer.campaigns.names import MAX_NAME_CHARS
from producer.client import as_job_id
from producer.http.answers import answer
from producer.http.doors.auth import is_still_allowed, principal_of
from producer.http.event_feed import FeedEvent, Page, Wanted, read_page
from producer.http.events import rung
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.intake.job_spec import MAX_TAGS
from producer.operator_actions import job_actions
from seedance.problems import shorten
from storage.database import Connection, DatabaseUnavailable
from storage.jobs import history
from storage.jobs.events.log import EventLog, position_now
from storage.jobs.events.positions import FORM, Position, parse_position
from storage.jobs.states import TERMINAL, JobState

HEARTBEAT_S = 15.0
CHECK_S = 1.0
"""How often a silent stream asks whether its key still holds: with what `KeyRing` remembers, it ends within 5 s."""
_LOOK_AGAIN_S = 1.0
_RECONNECT_MS = 2_000
_PAGE = 500
_ALL = 10_000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Event = dict[str, Any]
LastEventId = Annotated[int | None, Header(ge=0, le=2**63 - 1, description="Continue after the event with this id.")]
After = Annotated[
    int | None, Query(ge=0, le=2**63 - 1, description="The same, for clients that cannot set the header.")
]


def _check_position(value: str) -> str:
    if parse_position(value) is None:
        raise PydanticCustomError("reelq", "must be the `id:` of an event, not {value}", {"value": shorten(value)})
    return value


PositionText = Annotated[str, AfterValidator(_check_position)]
_PATTERN = {"pattern": FORM}
LastPosition = Annotated[
    PositionText | None,
    Header(
        json_schema_extra=_PATTERN,
        description="Continue after the event with this `id:`: its number, and more if numbers below may still come.",
    ),
]
AfterPosition = Annotated[
    PositionText | None,
    Query(json_schema_extra=_PATTERN, description="The same, for clients that cannot set the header."),
]


def event_routes(service: Service) -> APIRouter:
    """`/v1/jobs/{id}/timeline`, `/v1/jobs/{id}/events` and `/v1/events`."""
    router = APIRouter(tags=["events"])

    @router.get(
        "/v1/jobs/{job_id}/timeline",
        response_model=JobTimeline,
        response_description="The job's events so far.",
        responses=problems(404, 422, 503),
    )
    async def timeline(request: Request, job_id: str, after: After = None) -> Response:
        """Return the events of one job so far."""
        return await _timeline(service, request, as_job_id(job_id), after or 0)

    _stream_routes(router, service)
    return router


def _stream_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/jobs/{job_id}/events",
        response_class=EventStream,
        responses=also(200, "The job's events: those so far, and those to come.", content=event_stream())
        | also(204, "The job is terminal and you have every event.")
        | problems(404, 422, 503),
    )
    async def job_events(
        request: Request, job_id: str, last_event_id: LastEventId = None, after: After = None
    ) -> Response:
        """Stream the events of one job, as server-sent events, until the job is terminal; after that, 204 stops an
        EventSource."""
        wanted = as_job_id(job_id)
        start = last_event_id if last_event_id is not None else after or 0
        if _wants_json(request):
            return await _timeline(service, request, wanted, start)
        tenant = principal_of(request).tenant
        job = await service.read(lambda conn: job_actions.get_job(conn, tenant, wanted))
        first = await service.read(lambda conn: _of_job(conn, wanted, start, _PAGE))
        if job.terminal and not first:
            return Response(status_code=204, headers=_HEADERS)
        service.hub.require_room()
        return _stream(_job_stream(service, request, wanted, start))

    @router.get(
        "/v1/events",
        response_class=EventStream,
        responses=also(200, "Events, without end.", content=event_stream(WHOLE_EVENT_EXAMPLE)) | problems(422, 503),
    )
    async def all_events(
        request: Request,
        last_event_id: LastPosition = None,
        after: AfterPosition = None,
        campaign: Annotated[str | None, Query(max_length=MAX_NAME_CHARS, description="Only of this campaign.")] = None,
        state: Annotated[list[JobState] | None, Query(description="Only jobs that came into one of these.")] = None,
        tag: Annotated[
            list[str] | None, Query(max_length=MAX_TAGS, description="Only jobs with all of these tags.")
        ] = None,
    ) -> Response:
        """Stream the events of all jobs as they happen, as server-sent events; each holds its job, as it is when it is
        sent and without its request. With `Last-Event-ID`, start with those that you missed; none is left out."""
        given = last_event_id if last_event_id is not None else after
        start = None if given is None else parse_position(given)
        if start is None:
            start = await service.read(position_now)
        service.hub.require_room()
        wanted = Wanted(campaign, None if state is None else frozenset(map(str, state)), frozenset(tag or ()))
        return _stream(_whole_stream(service, request, start, wanted))


def _of_job(conn: Connection, job_id: UUID, after: int, limit: int) -> list[Event]:
    return history.job_events_after(conn, job_id, after, limit)


async def _timeline(service: Service, request: Request, job_id: UUID, after: int) -> Response:
    tenant = principal_of(request).tenant
    await service.read(lambda conn: job_actions.get_job(conn, tenant, job_id))
    return answer({"data": await service.read(lambda conn: _of_job(conn, job_id, after, _ALL))})


def _wants_json(request: Request) -> bool:
    """Whether a program expects the timeline at the address of the stream, where it was before it had its own."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and EventStream.media_type not in accept


def _stream(frames: AsyncIterator[bytes]) -> Response:
    return EventStream(frames, headers=_HEADERS)


async def _job_stream(service: Service, request: Request, job_id: UUID, after: int) -> AsyncIterator[bytes]:
    beat = _Heartbeat()
    with service.hub.watch(job_id) as bell:  # first: the client must not see an open stream that has no place
        yield _opening()
        while await is_still_allowed(request):
            events = await _read(service, partial(_of_job, job_id=job_id, after=after, limit=_PAGE))
            if events:
                after = events[-1]["id"]
                yield _frames(events)
                beat.sent()
                if JobState(events[-1]["target"]) in TERMINAL:
                    return
                continue
            await rung(bell, min(beat.left_s(), CHECK_S))
            if beat.is_due():
                yield beat.frame()


async def _whole_stream(service: Service, request: Request, start: Position, wanted: Wanted) -> AsyncIterator[bytes]:
    """First from the log itself, then from what the hub reads for all streams."""
    tenant = principal_of(request).tenant
    beat = _Heartbeat()
    position, log = start, EventLog(start)
    caught_up = False
    with service.hub.watch() as bell, service.hub.feed(tenant) as feed:
        yield _opening()
        while await is_still_allowed(request):
            if not feed.is_whole:
                feed.begin()
                caught_up, log = False, EventLog(position)
            page: Page | None = None
            if caught_up:
                events: Sequence[FeedEvent] = feed.take()
            else:
                page = await _page(service, log, tenant)
                events = () if page is None else page.events.get(tenant, ())
                caught_up = page is not None and page.size == 0 and not log.held_up
            frames = []
            for event in events:
                if not position.has(event.number):
                    position = position.joined(event.position)
                    if wanted.takes(event):
                        frames.append(b"id: %b\ndata: %b\n\n" % (str(position).encode(), event.data))
            if page is not None:
                position = log.position
            elif caught_up and feed.reached is not None:
                position = position.joined(feed.reached)
            if frames:
                yield b"".join(frames)
                beat.sent()
            elif beat.is_due():
                yield beat.frame()
            if not events and (page is None or page.size == 0):
                await rung(bell, min(beat.left_s(), CHECK_S))


async def _page(service: Service, log: EventLog, tenant: str) -> Page | None:
    """The next page of the log; None while the database does not answer: the stream survives an outage."""
    try:
        return await service.read(lambda conn: read_page(conn, log, [tenant]))
    except (DatabaseUnavailable, ApiProblem):
        await asyncio.sleep(_LOOK_AGAIN_S)
        return None


async def _read(service: Service, question: Any) -> Sequence[Event]:
    """Events, or none while the database does not answer: the stream survives an outage."""
    try:
        found: Sequence[Event] = await service.read(question)
    except (DatabaseUnavailable, ApiProblem):
        await asyncio.sleep(_LOOK_AGAIN_S)
        return ()
    return found


def _opening() -> bytes:
    """How long a client waits before it connects again. It also makes proxies that wait for a body send the headers."""
    return b"retry: %d\n\n" % _RECONNECT_MS


def _frames(events: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(b"id: %d\ndata: %s\n\n" % (event["id"], orjson.dumps(event)) for event in events)


class _Heartbeat:
    """Knows when a silent stream needs a comment."""

    def __init__(self) -> None:
        self.sent()

    def sent(self) -> None:
        self._due = asyncio.get_running_loop().time() + HEARTBEAT_S

    def left_s(self) -> float:
        return self._due - asyncio.get_running_loop().time()

    def is_due(self) -> bool:
        return self.left_s() <= 0

    def frame(self) -> bytes:
        self.sent()
        return b": heartbeat\n\n"
