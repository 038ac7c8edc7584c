"""Walk the queue from share to share: one leap in an index for each, however many jobs wait.

Within a share the jobs are apart by lane and by route, so what an account cannot serve costs a leap, too. The walk of
the tenants leaps to the next one as soon as it has found something to serve. Jobs that were tried before have an index
of their own with the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from storage.admission.campaign_pace import GOES_ON, USED
from storage.admission.queued_claims import OF_KIND, Which
from storage.database import Connection
from storage.jobs.claims import ROUTE, TRIED
from storage.jobs.prices import NO_CAMPAIGN, room_of, something_fits

_PIN: LiteralString = "coalesce(account_pin, ''::text)"
# One query for each priority, not one for all: with the priority as a constant the walk leaps in the index.
_QUEUED: dict[Which, LiteralString] = {
    Which.ANY: "FROM jobs WHERE state = 'queued'",
    Which.FRESH: "FROM jobs WHERE state = 'queued'",
    Which.TRIED: f"FROM jobs WHERE state = 'queued' AND {TRIED}",
}
ORDER: LiteralString = f"ORDER BY priority DESC, tenant, {NO_CAMPAIGN}, {_PIN}, lane, {ROUTE}, due_at, id LIMIT 1"
PLACE: LiteralString = f"{NO_CAMPAIGN} AS campaign, {_PIN} AS pin, lane, {ROUTE} AS route"
KEY: LiteralString = f"tenant, {NO_CAMPAIGN}, {_PIN}, lane, {ROUTE}"
_CAN_SERVE: LiteralString = f"""due_at <= now() AND {_PIN} IN ('', %(account)s) AND lane <> ALL(%(closed)s::text[])
    AND %(gateway)s = ANY(gateways) AND %(account)s <> ALL(barred_accounts)"""
_MAY_SERVE: LiteralString = """(%(served)s::text[] IS NULL OR tenant = ANY(%(served)s::text[]))
    AND tenant <> ALL(%(not_served)s::text[])"""
_BEHIND_ALL: LiteralString = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"


def _next_priority(which: Which) -> LiteralString:
    return f"SELECT priority {_QUEUED[which]} AND priority < %(below)s ORDER BY priority DESC LIMIT 1"


def _tenants(which: Which) -> LiteralString:
    step: LiteralString = f"""
        SELECT tenant, {PLACE}, {_MAY_SERVE} AND {_CAN_SERVE} AND {OF_KIND[which]} AS found, {_MAY_SERVE} AS allowed
        {_QUEUED[which]} AND priority = %(priority)s"""
    return f"""
WITH RECURSIVE walk AS (
    ({step} {ORDER})
    UNION ALL
    SELECT n.* FROM walk w CROSS JOIN LATERAL ({step}
        AND ({KEY})
            > (w.tenant, CASE WHEN w.found OR NOT w.allowed THEN {_BEHIND_ALL} ELSE w.campaign END, w.pin, w.lane,
               w.route)
        {ORDER}) n
)
SELECT w.tenant, t.served_at IS NOT NULL, t.served_at, coalesce(n.weight, 1), coalesce(t.taken, 0), t.campaign, t.pin,
       coalesce(t.share_taken, 0)
FROM walk w
LEFT JOIN account_turns t ON t.account = %(account)s AND t.tenant = w.tenant
LEFT JOIN tenants n ON n.name = w.tenant
LEFT JOIN budgets b ON b.tenant = w.tenant AND b.campaign_id = %(whole)s
WHERE w.found AND coalesce(b.held_until <= now(), true)
"""  # noqa: S608 - as above


def _shares(which: Which, begin: LiteralString) -> LiteralString:
    step: LiteralString = f"""
        SELECT {PLACE}, {_CAN_SERVE} AND {OF_KIND[which]} AS found
        {_QUEUED[which]} AND priority = %(priority)s AND tenant = %(tenant)s"""
    # The outer LIMIT ends the recursion: the walk goes no farther than its rows are read.
    return f"""
WITH RECURSIVE {USED}, walk AS (
    ({step} AND ({NO_CAMPAIGN}, {_PIN}) {begin} (%(campaign)s::uuid, %(pin)s::text) {ORDER})
    UNION ALL
    SELECT n.* FROM walk w CROSS JOIN LATERAL ({step}
        AND ({NO_CAMPAIGN}, {_PIN}, lane, {ROUTE}) > (w.campaign, w.pin, w.lane, w.route)
        {ORDER}) n
)
SELECT w.campaign, w.pin, w.lane, w.route, coalesce(c.weight, 1), r.room IS NOT NULL, c.max_concurrent
FROM walk w LEFT JOIN campaigns c ON c.id = w.campaign
CROSS JOIN LATERAL {room_of("%(tenant)s", "w.campaign")} r
WHERE w.found AND c.paused_at IS NULL AND {GOES_ON} AND {something_fits("%(tenant)s", "w.campaign")}
LIMIT %(limit)s
"""  # noqa: S608 - as above


_NEXT_PRIORITY = {which: _next_priority(which) for which in Which}
_TENANTS = {which: _tenants(which) for which in Which}
_SHARES_AFTER = {which: _shares(which, ">") for which in Which}
_SHARES_FROM = {which: _shares(which, ">=") for which in Which}


def next_priority(conn: Connection, which: Which, below: int) -> int | None:
    """The highest priority below this one that a queued job has; None: there is none."""
    row = conn.execute(_NEXT_PRIORITY[which], {"below": below}).fetchone()
    return None if row is None else int(row[0])


def tenants_to_serve(conn: Connection, which: Which, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The tenants with a job of one priority that the account can serve: (name, whether it was served before, when
    last, weight, slots taken of its turn, and of its last share the campaign, the pinned account and the jobs taken).
    """
    return conn.execute(_TENANTS[which], parameters).fetchall()


def shares_to_serve(
    conn: Connection, which: Which, parameters: Mapping[str, Any], *, after: bool
) -> list[tuple[Any, ...]]:
    """The lanes and routes of a tenant's shares with a job of one priority that the account can serve, from a share on
    or `after` it: (campaign, pinned account, lane, route, weight, whether a budget limits it, jobs at once)."""
    return conn.execute((_SHARES_AFTER if after else _SHARES_FROM)[which], parameters).fetchall()
