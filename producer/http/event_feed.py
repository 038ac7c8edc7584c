"""Events on their way to the streams of a tenant: each is read once and written as JSON once, for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from storage.database import Connection
from storage.jobs.events.log import Event, EventLog
from storage.jobs.events.positions import Position
from storage.jobs.events.small_jobs import SmallJob, small_jobs

MAX_WAITING = 2_000
"""How many events wait for a slow client, before it has to read them from the database."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event of a tenant, its job, both as JSON, and the position of the reader after it."""

    number: int
    target: str
    job: SmallJob
    data: bytes
    position: Position


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a stream sends; None: all. `states`: the state that the job came into."""

    campaign: str | None = None
    states: Collection[str] | None = None
    tags: Collection[str] = ()

    def takes(self, event: FeedEvent) -> bool:
        """Whether the stream sends this event."""
        return (
            (self.campaign is None or event.job.campaign == self.campaign)
            and (self.states is None or event.target in self.states)
            and all(tag in event.job.tags for tag in self.tags)
        )


@dataclass(slots=True)
class Page:
    """What one read of the log found."""

    job_ids: set[UUID]
    """The jobs of all tenants that have events."""
    events: dict[str, list[FeedEvent]]
    """The events of the tenants that were asked for."""
    size: int
    """How many events there were, of all tenants."""
    position: Position
    """Behind them."""


def read_page(conn: Connection, log: EventLog, tenants: Collection[str]) -> Page:
    """Read on in the log, with the jobs of some tenants."""
    events = log.read(conn)
    own = [event["job_id"] for event, _ in events if event["tenant"] in tenants]
    jobs = small_jobs(conn, list(dict.fromkeys(own)), list(tenants))
    return Page({event["job_id"] for event, _ in events}, _by_tenant(events, jobs), len(events), log.position)


def _by_tenant(events: Sequence[tuple[Event, Position]], jobs: Mapping[UUID, SmallJob]) -> dict[str, list[FeedEvent]]:
    documents: dict[UUID, dict[str, Any]] = {}
    found: dict[str, list[FeedEvent]] = {}
    for event, position in events:
        job = jobs.get(event["job_id"])
        if job is None:  # of another tenant, or removed
            continue
        document = documents.setdefault(job.id, job.as_document())
        tenant = event.pop("tenant")
        data = orjson.dumps(event | {"job": document})
        found.setdefault(tenant, []).append(FeedEvent(event["id"], event["target"], job, data, position))
    return found


class Feed:
    """The events that one stream has not taken yet."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.is_whole = False
        """Whether it holds every event since `begin`. If not, the stream reads the log itself, and begins again."""
        self.reached: Position | None = None
        """Where the reader was after the last events that were added."""
        self._waiting: list[FeedEvent] = []

    def begin(self) -> None:
        """Hold the events from now on."""
        self._waiting, self.reached, self.is_whole = [], None, True

    def lose(self) -> None:
        """Forget them: some are missing."""
        self._waiting, self.is_whole = [], False

    def add(self, events: Sequence[FeedEvent], reached: Position) -> None:
        """More events, in order; there are no others up to `reached`."""
        if not self.is_whole:
            return
        self.reached = reached
        if len(self._waiting) + len(events) > MAX_WAITING:
            self.lose()
        else:
            self._waiting.extend(events)

    def take(self) -> list[FeedEvent]:
        """The events so far."""
        taken, self._waiting = self._waiting, []
        return taken
