"""Lease queued jobs: find and lock the oldest of each place, then give them to the accounts that were chosen.

A place is a lane and a route of a share, at one priority. The index `jobs_routes_idx` keeps them apart, so that a claim
reads no job that the account cannot serve. An account that can serve one job of a place can serve all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from storage.admission.seekers import Which
from storage.database import Connection
from storage.jobs.claims import FRESH, NEXT_CLAIM, ROUTE, TRIED
from storage.jobs.prices import FITS_AT_ACCOUNT, NO_CAMPAIGN, NOT_SET_ASIDE, room_of

LOOKED_AT = 500
"""How many jobs of a share with a budget are examined at most to find some that fit."""

_PLACES: LiteralString = """unnest(%(priorities)s::int[], %(tenants)s::text[], %(campaigns)s::uuid[], %(pins)s::text[],
    %(lanes)s::text[], %(routes)s::bigint[], %(counts)s::int[], %(accounts)s::text[], %(kinds)s::text[])
    WITH ORDINALITY AS s(priority, tenant, campaign, pin, lane, route, wanted, account, kind, number)"""
_OF_PLACE: LiteralString = f"""priority = s.priority AND tenant = s.tenant AND {NO_CAMPAIGN} = s.campaign
    AND coalesce(account_pin, ''::text) = s.pin AND lane = s.lane AND {ROUTE} = s.route AND due_at <= now()
    AND cancel_request IS NULL"""
# Those that came back before have an index of their own. Among those that did not, some may have to be passed over.
_OF_KIND: Mapping[bool, LiteralString] = {
    True: f"{_OF_PLACE} AND {TRIED}",
    False: f"{_OF_PLACE} AND (s.kind <> 'fresh' OR {FRESH})",
}


def _find(of_kind: LiteralString) -> LiteralString:
    return f"""
SELECT s.number, d.due_at, d.id FROM {_PLACES} CROSS JOIN LATERAL (
    SELECT id, due_at FROM jobs WHERE state = 'queued' AND {of_kind}
    ORDER BY due_at, id LIMIT s.wanted FOR UPDATE SKIP LOCKED) d
"""  # noqa: S608 - put together from constants


# With a budget, take the oldest jobs that fit among the first ones; if too few do, look through the cheapest. No other
# scheduler claims at the same time: the budgets are locked. CTEs, not sub-selects: PostgreSQL may run a LIMITed
# sub-select again inside a nested loop and lock more than asked.
def _find_fitting(of_kind: LiteralString) -> LiteralString:
    return f"""
WITH places AS (
    SELECT s.*, r.currency, r.room FROM {_PLACES} CROSS JOIN LATERAL {room_of("s.tenant", "s.campaign")} r
), found AS (
    SELECT s.number, d.id, d.due_at FROM places s CROSS JOIN LATERAL (
        WITH oldest AS (
            SELECT id, due_at FROM (
                SELECT id, due_at, prices FROM jobs WHERE state = 'queued' AND {of_kind}
                ORDER BY due_at, id LIMIT {LOOKED_AT}) looked
            WHERE {FITS_AT_ACCOUNT} ORDER BY due_at, id LIMIT s.wanted
        )
        SELECT * FROM oldest
        UNION ALL
        (SELECT id, due_at FROM (
            SELECT * FROM jobs
            WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = s.tenant AND {NO_CAMPAIGN} = s.campaign
              AND price_currency = s.currency AND least_price <= s.room
            ORDER BY least_price LIMIT {LOOKED_AT}) looked
        WHERE (SELECT count(*) FROM oldest) < s.wanted AND id NOT IN (SELECT id FROM oldest) AND {of_kind}
          AND {FITS_AT_ACCOUNT} ORDER BY due_at, id LIMIT s.wanted)) d
), locked AS MATERIALIZED (
    SELECT j.id FROM jobs j WHERE j.id IN (SELECT id FROM found) AND j.state = 'queued' AND j.due_at <= now()
    FOR UPDATE SKIP LOCKED
)
SELECT f.number, f.due_at, f.id FROM found f JOIN locked l ON l.id = f.id
"""  # noqa: S608 - as above


_FIND = {
    (limited, tried): _find_fitting(of_kind) if limited else _find(of_kind)
    for limited in (False, True)
    for tried, of_kind in _OF_KIND.items()
}
# The conditions hold for every job of the place, unless two routes have the same hash.
_LEASE: LiteralString = f"""
UPDATE jobs j SET claim = {NEXT_CLAIM}, account = i.account, due_at = now() + make_interval(secs => %(lease_s)s)
FROM unnest(%(ids)s::uuid[], %(accounts)s::text[], %(gateways)s::text[]) AS i(id, account, gateway)
WHERE j.id = ANY(%(ids)s) AND j.id = i.id AND i.gateway = ANY(j.gateways) AND i.account <> ALL(j.barred_accounts)
RETURNING j.id, j.claim
"""  # noqa: S608 - as above


class Place(NamedTuple):
    """Where queued jobs wait. `account`: for which account the prices must fit into the budgets; empty: there is no
    budget. `which`: only those that came back before, or only the others."""

    priority: int
    tenant: str
    campaign: UUID
    pin: str
    lane: str
    route: int
    account: str
    which: Which = Which.ANY


@dataclass(frozen=True, slots=True)
class Lease:
    """A job for an account."""

    id: UUID
    account: str
    gateway: str


def lock_oldest(conn: Connection, wanted: Mapping[Place, int]) -> dict[Place, list[tuple[datetime, UUID]]]:
    """Lock the oldest jobs of each place, as many as are wanted there; by place: when each became due, and its id.

    Of a place with a budget only jobs that fit into the rest of it; the caller has locked the budgets.
    """
    found: dict[Place, list[tuple[datetime, UUID]]] = {place: [] for place in wanted}
    of_sql: dict[tuple[bool, bool], list[Place]] = defaultdict(list)
    for place in wanted:
        of_sql[bool(place.account), place.which is Which.TRIED].append(place)
    for kind, places in of_sql.items():
        sql = _FIND[kind]
        names = ("priorities", "tenants", "campaigns", "pins", "lanes", "routes", "accounts", "kinds")
        columns: dict[str, object] = dict(zip(names, map(list, zip(*places, strict=True)), strict=True))
        columns["kinds"] = [str(place.which) for place in places]
        for number, due_at, job_id in conn.execute(sql, columns | {"counts": [wanted[place] for place in places]}):
            found[places[number - 1]].append((due_at, job_id))
    return {place: sorted(jobs) for place, jobs in found.items()}


def lease(conn: Connection, jobs: Sequence[Lease], lease_s: float) -> dict[UUID, int]:
    """Lease locked jobs to their accounts; returns the claim number of each."""
    if not jobs:
        return {}
    columns = {
        "ids": [job.id for job in jobs],
        "accounts": [job.account for job in jobs],
        "gateways": [job.gateway for job in jobs],
        "lease_s": lease_s,
    }
    return dict(conn.execute(_LEASE, columns).fetchall())
