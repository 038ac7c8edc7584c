"""SQL to find the queued jobs that fit into the rest of their budgets, and to set aside those that do not.

A job may have a different price at each account that can serve it. `prices` holds them by account and currency;
`least_price` is the lowest in `price_currency`. A job whose lowest price exceeds the rest is set aside, so that claims
do not read it again and again, and comes back when it fits. While no job of a share fits, the share is skipped and
nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jsonb import dumps, members, number

NO_CAMPAIGN: LiteralString = "coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid)"
NOT_SET_ASIDE: LiteralString = "coalesce(reason, '') NOT IN ('over_budget', 'no_price')"
AT_ONCE = 100
"""How many jobs one claim sets aside, or examines for their price in another currency."""
BACK_AT_ONCE = 500
_SET_ASIDE_S = 3600.0


def room_of(tenant: LiteralString, campaign: LiteralString) -> LiteralString:
    """A sub-select: the rest (`room`) and `currency` of all budgets that a campaign of a tenant counts in. NULL: no
    budget. Empty currency: the budgets have several currencies, and no price counts in all of them."""
    return f"""(
    SELECT CASE WHEN min(currency) IS DISTINCT FROM max(currency) THEN '' ELSE min(currency) END AS currency,
           min(amount - spent - reserved) AS room
    FROM budgets
    WHERE tenant = {tenant} AND campaign_id IN ({campaign}, '00000000-0000-0000-0000-000000000000'::uuid))"""  # noqa: S608 - put together from constants


def something_fits(tenant: LiteralString, campaign: LiteralString) -> LiteralString:
    """A condition on a `room_of` named `r`: there is no budget, or some waiting job fits, or some job must be examined
    because its price is in another currency. Each part is one index lookup."""
    waiting = f"""EXISTS (
    SELECT FROM jobs WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = {tenant} AND {NO_CAMPAIGN} = {campaign}"""
    return f"""(r.room IS NULL OR {waiting} AND price_currency = r.currency AND least_price <= r.room)
    OR {waiting} AND price_currency < r.currency) OR {waiting} AND price_currency > r.currency))"""


def priced_in(currency: LiteralString) -> LiteralString:
    """A condition on a job: some account has a price in that currency."""
    return f"jsonb_path_exists(prices, ('$.*.\"' || {currency} || '\" ? (@.type() == \"number\")')::jsonpath)"


FITS_AT_ACCOUNT: LiteralString = f"""(CASE
    WHEN prices ? s.account
    THEN coalesce({number("prices -> s.account -> s.currency")} <= s.room,
                  NOT {priced_in("s.currency")})
    ELSE true END)"""
"""A condition on a job and a share `s` with its account and room: its price there fits, or must be examined. A job with
a price in the currency only at other accounts is left to them."""

_IN_OTHERS: LiteralString = f"""(
        SELECT id FROM jobs
        WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = rooms.tenant AND {NO_CAMPAIGN} = rooms.campaign
          AND price_currency {{than}} rooms.currency
          AND {priced_in("rooms.currency")}
        LIMIT {AT_ONCE})"""  # noqa: S608 - as above
_LEAST: LiteralString = f"""(
        SELECT min({number("e.value -> o.currency")}) FROM jsonb_each({members("j.prices")}) e)"""  # noqa: S608 - as above
_KEY_BY_CURRENCY: LiteralString = f"""
WITH rooms AS (
    SELECT c.*, r.currency FROM unnest(%(tenants)s::text[], %(campaigns)s::uuid[]) AS c(tenant, campaign)
    CROSS JOIN LATERAL {room_of("c.tenant", "c.campaign")} r WHERE r.currency <> ''
), others AS (
    SELECT o.id, rooms.currency FROM rooms CROSS JOIN LATERAL (
        {_IN_OTHERS.format(than="<")} UNION ALL {_IN_OTHERS.format(than=">")}) o
)
UPDATE jobs j SET price_currency = o.currency,
    least_price = coalesce({_LEAST}, 0)
