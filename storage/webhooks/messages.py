"""List, count and replay webhook messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.counted.messages import MESSAGE_STATE
from storage.database import Connection
from storage.webhooks.receivers import wake_receivers

_PREFIX = "msg_"
Place = tuple[datetime, UUID]
"""Where a page ends: when its last message was created, and its id."""


class MessageState(StrEnum):
    """The state of a message."""

    PENDING = "pending"  # not sent yet
    RETRYING = "retrying"  # an attempt failed; the next one is due at `due_at`
    DELIVERED = "delivered"  # the receiver answered 2xx
    DEAD = "dead"  # given up; `replay` sends it again


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as users see it."""

    id: UUID
    tenant: str
    type: str
    state: str
    job_id: UUID | None
    endpoint_id: UUID | None
    url: str | None
    """None: its endpoint was removed."""
    attempts: int
    replays: int
    last_status: int | None
    last_error: str | None
    last_answer: str | None
    created_at: datetime
    due_at: datetime | None
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None

    @property
    def place(self) -> Place:
        """Its place in a list of messages, where the next page begins."""
        return self.created_at, self.id


def webhook_id(message_id: UUID) -> str:
    """The `webhook-id` of a message: its id as the receiver sees it."""
    return f"{_PREFIX}{message_id.hex}"


def parse_webhook_id(text: str) -> UUID:
    """The message id in a `webhook-id`.

    Raises:
        ValueError: the text is not a `webhook-id`.
    """
    return UUID(text.removeprefix(_PREFIX))


_WHERE: LiteralString = f"""
(%(tenant)s::text IS NULL OR m.tenant = %(tenant)s) AND (%(ids)s::uuid[] IS NULL OR m.id = ANY(%(ids)s))
AND (%(states)s::text[] IS NULL OR {MESSAGE_STATE} = ANY(%(states)s)) {{open}}
AND (%(endpoint_id)s::uuid IS NULL OR m.endpoint_id = %(endpoint_id)s)
AND (%(job_id)s::uuid IS NULL OR m.job_id = %(job_id)s)
AND (%(type)s::text IS NULL OR m.type = %(type)s)
AND (%(since)s::timestamptz IS NULL OR m.created_at >= %(since)s)
AND (%(tests)s OR m.type <> 'webhook.test')
"""
# Messages that were given up, and those that wait, have indexes of their own, and most others were delivered.
_DEAD: LiteralString = "AND m.dead_at IS NOT NULL"
_WAITING: LiteralString = "AND m.due_at IS NOT NULL"
_BEYOND: LiteralString = """
(%(before_at)s::timestamptz IS NULL OR (m.created_at, m.id) < (%(before_at)s, %(before)s::uuid))
"""
_SELECT: LiteralString = f"""
SELECT m.id, m.tenant, m.type, {MESSAGE_STATE} AS state, m.job_id, m.endpoint_id, coalesce(e.url, m.url) AS url,
       m.attempts, m.replays, m.last_status, m.last_error, m.last_answer, m.created_at, m.due_at, m.last_attempt_at,
       m.delivered_at, m.dead_at
FROM webhook_messages m LEFT JOIN webhook_endpoints e ON e.id = m.endpoint_id
"""  # noqa: S608 - put together from constants
_LIST: LiteralString = f"""
{_SELECT} WHERE {_WHERE} AND {_BEYOND} ORDER BY m.created_at DESC, m.id DESC LIMIT %(limit)s
"""
# The newest of a tenant by index, of which the conditions are then checked: bounded, however few messages meet them.
_LOOK: LiteralString = f"""
WITH looked AS MATERIALIZED (
    SELECT m.id, m.created_at, {_WHERE.format(open="")} AS hit FROM webhook_messages m
    WHERE m.tenant = %(tenant)s AND {_BEYOND} AND (%(since)s::timestamptz IS NULL OR m.created_at >= %(since)s)
    ORDER BY m.created_at DESC, m.id DESC LIMIT %(look)s
), hits AS (
    SELECT id, created_at FROM looked WHERE hit ORDER BY created_at DESC, id DESC LIMIT %(limit)s
)
SELECT coalesce((SELECT array_agg(id ORDER BY created_at DESC, id DESC) FROM hits), '{{}}'),
       (SELECT count(*) FROM looked), l.created_at, l.id
FROM (SELECT) one LEFT JOIN (SELECT created_at, id FROM looked ORDER BY created_at, id LIMIT 1) l ON true
"""  # noqa: S608 - as above
_BY_IDS: LiteralString = f"{_SELECT} WHERE m.id = ANY(%(ids)s) ORDER BY m.created_at DESC, m.id DESC"
LOOKED_AT = 1_000
"""How many messages a page of a narrow list looks at."""
# Not a message that is being sent: the result of that attempt would be lost.
_REPLAY: LiteralString = f"""
UPDATE webhook_messages m SET due_at = now(), claim = m.claim + 1, leased = false, attempts = 0,
    first_attempt_at = NULL, delivered_at = NULL, dead_at = NULL, replays = least(m.replays + 1, 32767)
WHERE {_WHERE} AND NOT (m.leased AND m.due_at > now())
  AND (m.endpoint_id IS NULL OR EXISTS (
      SELECT FROM webhook_endpoints e WHERE e.id = m.endpoint_id AND e.disabled_at IS NULL))
RETURNING m.id
"""  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages to select; None does not filter."""

    tenant: str | None = None
    ids: Sequence[UUID] | None = None
    states: Sequence[MessageState] | None = None
    endpoint_id: UUID | None = None
    job_id: UUID | None = None
    type: str | None = None
    since: datetime | None = None
    """Created at this time or later."""
    tests: bool = True
    """Whether test messages are included."""

    @property
    def is_narrow(self) -> bool:
        """Whether some condition cannot be answered from an index, so that the tenant's messages must be looked at."""
        found = self.ids is None and self.job_id is None and not self.by_index and self.tenant is not None
        return found and (self.states is not None or self.endpoint_id is not None or self.type is not None)

    @property
    def by_index(self) -> LiteralString:
        """What the states mean, as the condition of an index."""
        wanted = set(self.states or MessageState)
        if wanted == {MessageState.DEAD}:
            return _DEAD
        return _WAITING if wanted <= {MessageState.PENDING, MessageState.RETRYING} else ""

    def parameters(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "ids": None if self.ids is None else list(self.ids),
            "states": None if self.states is None else [str(state) for state in self.states],
            "endpoint_id": self.endpoint_id,
            "job_id": self.job_id,
            "type": self.type,
            "since": self.since,
            "tests": self.tests,
        }


