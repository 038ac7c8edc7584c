"""Budgets of tenants and campaigns, as people set them; `ledger` reserves during a claim, `settlement` settles.

The rows are the count. An attempt reserves the high end of its estimate at its account. One lock keeps two schedulers
from both spending the last of a budget; it is taken only if there are any budgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.admission.spending.billing import BILLED, NOT_BILLED, PRICE_THERE
from storage.database import Connection
from storage.jobs.claims import NEXT_ATTEMPT, wake_queued
from storage.jobs.prices import NO_CAMPAIGN, NOT_SET_ASIDE, bring_back
from storage.jobs.reasons import Reason
from storage.jsonb import members, number

WHOLE_TENANT = UUID(int=0)
"""The campaign id in the budget of a tenant as a whole."""
_LOCK = 0x72656571  # any number, the same in every process


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of a campaign (None: of the tenant as a whole) and how much of it is used.

    `reserved` is the possible cost of jobs that are at a gateway or were submitted with an unknown outcome. `held`:
    some job waits because it does not fit into the rest.
    """

    campaign: str | None
    amount: Decimal
    currency: str
    spent: Decimal
    reserved: Decimal
    held: bool

    @property
    def left(self) -> Decimal:
        """The amount that may still be reserved; below 0 if reported costs exceed the estimates."""
        return self.amount - self.spent - self.reserved

    def as_dict(self) -> dict[str, Any]:
        """The budget as JSON, with plain numbers and without the campaign."""
        values = {name: float(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}
        del values["campaign"]
        return values


@dataclass(frozen=True, slots=True)
class Shortage:
    """A budget that holds a job of `tenant` back, and the job's price at its cheapest account.

    `price` None: no price is known in the currency of the budget.
    """

    tenant: str
    budget: Budget
    price: Decimal | None


_DEAR: LiteralString = """price_currency = b.currency AND least_price > b.amount - b.spent - b.reserved
    AND state = 'queued' AND account IS NULL AND tenant = b.tenant"""
_IS_DEAR: LiteralString = f"""(
    EXISTS (SELECT FROM jobs WHERE {_DEAR} AND {NOT_SET_ASIDE} {{of_campaign}})
    OR EXISTS (SELECT FROM jobs WHERE {_DEAR} AND reason = 'over_budget' {{of_campaign}}))"""  # noqa: S608 - put together from constants
_OF_CAMPAIGN: LiteralString = f"AND {NO_CAMPAIGN} = b.campaign_id"
_BUDGETS: LiteralString = f"""
SELECT c.name AS campaign, b.amount, b.currency, b.spent, b.reserved,
       CASE WHEN b.campaign_id = %(whole)s THEN {_IS_DEAR.format(of_campaign="")}
            ELSE {_IS_DEAR.format(of_campaign=_OF_CAMPAIGN)} END AS held
FROM budgets b LEFT JOIN campaigns c ON c.id = b.campaign_id
"""  # noqa: S608 - as above
_SET: LiteralString = """
INSERT INTO budgets AS b (tenant, campaign_id, amount, currency)
VALUES (%(tenant)s, %(campaign)s, %(amount)s, %(currency)s)
ON CONFLICT (tenant, campaign_id) DO UPDATE SET amount = excluded.amount, currency = excluded.currency,
    held_until = NULL, spent = CASE WHEN b.currency = excluded.currency THEN b.spent ELSE 0 END
"""
# The amount that a campaign spent before it got a budget, and reservations for its jobs at gateways now.
_SPENT_BEFORE: LiteralString = f"""
UPDATE budgets b SET spent = b.spent + coalesce((
    SELECT sum({BILLED}) FROM jobs j JOIN attempts a ON a.job_id = j.id
    CROSS JOIN LATERAL (SELECT b.currency, coalesce({PRICE_THERE}, 0) AS amount) r
    WHERE j.campaign_id = b.campaign_id AND j.finished_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM reservations k WHERE k.job_id = j.id AND k.attempt = a.number)), 0)
WHERE b.tenant = %(tenant)s AND b.campaign_id = %(campaign)s
"""  # noqa: S608 - as above
_RESERVE_BEFORE: LiteralString = f"""
INSERT INTO reservations (job_id, attempt, tenant, campaign_id, currency, amount)
SELECT j.id, a.number, j.tenant, j.campaign_id, b.currency, {PRICE_THERE}
FROM budgets b JOIN jobs j ON j.campaign_id = b.campaign_id CROSS JOIN LATERAL (
    SELECT a.number, a.account FROM attempts a WHERE a.job_id = j.id AND NOT {NOT_BILLED}
    UNION ALL
    SELECT {NEXT_ATTEMPT}, j.account WHERE j.state = 'queued' AND j.account IS NOT NULL AND j.due_at > now()) a
WHERE b.tenant = %(tenant)s AND b.campaign_id = %(campaign)s AND j.due_at IS NOT NULL AND {PRICE_THERE} IS NOT NULL
ON CONFLICT (job_id, attempt) DO NOTHING
"""  # noqa: S608 - as above
_RECOUNT: LiteralString = """
UPDATE budgets b SET reserved = coalesce((
    SELECT sum(r.amount) FROM reservations r
    WHERE r.tenant = b.tenant AND r.currency = b.currency
      AND (b.campaign_id = %(whole)s OR r.campaign_id = b.campaign_id)), 0)
WHERE b.tenant = %(tenant)s
"""


def set_budget(
    conn: Connection, tenant: str, campaign_id: UUID | None, amount: Decimal | None, currency: str = ""
) -> None:
    """Set, change or remove (`amount` None) the budget of a campaign (None: of the tenant as a whole).

    The budget of a campaign counts everything that it has spent, that of a tenant only jobs submitted from now on. A
    change of currency starts both again.
    """
    at = {"tenant": tenant, "campaign": campaign_id or WHOLE_TENANT, "whole": WHOLE_TENANT}
    lock_budgets(conn)
    if amount is None:
        conn.execute("DELETE FROM budgets WHERE tenant = %(tenant)s AND campaign_id = %(campaign)s", at)
    else:
        known = at | {"amount": amount, "currency": currency}
        row = conn.execute(
            "SELECT currency FROM budgets WHERE tenant = %(tenant)s AND campaign_id = %(campaign)s", at
        ).fetchone()
        conn.execute(_SET, known)
        if campaign_id is not None and (row is None or row[0] != currency):
            conn.execute(_RESERVE_BEFORE, known)
            conn.execute(_SPENT_BEFORE, known)
        conn.execute(_RECOUNT, at)
    wake_queued(conn, tenant, campaign_id, Reason.NO_PRICE)
    bring_back(conn)


def budgets_of(conn: Connection, tenant: str, campaign_ids: Sequence[UUID] | None = None) -> list[Budget]:
    """The budgets of these campaigns of a tenant; None: the budget of the tenant as a whole, at most one."""
    ids = [WHOLE_TENANT] if campaign_ids is None else list(campaign_ids)
    sql: LiteralString = _BUDGETS + "WHERE b.tenant = %(tenant)s AND b.campaign_id = ANY(%(ids)s) ORDER BY b.created_at"
    with conn.cursor(row_factory=class_row(Budget)) as cursor:
        return cursor.execute(sql, {"tenant": tenant, "ids": ids, "whole": WHOLE_TENANT}).fetchall()


_OF_JOB: LiteralString = f"""
SELECT b.campaign_id, j.campaign_id, j.tenant, CASE WHEN j.prices IS NULL
    THEN CASE WHEN j.estimate ->> 'currency' = b.currency THEN {number("j.estimate -> 'high'")} END
    ELSE (SELECT min({number("e.value -> b.currency")}) FROM jsonb_each({members("j.prices")}) e) END AS price
FROM jobs j JOIN budgets b
    ON b.tenant = j.tenant AND b.campaign_id IN (%(whole)s, coalesce(j.campaign_id, %(whole)s))
WHERE j.id = %(id)s AND j.state = 'queued' AND j.account IS NULL
"""  # noqa: S608 - as above


def shortages(conn: Connection, job_id: UUID) -> list[Shortage]:
    """The budgets that hold a queued job back: of its campaign, of its tenant, of both, or none."""
    short = []
    for scope, campaign, tenant, price in conn.execute(_OF_JOB, {"id": job_id, "whole": WHOLE_TENANT}).fetchall():
        [budget] = budgets_of(conn, tenant, None if scope == WHOLE_TENANT else [campaign])
        if price is None or price > budget.left:
            short.append(Shortage(tenant, budget, price))
    return short


def lock_budgets(conn: Connection) -> None:
    """Block other sessions from reserving, settling and setting budgets until the transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
