"""What tenants and campaigns may spend: set by people, reserved in the claim, settled when a job has ended.

The rows are the count. A job that is handed out reserves the high end of its estimate; once it has ended, what its
gateway reported takes the place of that. One lock keeps two schedulers from both taking the last of a budget; it is
taken only where there are budgets at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.claims import postpone_queued, put_back_claimed, wake_queued
from storage.jobs.reasons import Reason

WHOLE_TENANT = UUID(int=0)
"""Stands in the place of a campaign in a tenant's own budget."""
_LOCK = 0x72656571  # any number, the same in every process
_TRY_AGAIN_S, _NO_PRICE_S = 30.0, 3600.0

# Some ends leave open whether the gateway bills: there the estimate is kept, unless the error knows better.
_MAYBE_BILLED = [
    Reason.GENERATION_TIMEOUT,
    Reason.DEADLINE_EXCEEDED,
    Reason.TASK_LOST,
    Reason.RESULT_MISSING,
    Reason.GATEWAY_LOST,
]
_GIVEN_UP = [Reason.ABANDONED, Reason.DISCARDED]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a campaign (None: the tenant as a whole) may spend, and how much of that is gone.

    `reserved` is what the jobs that are at a gateway may cost. `held`: the next job did not fit in.
    """

    campaign: str | None
    amount: Decimal
    currency: str
    spent: Decimal
    reserved: Decimal
    held: bool

    @property
    def left(self) -> Decimal:
        """What may still be handed out; below 0 where the reports lie above the estimates."""
        return self.amount - self.spent - self.reserved

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON, with plain numbers and without whose it is."""
        values = {name: float(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}
        del values["campaign"]
        return values


# --- setting ---------------------------------------------------------------------------------------------------------

_BUDGETS: LiteralString = """
SELECT c.name AS campaign, b.amount, b.currency, b.spent, b.reserved, b.held_until IS NOT NULL AS held
FROM budgets b LEFT JOIN campaigns c ON c.id = b.campaign_id
"""
_SET: LiteralString = """
INSERT INTO budgets AS b (tenant, campaign_id, amount, currency)
VALUES (%(tenant)s, %(campaign)s, %(amount)s, %(currency)s)
ON CONFLICT (tenant, campaign_id) DO UPDATE SET amount = excluded.amount, currency = excluded.currency,
    held_until = NULL, spent = CASE WHEN b.currency = excluded.currency THEN b.spent ELSE 0 END
"""
# What a campaign has spent before it got a budget, and what it has at gateways now.
_SPENT_BEFORE: LiteralString = """
UPDATE budgets b SET spent = b.spent + coalesce((
    SELECT sum(CASE WHEN j.cost ->> 'currency' = b.currency THEN (j.cost ->> 'amount')::numeric
                    WHEN j.estimate ->> 'currency' = b.currency AND j.state = 'succeeded'
                    THEN (j.estimate ->> 'high')::numeric END)
    FROM jobs j WHERE j.campaign_id = b.campaign_id AND j.finished_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM reservations r WHERE r.job_id = j.id)), 0)
WHERE b.tenant = %(tenant)s AND b.campaign_id = %(campaign)s
"""
_RESERVE_BEFORE: LiteralString = """
INSERT INTO reservations (job_id, tenant, campaign_id, currency, amount)
SELECT id, tenant, campaign_id, estimate ->> 'currency', (estimate ->> 'high')::numeric
FROM jobs WHERE campaign_id = %(campaign)s AND due_at IS NOT NULL AND estimate ->> 'currency' = %(currency)s
  AND (state <> 'queued' OR (account IS NOT NULL AND due_at > now()))
ON CONFLICT (job_id) DO NOTHING
"""
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
    """Give a campaign (None: the tenant as a whole) a budget, change it, or with None take it away.

    A campaign's counts all it has spent, a tenant's what is submitted from now on; in another currency both begin anew.
    """
    at = {"tenant": tenant, "campaign": campaign_id or WHOLE_TENANT, "whole": WHOLE_TENANT}
    _lock(conn)
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


def budgets_of(conn: Connection, tenant: str, campaign_ids: Sequence[UUID] | None = None) -> list[Budget]:
    """The budgets of a tenant's campaigns of these ids; None: the tenant's own, of which there is at most one."""
    ids = [WHOLE_TENANT] if campaign_ids is None else list(campaign_ids)
    sql: LiteralString = _BUDGETS + "WHERE b.tenant = %(tenant)s AND b.campaign_id = ANY(%(ids)s) ORDER BY b.created_at"
    with conn.cursor(row_factory=class_row(Budget)) as cursor:
        return cursor.execute(sql, {"tenant": tenant, "ids": ids}).fetchall()


def over_budget(conn: Connection, job_id: UUID) -> list[Budget]:
    """The budgets that hold a queued job back: its campaign's, its tenant's, both, or none."""
    sql: LiteralString = (
        _BUDGETS
        + """JOIN jobs j ON j.tenant = b.tenant AND b.campaign_id IN (%(whole)s, coalesce(j.campaign_id, %(whole)s))
             WHERE j.id = %(id)s AND j.state = 'queued' AND j.account IS NULL
               AND (b.held_until IS NOT NULL OR j.reason = %(no_price)s) ORDER BY b.campaign_id"""
    )
    parameters = {"id": job_id, "whole": WHOLE_TENANT, "no_price": Reason.NO_PRICE}
    with conn.cursor(row_factory=class_row(Budget)) as cursor:
        return cursor.execute(sql, parameters).fetchall()


def _lock(conn: Connection) -> None:
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


# --- settling --------------------------------------------------------------------------------------------------------

# A message that came too late may still begin its job a moment after the lease; so what was not handed out again keeps
# its reservation for a minute.
_SETTLE: LiteralString = """
WITH ended AS (
    DELETE FROM reservations r USING jobs j
    WHERE j.id = r.job_id AND (j.due_at IS NULL
        OR (j.state = 'queued' AND (j.account IS NULL OR j.due_at < now() - interval '1 minute')))
    RETURNING r.tenant, r.campaign_id, r.currency, r.amount, CASE
        WHEN j.state = 'queued' THEN 0
        WHEN j.cost ->> 'currency' = r.currency THEN (j.cost ->> 'amount')::numeric
        WHEN j.error ->> 'may_be_billed' = 'false' THEN 0
        WHEN j.generated_at IS NOT NULL OR j.reason = ANY(%(given_up)s)
             OR (j.gateway_task_id IS NOT NULL AND j.reason = ANY(%(maybe)s)) THEN r.amount
        ELSE 0 END AS billed
), sums AS (
    SELECT tenant, scope, currency, sum(amount) AS amount, sum(billed) AS billed
    FROM ended CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[campaign_id, %(whole)s]) AS scope) s
    GROUP BY tenant, scope, currency
)
UPDATE budgets b SET spent = b.spent + s.billed, reserved = b.reserved - s.amount, held_until = NULL
FROM sums s WHERE b.tenant = s.tenant AND b.campaign_id = s.scope AND b.currency = s.currency
"""


def settle(conn: Connection) -> int:
    """Count what jobs that have ended did cost, and give back what those reserved that are in the queue again.

    Gives the number of budgets that changed.
    """
    if not conn.execute("SELECT 1 FROM reservations LIMIT 1").fetchone():
        return 0
    _lock(conn)
    done = conn.execute(_SETTLE, {"whole": WHOLE_TENANT, "given_up": _GIVEN_UP, "maybe": _MAYBE_BILLED})
    return done.rowcount


# --- reserving -------------------------------------------------------------------------------------------------------

_ROOM: LiteralString = """
SELECT campaign_id, currency, amount - spent - reserved FROM budgets
WHERE tenant = %(tenant)s AND campaign_id = ANY(%(scopes)s)
"""
_PRICES: LiteralString = """
SELECT j.id, coalesce(j.campaign_id, %(whole)s), j.estimate ->> 'currency', (j.estimate ->> 'high')::numeric,
       r.job_id IS NOT NULL
FROM jobs j LEFT JOIN reservations r ON r.job_id = j.id WHERE j.id = ANY(%(ids)s)
"""
_RESERVE: LiteralString = """
INSERT INTO reservations (job_id, tenant, campaign_id, currency, amount)
SELECT i.id, %(tenant)s, i.campaign, i.currency, i.amount
FROM unnest(%(ids)s::uuid[], %(campaigns)s::uuid[], %(currencies)s::text[], %(amounts)s::numeric[])
     AS i(id, campaign, currency, amount)
"""
_COUNT: LiteralString = """
UPDATE budgets b SET reserved = b.reserved + i.amount,
                     held_until = CASE WHEN i.held THEN now() + make_interval(secs => %(again_s)s) END
FROM unnest(%(scopes)s::uuid[], %(amounts)s::numeric[], %(held)s::bool[]) AS i(scope, amount, held)
WHERE b.tenant = %(tenant)s AND b.campaign_id = i.scope
"""


@dataclass(slots=True)
class _Room:
    """What is left of one budget while jobs are claimed."""

    currency: str
    left: Decimal
    taken: Decimal = Decimal(0)
    held: bool = False


class Ledger:
    """Lets claimed jobs keep their claim, as far as the budgets reach."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.in_use = conn.execute("SELECT 1 FROM budgets LIMIT 1").fetchone() is not None
        if self.in_use:
            _lock(conn)

    def admit(self, tenant: str, ids: Sequence[UUID]) -> set[UUID]:
        """Of jobs that were just claimed, those that may be submitted; the others are back in the queue.

        The first that does not fit holds its budget: the rest of it is not looked at until something is settled, the
        budget is changed, or half a minute has gone.
        """
        if not self.in_use or not ids:
            return set(ids)
        found = self._conn.execute(_PRICES, {"ids": list(ids), "whole": WHOLE_TENANT}).fetchall()
        prices = {row[0]: row[1:] for row in found}
        rooms = self._rooms(tenant, {row[1] for row in found})
        admitted, put_back, unpriced = list[UUID](), list[UUID](), list[UUID]()
        reserved: list[tuple[UUID, UUID, str, Decimal]] = []
        for job_id in ids:
            campaign, currency, price, is_reserved = prices[job_id]
            mine = [rooms[scope] for scope in dict.fromkeys((campaign, WHOLE_TENANT)) if scope in rooms]
            if is_reserved or not mine:
                admitted.append(job_id)
            elif any(room.currency != currency for room in mine):
                unpriced.append(job_id)
            elif any(room.held for room in mine) or not _take(mine, price):
                put_back.append(job_id)
            else:
                admitted.append(job_id)
                reserved.append((job_id, campaign, currency, price))
        self._write(tenant, rooms, reserved)
        if put_back:
            put_back_claimed(self._conn, put_back)
        if unpriced:
            postpone_queued(self._conn, unpriced, _NO_PRICE_S, Reason.NO_PRICE)
        return set(admitted)

    def _rooms(self, tenant: str, campaigns: set[UUID]) -> dict[UUID, _Room]:
        rows = self._conn.execute(_ROOM, {"tenant": tenant, "scopes": [*campaigns, WHOLE_TENANT]})
        return {row[0]: _Room(row[1], row[2]) for row in rows}

    def _write(
        self, tenant: str, rooms: Mapping[UUID, _Room], reserved: Sequence[tuple[UUID, UUID, str, Decimal]]
    ) -> None:
        if reserved:
            ids, campaigns, currencies, amounts = (list(column) for column in zip(*reserved, strict=True))
            known = {"ids": ids, "campaigns": campaigns, "currencies": currencies, "amounts": amounts}
            self._conn.execute(_RESERVE, known | {"tenant": tenant})
        changed = {scope: room for scope, room in rooms.items() if room.taken or room.held}
        if changed:
            known = {
                "scopes": list(changed),
                "amounts": [room.taken for room in changed.values()],
                "held": [room.held for room in changed.values()],
            }
            self._conn.execute(_COUNT, known | {"tenant": tenant, "again_s": _TRY_AGAIN_S})


def _take(rooms: Sequence[_Room], price: Decimal) -> bool:
    """Take a price from every budget, or from none."""
    short = [room for room in rooms if room.left < price]
    for room in short:
        room.held = True
    if short:
        return False
    for room in rooms:
        room.left -= price
        room.taken += price
    return True