FROM others o WHERE j.id = o.id
"""  # noqa: S608 - as above
_SET_ASIDE: LiteralString = f"""
WITH rooms AS (
    SELECT c.*, r.* FROM unnest(%(tenants)s::text[], %(campaigns)s::uuid[]) AS c(tenant, campaign)
    CROSS JOIN LATERAL {room_of("c.tenant", "c.campaign")} r WHERE r.currency <> ''
), dear AS (
    SELECT d.id FROM rooms CROSS JOIN LATERAL (
        SELECT id FROM jobs
        WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = rooms.tenant AND {NO_CAMPAIGN} = rooms.campaign
          AND price_currency = rooms.currency AND least_price > rooms.room AND due_at <= now()
        ORDER BY least_price DESC LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED) d
)
UPDATE jobs j SET due_at = now() + make_interval(secs => {_SET_ASIDE_S}), account = NULL, reason = 'over_budget'
FROM dear WHERE j.id = dear.id
"""  # noqa: S608 - as above
# A loose index scan over the jobs that are set aside finds the groups (campaigns of tenants).
_ROOMS_OF_SET_ASIDE: LiteralString = f"""
WITH RECURSIVE groups AS (
    (SELECT tenant, {NO_CAMPAIGN} AS campaign FROM jobs WHERE state = 'queued' AND reason = 'over_budget'
     ORDER BY tenant, {NO_CAMPAIGN} LIMIT 1)
    UNION ALL
    SELECT n.* FROM groups g CROSS JOIN LATERAL (
        SELECT tenant, {NO_CAMPAIGN} AS campaign FROM jobs
        WHERE state = 'queued' AND reason = 'over_budget' AND (tenant, {NO_CAMPAIGN}) > (g.tenant, g.campaign)
        ORDER BY tenant, {NO_CAMPAIGN} LIMIT 1) n
), rooms AS (
    SELECT g.tenant, g.campaign, r.currency, r.room
    FROM groups g CROSS JOIN LATERAL {room_of("g.tenant", "g.campaign")} r
)"""  # noqa: S608 - as above
_SET_ASIDE_OF: LiteralString = f"""
    SELECT id FROM jobs
    WHERE state = 'queued' AND reason = 'over_budget' AND tenant = r.tenant AND {NO_CAMPAIGN} = r.campaign"""  # noqa: S608 - as above
# The currency of the budget was changed while jobs were set aside.
_KEY_SET_ASIDE: LiteralString = f"""{_ROOMS_OF_SET_ASIDE}, others AS (
    SELECT o.id, r.currency FROM (SELECT * FROM rooms WHERE currency <> '') r CROSS JOIN LATERAL (
        ({_SET_ASIDE_OF} AND price_currency > '' AND price_currency < r.currency
            AND {priced_in("r.currency")} LIMIT {BACK_AT_ONCE})
        UNION ALL
        ({_SET_ASIDE_OF} AND price_currency > r.currency
            AND {priced_in("r.currency")} LIMIT {BACK_AT_ONCE})) o
)
UPDATE jobs j SET price_currency = o.currency,
    least_price = coalesce({_LEAST}, 0)
FROM others o WHERE j.id = o.id AND j.state = 'queued' AND j.reason = 'over_budget'
"""  # noqa: S608 - as above
_BRING_BACK: LiteralString = f"""{_ROOMS_OF_SET_ASIDE}, fitting AS (
    SELECT f.id FROM rooms r CROSS JOIN LATERAL (
        SELECT id, sum(least_price) OVER (ORDER BY least_price, id) AS together FROM (
            SELECT id, least_price FROM jobs
            WHERE state = 'queued' AND reason = 'over_budget' AND tenant = r.tenant AND {NO_CAMPAIGN} = r.campaign
              AND price_currency = r.currency AND least_price <= r.room
            ORDER BY least_price LIMIT {BACK_AT_ONCE}) cheapest) f
    WHERE f.together <= r.room
    UNION ALL
    SELECT f.id FROM rooms r CROSS JOIN LATERAL (
        {_SET_ASIDE_OF} AND price_currency = '' AND due_at <= now() LIMIT {BACK_AT_ONCE}) f
    UNION ALL  -- without a price in the currency of the budget: the next claim says so
    SELECT f.id FROM rooms r CROSS JOIN LATERAL (
        ({_SET_ASIDE_OF} AND price_currency > '' AND price_currency < r.currency LIMIT {BACK_AT_ONCE})
        UNION ALL
        ({_SET_ASIDE_OF} AND price_currency > r.currency LIMIT {BACK_AT_ONCE})) f
    UNION ALL
    SELECT f.id FROM (SELECT * FROM rooms WHERE room IS NULL) r CROSS JOIN LATERAL (
        {_SET_ASIDE_OF} LIMIT {BACK_AT_ONCE}) f
)
UPDATE jobs j SET due_at = least(j.created_at, j.draft_ends_at - interval '30 days'), reason = NULL
FROM fitting f WHERE j.id = f.id AND j.state = 'queued' AND j.reason = 'over_budget'
"""  # noqa: S608 - as above
_LEARN: LiteralString = f"""
UPDATE jobs j SET prices = {members("j.prices")} || jsonb_build_object(i.account, i.prices)
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(id uuid, account text, prices jsonb) WHERE j.id = i.id
"""  # noqa: S608 - as above


def set_aside(conn: Connection, shares: Sequence[tuple[str, UUID]]) -> int:
    """Set aside due jobs of these (tenant, campaign) that cost more than the rest at every account, a limited number at
    a time, the most expensive first; returns how many."""
    known = {"tenants": [tenant for tenant, _ in shares], "campaigns": [campaign for _, campaign in shares]}
    conn.execute(_KEY_BY_CURRENCY, known)
    return conn.execute(_SET_ASIDE, known).rowcount


def bring_back(conn: Connection) -> int:
    """Bring back jobs that were set aside and together fit into the rest now, a limited number at a time, the cheapest
    first; returns how many. Where the budget has another currency by now, that price decides."""
    conn.execute(_KEY_SET_ASIDE)
    return conn.execute(_BRING_BACK).rowcount


def learn_prices(conn: Connection, prices: Mapping[UUID, tuple[str, Mapping[str, float]]]) -> None:
    """Store the prices of jobs, by currency, each at an account that was added after it was enqueued."""
    if prices:
        rows = [{"id": job_id, "account": account, "prices": of} for job_id, (account, of) in prices.items()]
        conn.execute(_LEARN, {"rows": dumps(rows)})