def list_messages(
    conn: Connection,
    wanted: MessageFilter,
    *,
    before: Place | None = None,
    limit: int = 50,
) -> list[MessageView]:
    """Messages, newest first; `before` is the last one (created_at, id) of the previous page."""
    at, last = before or (None, None)
    parameters = wanted.parameters() | {"before_at": at, "before": last, "limit": limit}
    with conn.cursor(row_factory=class_row(MessageView)) as cursor:
        return cursor.execute(_LIST.format(open=wanted.by_index), parameters).fetchall()


@dataclass(frozen=True, slots=True)
class FoundMessages:
    """A page of messages, newest first. `next_before`: where the next page continues; None: this is the last one."""

    messages: list[MessageView]
    next_before: Place | None


def find_messages(
    conn: Connection, wanted: MessageFilter, *, before: Place | None = None, limit: int = 50
) -> FoundMessages:
    """The same with a bounded effort: a page of a narrow filter may have fewer messages than `limit`, or none, although
    more follow."""
    if not wanted.is_narrow:
        found = list_messages(conn, wanted, before=before, limit=limit + 1)
        return FoundMessages(found[:limit], found[limit - 1].place if len(found) > limit else None)
    at, last = before or (None, None)
    parameters = wanted.parameters() | {"before_at": at, "before": last, "limit": limit + 1, "look": LOOKED_AT}
    row = conn.execute(_LOOK, parameters).fetchone()
    ids, looked, oldest_at, oldest = ([], 0, None, None) if row is None else row
    with conn.cursor(row_factory=class_row(MessageView)) as cursor:
        found = cursor.execute(_BY_IDS, {"ids": ids[:limit]}).fetchall()
    if len(ids) > limit and found:
        return FoundMessages(found, found[-1].place)
    return FoundMessages(found, (oldest_at, oldest) if looked == LOOKED_AT else None)


def replay_messages(conn: Connection, wanted: MessageFilter) -> list[UUID]:
    """Send messages again under the same ids, with their attempts counted from 0; gives the ids. Messages of removed
    or disabled endpoints and messages that are being sent are left out."""
    ids = [row[0] for row in conn.execute(_REPLAY.format(open=wanted.by_index), wanted.parameters())]
    wake_receivers(conn, ids)
    return ids


_COUNTS: LiteralString = """
SELECT state, sum(messages)::bigint FROM message_counts GROUP BY 1 HAVING sum(messages) <> 0
"""
_OLDEST: LiteralString = """
SELECT extract(epoch FROM now() - min(created_at))::float8 FROM webhook_messages WHERE due_at IS NOT NULL
"""


def message_counts(conn: Connection) -> tuple[dict[str, int], float | None]:
    """How many messages are in each state, and the age in seconds of the oldest pending or retrying one (None: there is
    none)."""
    return dict(conn.execute(_COUNTS).fetchall()), oldest_waiting_s(conn)


def oldest_waiting_s(conn: Connection) -> float | None:
    """The age in seconds of the oldest message that is neither delivered nor given up; None: there is none."""
    row = conn.execute(_OLDEST).fetchone()
    return None if row is None else row[0]
