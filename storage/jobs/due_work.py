"""Look whether there is anything to do, in one statement, before each kind of work is claimed by one of its own.

In most rounds of the scheduler most kinds have nothing due. A look locks nothing; what becomes due a moment later is
found in the next round.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.due_starts import DueStarts


# In the order of an index: otherwise PostgreSQL may read a whole table for a row that it expects to find soon.
def _is_due(rows: LiteralString, column: LiteralString) -> LiteralString:
    """Whether the time in a column has come for one of these rows."""
    return f"coalesce((SELECT true FROM {rows} AND {column} <= now() ORDER BY {column} LIMIT 1), false)"  # noqa: S608 - put together from constants


_DUTIES: LiteralString = f"""
SELECT {_is_due("jobs WHERE state = 'submitting'", "due_at")} AS lost_submits,
       coalesce((SELECT state = 'queued' FROM jobs
                 WHERE state >= 'queued' AND cancel_request IS NOT NULL AND due_at IS NOT NULL
                 ORDER BY state LIMIT 1), false) AS cancelled,
       {_is_due("jobs WHERE state = 'queued'", "deadline_at")} AS past_deadline,
       {_is_due("jobs WHERE state = 'queued' AND draft_of IS NOT NULL", "draft_ends_at")} AS dead_drafts
"""  # noqa: S608 - as above
_QUEUE: LiteralString = "SELECT true FROM jobs WHERE state = 'queued' ORDER BY priority DESC, tenant LIMIT 1"


def _first_due(rows: LiteralString, since: LiteralString) -> LiteralString:
    """The first due time of these rows from a time on; NULL: none is due."""
    return f"""(SELECT due_at FROM {rows} AND due_at >= {since}::timestamptz AND due_at <= now()
                ORDER BY due_at LIMIT 1)"""  # noqa: S608 - as above


_WORK: LiteralString = f"""
SELECT {_first_due("jobs WHERE state = 'transferring'", "%(transfers)s")},
       {_is_due("playable_copies WHERE true", "due_at")},
       {_first_due("jobs WHERE state = 'generating'", "%(polls)s")},
       {_is_due("jobs WHERE state = 'unconfirmed'", "due_at")},
       {_is_due("attempts WHERE true", "look_at")},
       {_first_due("webhook_messages WHERE true", "%(messages)s")},
       now()
"""


@dataclass(frozen=True, slots=True)
class DueDuties:
    """Which kinds of queued or interrupted jobs end or go on without a worker."""

    lost_submits: bool
    cancelled: bool
    past_deadline: bool
    dead_drafts: bool


@dataclass(frozen=True, slots=True)
class DueWork:
    """Which kinds of work have something due. Of `messages`, the receiver may have to wait."""

    transfers: bool
    playable_copies: bool
    polls: bool
    unconfirmed: bool
    looks: bool
    messages: bool
    first_poll: datetime | None
    """The due time of the first due poll that was found."""


def due_duties(conn: Connection) -> DueDuties:
    """Look at what needs no worker."""
    with conn.cursor(row_factory=class_row(DueDuties)) as cursor:
        found = cursor.execute(_DUTIES).fetchone()
    assert found is not None  # noqa: S101 - SELECT without FROM gives a row
    return found


def due_work(conn: Connection, starts: DueStarts | None = None) -> DueWork:
    """Look at what workers do. `starts`: where to look, which notes what was found; None: from the beginning."""
    starts = starts or DueStarts()
    found = conn.execute(_WORK, starts.begin()).fetchone()
    assert found is not None  # noqa: S101 - as above
    transfers, playable_copies, polls, unconfirmed, looks, messages, now = found
    starts.end({"transfers": transfers, "polls": polls, "messages": messages}, now)
    return DueWork(
        transfers is not None, playable_copies, polls is not None, unconfirmed, looks, messages is not None, polls
    )


def has_queue(conn: Connection) -> bool:
    """Whether any job is queued, due or not."""
    return conn.execute(_QUEUE).fetchone() is not None
