"""When a campaign submits: not before its start, not in its quiet hours, and at most its number of jobs at once.

The claim of a campaign without any of these does nothing more than before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from storage.admission.quiet_hours import QuietHours
from storage.admission.usage import UNCONFIRMED_SLOT_S
from storage.database import Connection
from storage.jobs.claims import ACCOUNTS

log = logging.getLogger("reelq.admission")

MAX_CONCURRENT = 100_000
_AT_ONCE = 500
_LOCK = 0x70616365  # any number, the same in every process

# Each by the index that suits it. Those that are generating, which are most, are a kept count, as for accounts; doubts
# are read from the youngest on, and claimed jobs account by account: of a tenant or a campaign, very many are queued. A
# late message may begin its job a moment after the lease.
_CLAIMED: LiteralString = f"""(SELECT q.tenant, q.campaign_id FROM {ACCOUNTS} a CROSS JOIN LATERAL (
      SELECT tenant, campaign_id FROM jobs
      WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
        AND (account, state, due_at) > (a.account, 'queued', now() - interval '1 minute')
        AND (account, state, due_at) <= (a.account, 'queued', 'infinity'::timestamptz)
      ORDER BY account, state, due_at OFFSET 0) q)"""  # noqa: S608 - put together from constants
_YOUNG: LiteralString = f"""(SELECT tenant, campaign_id FROM jobs
      WHERE state = 'unconfirmed' AND updated_at > now() - interval '{UNCONFIRMED_SLOT_S:.0f} s'
      ORDER BY updated_at DESC OFFSET 0)"""  # noqa: S608 - from a constant
IN_USE: LiteralString = f"""((SELECT coalesce(sum(u.jobs), 0)::bigint FROM job_counts u
     WHERE u.tenant = c.tenant AND u.campaign_id = c.id AND u.state = 'generating')
    + (SELECT count(*) FROM jobs u WHERE u.campaign_id = c.id AND u.state = 'submitting')
    + (SELECT count(*) FROM {_YOUNG} u WHERE u.campaign_id = c.id)
    + (SELECT count(*) FROM {_CLAIMED} u WHERE u.campaign_id = c.id))"""  # noqa: S608 - from constants
"""How many jobs of the campaign `c` are at gateways, or about to be: claimed, submitting, generating, or unconfirmed
for a short time."""
IS_OPEN: LiteralString = """((c.start_at IS NULL OR c.start_at <= now())
  AND (c.quiet_ends_at IS NULL OR now() < c.quiet_begins_at OR now() >= c.quiet_ends_at))"""
"""A condition on a campaign `c`, whose columns may all be NULL: it has started, and these are not its quiet hours."""
HAS_ROOM: LiteralString = """(c.max_concurrent IS NULL
  OR c.max_concurrent > coalesce((SELECT u.jobs FROM used u WHERE u.campaign_id = c.id), 0))"""
"""The same: it may have more jobs at gateways. A part of a query with `used_of`."""


def used_of(tenants: LiteralString) -> LiteralString:
    """A CTE `used`: the jobs of all campaigns of these tenants that are at gateways, or about to be. PostgreSQL runs it
    once if a campaign has a limit, and else not at all. `tenants` is an SQL array."""
    return f"""used AS MATERIALIZED (
    SELECT campaign_id, sum(jobs)::bigint AS jobs FROM (
        SELECT u.campaign_id, u.jobs FROM job_counts u WHERE u.tenant = ANY({tenants}) AND u.state = 'generating'
        UNION ALL
        SELECT u.campaign_id, 1 FROM jobs u WHERE u.tenant = ANY({tenants}) AND u.state = 'submitting'
        UNION ALL
        SELECT u.campaign_id, 1 FROM {_YOUNG} u WHERE u.tenant = ANY({tenants})
        UNION ALL
        SELECT u.campaign_id, 1 FROM {_CLAIMED} u WHERE u.tenant = ANY({tenants})) at_gateways
    GROUP BY campaign_id
)"""  # noqa: S608 - as above


_LOCKED: LiteralString = """
SELECT i.id FROM unnest(%(ids)s::uuid[], %(keys)s::int[]) AS i(id, key)
WHERE pg_try_advisory_xact_lock(%(lock)s, i.key)
"""
_COUNTED: LiteralString = f"SELECT c.id, {IN_USE} FROM campaigns c WHERE c.id = ANY(%(ids)s)"  # noqa: S608 - as above


def within_limits(conn: Connection, limits: Sequence[tuple[UUID, int | None]], wanted: Sequence[int]) -> list[int]:
    """How many of the `wanted` jobs may be claimed from each share, given its campaign and that campaign's limit (None:
    it has none). A campaign stays locked until the transaction ends, so that two schedulers cannot both use its rest;
    one that another scheduler holds at this moment gets nothing."""
    most = {campaign: limit for campaign, limit in limits if limit is not None}
    if not most:
        return list(wanted)
    keys = [campaign.int & 0x7FFFFFFF for campaign in most]
    locked = [row[0] for row in conn.execute(_LOCKED, {"ids": list(most), "keys": keys, "lock": _LOCK})]
    used: dict[UUID, int] = dict(conn.execute(_COUNTED, {"ids": locked}).fetchall())  # after the lock: a new snapshot
    left = {campaign: max(0, most[campaign] - used.get(campaign, 0)) for campaign in locked}
    bounded = []
    for (campaign, limit), count in zip(limits, wanted, strict=True):
        given = count if limit is None else min(count, left.get(campaign, 0))
        if limit is not None and campaign in left:
            left[campaign] -= given
        bounded.append(given)
    return bounded


# --- what people set ---


@dataclass(frozen=True, slots=True)
class Pace:
    """How a campaign submits. `start_at`, `max_concurrent` None: at once, without a limit. `quiet_until`: the quiet
    hours of this moment end then, None: it is not quiet. `in_use`: jobs that count for `max_concurrent`, if that is
    set."""

    start_at: datetime | None
    quiet_hours: str | None
    quiet_zone: str | None
    quiet_until: datetime | None
    waits_for_start: bool
    max_concurrent: int | None
    in_use: int | None

    @property
    def hold(self) -> tuple[str, datetime] | None:
        """Why nothing is submitted now, as a code of `storage.jobs.reasons`, and until when; None: nothing holds it."""
        if self.waits_for_start and self.start_at is not None:
            return "before_start", self.start_at
        return None if self.quiet_until is None else ("quiet_hours", self.quiet_until)

    def as_dict(self) -> dict[str, Any]:
        """The pace as JSON."""
        code, until = self.hold or (None, None)
        return {
            "start_at": self.start_at,
            "quiet_hours": self.quiet_hours,
            "time_zone": self.quiet_zone,
            "max_concurrent": self.max_concurrent,
            "in_use": self.in_use,
            "waits_for": code,
            "goes_on_at": until,
        }

    @property
    def is_full(self) -> bool:
        """Whether as many of its jobs as it may have are at gateways."""
        return self.max_concurrent is not None and (self.in_use or 0) >= self.max_concurrent


FREE = Pace(None, None, None, None, False, None, None)
# The id, then the fields of `Pace` in their order.
_PACE: LiteralString = f"""
SELECT c.id, c.start_at, c.quiet_hours, c.quiet_zone,
       CASE WHEN now() >= c.quiet_begins_at AND now() < c.quiet_ends_at THEN c.quiet_ends_at END AS quiet_until,
       coalesce(c.start_at > now(), false) AS waits_for_start, c.max_concurrent,
       CASE WHEN c.max_concurrent IS NOT NULL THEN {IN_USE} END AS in_use
