"""Lease queued jobs for an account, from the shares that fair share has chosen.

The index `jobs_routes_idx` keeps the jobs of a share apart by lane and by route, so that a claim reads no job that the
account cannot serve; `jobs_tried_idx` holds only those that were tried before.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jobs.claims import FRESH, ROUTE, TRIED
from storage.jobs.prices import FITS_AT_ACCOUNT, NO_CAMPAIGN, NOT_SET_ASIDE, room_of

LOOKED_AT = 500
"""How many jobs of a share with a budget are examined at most to find some that fit."""


class Which(Enum):
    """Which queued jobs to claim, by whether they were tried before and came back; see `TRIED_BEFORE`."""

    ANY = "any"
    FRESH = "fresh"
    TRIED = "tried"


OF_KIND: Mapping[Which, LiteralString] = {Which.ANY: "true", Which.FRESH: FRESH, Which.TRIED: TRIED}
"""The condition on a queued job."""
_ASKED: LiteralString = """unnest(%(turns)s::int[], %(campaigns)s::uuid[], %(pins)s::text[], %(lanes)s::text[],
    %(routes)s::bigint[], %(counts)s::int[], %(models)s::text[], %(most)s::int[])
    AS s(turn, campaign, pin, lane, route, wanted, model, most)"""
_OF_SHARE: LiteralString = f"""priority = %(priority)s AND tenant = %(tenant)s AND {NO_CAMPAIGN} = s.campaign
    AND coalesce(account_pin, ''::text) = s.pin AND lane = s.lane AND {ROUTE} = s.route AND due_at <= now()
    AND %(gateway)s = ANY(gateways) AND %(account)s <> ALL(barred_accounts) AND cancel_request IS NULL"""
# Each share yields its oldest jobs, from all its lanes and routes together, and no model gets more than it has slots.
_DEALT: LiteralString = """
dealt AS (
    SELECT *, row_number() OVER (PARTITION BY turn ORDER BY due_at, id) AS place FROM due
), fitting AS (
    SELECT id, turn, model, most, row_number() OVER (PARTITION BY model ORDER BY place, turn) AS nth
    FROM dealt WHERE place <= wanted
)
UPDATE jobs j SET claim = j.claim + 1, account = %(account)s, due_at = now() + make_interval(secs => %(lease_s)s)
FROM fitting f WHERE j.id = f.id AND f.nth <= f.most RETURNING f.turn, j.id, j.claim, f.model
"""


# CTEs, not sub-selects: PostgreSQL may run a LIMITed sub-select again inside a nested loop and claim more than asked.
def _claim_queued(which: Which) -> LiteralString:
    return f"""
WITH due AS (
    SELECT s.turn, s.wanted, s.model, s.most, d.id, d.due_at FROM {_ASKED} CROSS JOIN LATERAL (
        SELECT id, due_at FROM jobs WHERE state = 'queued' AND {_OF_SHARE} AND {OF_KIND[which]}
        ORDER BY due_at, id LIMIT s.wanted FOR UPDATE SKIP LOCKED) d
), {_DEALT}"""  # noqa: S608 - put together from constants


# With a budget, take the oldest jobs that fit among the first ones; if too few do, look through the cheapest. No other
# scheduler claims at the same time: the budgets are locked.
def _claim_limited(which: Which) -> LiteralString:
    return f"""
WITH shares AS (
    SELECT s.*, r.currency, r.room FROM {_ASKED} CROSS JOIN LATERAL {room_of("%(tenant)s", "s.campaign")} r
), found AS (
    SELECT s.turn, s.wanted, s.model, s.most, d.id, d.due_at FROM shares s CROSS JOIN LATERAL (
        WITH oldest AS (
            SELECT id, due_at FROM (
                SELECT id, due_at, prices FROM jobs WHERE state = 'queued' AND {_OF_SHARE} AND {OF_KIND[which]}
                ORDER BY due_at, id LIMIT {LOOKED_AT}) looked
            WHERE {FITS_AT_ACCOUNT} ORDER BY due_at, id LIMIT s.wanted
        )
        SELECT * FROM oldest
        UNION ALL
        (SELECT id, due_at FROM (
            SELECT * FROM jobs
            WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = %(tenant)s AND {NO_CAMPAIGN} = s.campaign
              AND price_currency = s.currency AND least_price <= s.room
            ORDER BY least_price LIMIT {LOOKED_AT}) looked
        WHERE (SELECT count(*) FROM oldest) < s.wanted AND id NOT IN (SELECT id FROM oldest) AND {_OF_SHARE}
          AND {OF_KIND[which]} AND {FITS_AT_ACCOUNT} ORDER BY due_at, id LIMIT s.wanted)) d
), due AS MATERIALIZED (
    SELECT f.* FROM found f JOIN jobs j ON j.id = f.id WHERE j.state = 'queued' AND j.due_at <= now()
    FOR UPDATE OF j SKIP LOCKED
), {_DEALT}"""  # noqa: S608 - put together from constants


_CLAIM_QUEUED = {which: _claim_queued(which) for which in Which}
_CLAIM_LIMITED = {which: _claim_limited(which) for which in Which}


def claim_queued(conn: Connection, which: Which, parameters: Mapping[str, Any]) -> list[tuple[int, UUID, int, str]]:
    """Lease queued jobs of one tenant and priority for an account, share by share: (turn, id, claim, model).

    `turns`, `campaigns`, `pins`, `lanes`, `routes`, `counts`, `models` and `most` are columns of one list: how many
    jobs to take from each lane and route of a share, its model, and how many more that model takes. See
    `storage.admission.fair_share`.
    """
    return conn.execute(_CLAIM_QUEUED[which], parameters).fetchall() if parameters["turns"] else []


def claim_limited(conn: Connection, which: Which, parameters: Mapping[str, Any]) -> list[tuple[int, UUID, int, str]]:
    """The same for shares with a budget: only jobs that fit into the rest of it. The caller has locked the budgets."""
    return conn.execute(_CLAIM_LIMITED[which], parameters).fetchall() if parameters["turns"] else []
