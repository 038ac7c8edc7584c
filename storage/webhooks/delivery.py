"""SQL for sending webhook messages: lease one batch per receiver, load it, record the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from psycopg.rows import class_row

from storage.database import Connection
from storage.leases import Claimed
from storage.logs.story import COLUMNS, Story, story

SUSPECTS = 20
"""Receivers with a batch under way that did not answer lately, of all tenants together."""

DUE_AT_MOST, NEWEST, WALK = 2_000, 500, 250
"""With no more due messages than `DUE_AT_MOST`, their receivers are found from them. With more, one receiver could have
all of the oldest: then those of the `NEWEST` messages and the next `WALK` receivers of a walk over all are looked at,
too."""


@dataclass(slots=True)
class Walk:
    """Where the walk over all receivers goes on: behind this one. It ends at the last, and begins again."""

    tenant: str = ""
    target: str = ""


# One batch per receiver at a time, so that a slow receiver takes one place only. Tenants take turns, the one with the
# fewest places first, and a tenant gets another one while it has fewer than are free: alone it gets half of them, and
# the next one finds a free one. The receivers of a tenant come in random order, those that did not answer
# lately last: sorted by age, they would always come first. The walk leaps in the index from receiver to receiver, to
# the oldest message of each.
_CLAIM: LiteralString = f"""
WITH RECURSIVE oldest AS MATERIALIZED (
    SELECT tenant, target FROM webhook_messages WHERE due_at <= now() ORDER BY due_at LIMIT {DUE_AT_MOST} + 1
), many AS MATERIALIZED (
    SELECT count(*) > {DUE_AT_MOST} AS are_due FROM oldest
), newest AS MATERIALIZED (
    SELECT tenant, target FROM webhook_messages
    WHERE due_at <= now() AND (SELECT are_due FROM many) ORDER BY due_at DESC LIMIT {NEWEST}
), walk AS (
    (SELECT tenant, target, due_at, 1 AS nth FROM webhook_messages
     WHERE due_at IS NOT NULL AND (tenant, target) > (%(after_tenant)s, %(after_target)s)
       AND (SELECT are_due FROM many) ORDER BY tenant, target, due_at LIMIT 1)
    UNION ALL
    SELECT n.tenant, n.target, n.due_at, w.nth + 1 FROM walk w CROSS JOIN LATERAL (
        SELECT tenant, target, due_at FROM webhook_messages
        WHERE due_at IS NOT NULL AND (tenant, target) > (w.tenant, w.target)
        ORDER BY tenant, target, due_at LIMIT 1) n
    WHERE w.nth < {WALK}
), busy AS MATERIALIZED (
    SELECT m.tenant, m.target, r.failures IS NOT NULL AS suspect
    FROM (SELECT DISTINCT tenant, target FROM webhook_messages WHERE leased AND due_at > now()) m
    LEFT JOIN webhook_receivers r ON r.tenant = m.tenant AND r.target = m.target
), due_receivers AS MATERIALIZED (
    SELECT w.tenant, w.target, r.failures IS NOT NULL AS suspect, coalesce(r.failures > 1, false) AS probe
    FROM (SELECT tenant, target FROM walk WHERE due_at <= now() UNION SELECT * FROM newest UNION SELECT * FROM oldest) w
    LEFT JOIN webhook_receivers r ON r.tenant = w.tenant AND r.target = w.target
    WHERE coalesce(r.open_until <= now(), true)
      AND NOT EXISTS (SELECT FROM busy b WHERE b.tenant = w.tenant AND b.target = w.target)
), turns AS (
    SELECT d.tenant, target, suspect, probe, coalesce(b.places, 0)
           + row_number() OVER (PARTITION BY d.tenant ORDER BY suspect, random()) AS turn
    FROM due_receivers d
    LEFT JOIN (SELECT tenant, count(*) AS places FROM busy GROUP BY tenant) b ON b.tenant = d.tenant
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY suspect ORDER BY turn, random()) AS nth FROM turns
), placed AS MATERIALIZED (
    SELECT tenant, target, probe, turn, row_number() OVER (ORDER BY turn, random()) AS place FROM numbered
    WHERE NOT suspect OR nth <= %(suspects)s - (SELECT count(*) FROM busy WHERE suspect)
), free AS MATERIALIZED (
    SELECT tenant, target, probe FROM placed
    WHERE place <= %(room)s AND turn <= %(receivers)s - (SELECT count(*) FROM busy) - (place - 1)
), due AS MATERIALIZED (
    SELECT m.id FROM free f CROSS JOIN LATERAL (
        SELECT id FROM webhook_messages WHERE tenant = f.tenant AND target = f.target AND due_at <= now()
        ORDER BY due_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) m
    WHERE NOT f.probe
    UNION ALL
    SELECT m.id FROM free f CROSS JOIN LATERAL (
        SELECT id FROM webhook_messages WHERE tenant = f.tenant AND target = f.target AND due_at <= now()
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) m
    WHERE f.probe
), leased AS (
    UPDATE webhook_messages m SET leased = true, claim = m.claim + 1,
        due_at = now() + make_interval(secs => %(lease_s)s)
    FROM due WHERE m.id = due.id RETURNING m.id, m.claim, m.tenant || ' ' || m.target AS account
)
SELECT l.id, l.claim, l.account, w.tenant, w.target
FROM (SELECT) one LEFT JOIN walk w ON w.nth = {WALK} LEFT JOIN leased l ON true
"""  # noqa: S608 - put together from constants


def claim_messages(
    conn: Connection, room: int, receivers: int, batch: int, lease_s: float, walk: Walk | None = None
) -> list[Claimed]:
    """Lease due messages: up to `batch` for each of up to `room` receivers that have no batch under way. No more than
    `receivers` receivers have a batch at the same time, and a tenant alone gets half of that. `account` is the tenant
    and the receiver. `walk`: where it goes on, from claim to claim; None: from the first receiver."""
    walk = walk or Walk()
    parameters = {
        "room": room,
        "receivers": receivers,
        "batch": batch,
        "lease_s": lease_s,
        "suspects": SUSPECTS,
        "after_tenant": walk.tenant,
        "after_target": walk.target,
    }
    rows = conn.execute(_CLAIM, parameters).fetchall()
    walk.tenant, walk.target = rows[0][3] or "", rows[0][4] or ""
    return [Claimed(*row[:3]) for row in rows if row[0] is not None]


_RELEASE: LiteralString = """
UPDATE webhook_messages m SET leased = false, due_at = now()
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE m.id = i.id AND m.claim = i.claim AND m.leased
"""


def release_messages(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Return claimed messages that will not be sent: they are due at once."""
    if claimed:
        conn.execute(_RELEASE, {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send, with its receiver. `url` None: the endpoint was removed."""

    id: UUID
    claim: int
    tenant: str
    target: str
    """The receiver: its messages have the same."""
    type: str
    job_id: UUID | None
    endpoint_id: UUID | None
    url: str | None
    data: dict[str, Any] | None
    attempts: int
    tried_for_s: float
    """Seconds since the first attempt; 0 before it."""
    created_at: datetime
    secrets: list[str]
    """The endpoint's, newest first; empty for a job's URL, whose messages are signed with the tenant's secrets."""
    disabled_reason: str | None
    job: list[Any] | None
    """Of its job, the `COLUMNS` of `storage.logs.story`; None: it is about no job."""
    lease_left_s: float
    traceparent: str | None
    """The trace that its job belongs to."""

    @property
    def story(self) -> Story:
        """The fields of its job in a log; without a job, its tenant only."""
        return {"tenant": self.tenant} if self.job is None else story(*self.job)


_LOAD: LiteralString = f"""
SELECT m.id, m.claim, m.tenant, m.target, m.type, m.job_id, m.endpoint_id, coalesce(e.url, m.url) AS url, m.data,
       m.attempts, coalesce(extract(epoch FROM now() - m.first_attempt_at), 0)::float8 AS tried_for_s, m.created_at,
       array_remove(ARRAY[e.secret, CASE WHEN e.previous_until > now() THEN e.previous_secret END], NULL) AS secrets,
       CASE WHEN e.disabled_at IS NOT NULL THEN coalesce(e.disabled_reason, 'disabled') END AS disabled_reason,
       CASE WHEN j.id IS NOT NULL THEN jsonb_build_array({COLUMNS}) END AS job,
       extract(epoch FROM m.due_at - now())::float8 AS lease_left_s, j.traceparent
FROM webhook_messages m
JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON m.id = i.id AND m.claim = i.claim
LEFT JOIN webhook_endpoints e ON e.id = m.endpoint_id LEFT JOIN jobs j ON j.id = m.job_id
WHERE m.leased AND m.due_at > now()
ORDER BY m.created_at, m.id
"""  # noqa: S608 - put together from constants


def load_messages(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> list[Outgoing]:
    """The messages of a batch whose lease still holds, oldest first."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
    with conn.cursor(row_factory=class_row(Outgoing)) as cursor:
        return cursor.execute(_LOAD, parameters).fetchall()


@dataclass(frozen=True, slots=True)
class Sent:
    """The result for a message: delivered, dead, or due again in `due_in_s` seconds."""

    id: UUID
    claim: int
    delivered: bool = False
    dead: bool = False
    due_in_s: float | None = None
    tried: bool = True
    """Whether a POST was sent; only those count as attempts. Without a POST, an `error` still starts the day in which
    the message must be delivered."""
    status: int | None = None
    error: str | None = None
    answer: str | None = None


_RECORD: LiteralString = """
UPDATE webhook_messages m SET
    leased = false,
    due_at = now() + make_interval(secs => i.due_in_s),
    attempts = least(m.attempts + i.tried::int, 32767),
    first_attempt_at = CASE WHEN i.tried OR i.error IS NOT NULL THEN coalesce(m.first_attempt_at, now())
                            ELSE m.first_attempt_at END,
    last_attempt_at = CASE WHEN i.tried THEN now() ELSE m.last_attempt_at END,
    last_status = CASE WHEN i.tried THEN i.status ELSE m.last_status END,
    last_error = coalesce(i.error, CASE WHEN NOT i.tried THEN m.last_error END),
    last_answer = CASE WHEN i.tried THEN i.answer ELSE m.last_answer END,
    delivered_at = CASE WHEN i.delivered THEN now() END,
    dead_at = CASE WHEN i.dead THEN now() END
FROM jsonb_to_recordset(%(sent)s::jsonb) AS i(id uuid, claim bigint, delivered boolean, dead boolean, due_in_s float8,
                                              tried boolean, status smallint, error text, answer text)
WHERE m.id = i.id AND m.claim = i.claim AND m.leased
"""


def record_sent(conn: Connection, sent: Sequence[Sent]) -> None:
    """Record results. A message that was leased again since is left unchanged."""
    if sent:
        text = orjson.dumps([asdict(item) for item in sent]).decode()
        conn.execute(_RECORD, {"sent": text.replace(r"\u0000", "")})


_SWEEP: LiteralString = """
DELETE FROM webhook_messages WHERE id = ANY(ARRAY(
    (SELECT id FROM webhook_messages WHERE delivered_at < now() - make_interval(days => %(delivered_days)s)
     ORDER BY delivered_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    || ARRAY(
    (SELECT id FROM webhook_messages WHERE dead_at < now() - make_interval(days => %(dead_days)s)
     ORDER BY dead_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)))
"""


def sweep_messages(conn: Connection, delivered_days: int, dead_days: int, limit: int) -> int:
    """Delete messages that were delivered or given up that many days ago, the oldest first, up to `limit` of each kind;
    gives how many were deleted."""
    parameters = {"delivered_days": delivered_days, "dead_days": dead_days, "limit": limit}
    return conn.execute(_SWEEP, parameters).rowcount