FROM campaigns c
"""  # noqa: S608 - as above
_OF_JOB: LiteralString = _PACE + "JOIN jobs j ON j.campaign_id = c.id WHERE j.id = %(id)s"


def pace_of(conn: Connection, campaign_id: UUID) -> Pace:
    """The pace of a campaign."""
    return paces_of(conn, [campaign_id]).get(campaign_id, FREE)


def paces_of(conn: Connection, campaign_ids: Sequence[UUID]) -> dict[UUID, Pace]:
    """The pace of each of these campaigns."""
    rows = conn.execute(_PACE + "WHERE c.id = ANY(%(ids)s)", {"ids": list(campaign_ids)})
    return {campaign: Pace(*values) for campaign, *values in rows}


def pace_of_job(conn: Connection, job_id: UUID) -> Pace:
    """The pace of the campaign of a job; that of one without a campaign is free."""
    row = conn.execute(_OF_JOB, {"id": job_id}).fetchone()
    return FREE if row is None else Pace(*row[1:])


def set_start(conn: Connection, campaign_id: UUID, start_at: datetime | None) -> None:
    """Submit nothing of a campaign before this instant; None: at once."""
    conn.execute("UPDATE campaigns SET start_at = %s WHERE id = %s", [start_at, campaign_id])


def set_max_concurrent(conn: Connection, campaign_id: UUID, most: int | None) -> None:
    """Limit how many jobs of a campaign are at gateways at once; None: no limit. What is there already continues."""
    conn.execute("UPDATE campaigns SET max_concurrent = %s WHERE id = %s", [most, campaign_id])


_SET_QUIET: LiteralString = """
UPDATE campaigns SET quiet_hours = %(text)s, quiet_zone = %(zone)s, quiet_begins_at = %(begins)s,
    quiet_ends_at = %(ends)s
WHERE id = %(id)s
"""


def set_quiet_hours(conn: Connection, campaign_id: UUID, quiet: QuietHours | None) -> None:
    """Submit nothing of a campaign in these hours of each day; None: it has no quiet hours."""
    values: Mapping[str, object] = {"text": None, "zone": None, "begins": None, "ends": None}
    if quiet is not None:
        begins, ends = quiet.span(_now(conn))
        values = {"text": quiet.text, "zone": quiet.zone, "begins": begins, "ends": ends}
    conn.execute(_SET_QUIET, {**values, "id": campaign_id})


_OVER: LiteralString = """
SELECT id, quiet_hours, quiet_zone, quiet_begins_at, quiet_ends_at FROM campaigns
WHERE quiet_ends_at <= now() ORDER BY quiet_ends_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""


def renew_quiet_hours(conn: Connection) -> int:
    """Find the next quiet hours of campaigns whose last ones are over; returns how many campaigns there were."""
    renewed = 0
    while rows := conn.execute(_OVER, {"limit": _AT_ONCE}).fetchall():
        now = _now(conn)
        for campaign_id, text, zone, begins, ends in rows:
            try:
                quiet: QuietHours = QuietHours.parse(text, zone)
                begins, ends = quiet.span(now)
            except ValueError:  # this machine does not know the zone: the same hours as before, whatever the clocks do
                log.warning("campaign.unknown_time_zone campaign_id=%s zone=%s", campaign_id, zone)
                days = timedelta(days=(now - ends).days + 1)
                begins, ends = begins + days, ends + days
            values = {"id": campaign_id, "text": text, "zone": zone, "begins": begins, "ends": ends}
            conn.execute(_SET_QUIET, values)
        renewed += len(rows)
        if len(rows) < _AT_ONCE:
            break
    return renewed


def _now(conn: Connection) -> datetime:
    row = conn.execute("SELECT now()").fetchone()
    assert row is not None  # noqa: S101 - SELECT without FROM gives a row
    now: datetime = row[0]
    return now
