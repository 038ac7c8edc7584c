"""Reserve the cost of claimed jobs in their budgets, and put back the jobs that do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from seedance import pricing
from seedance.account import Account
from seedance.problems import InvalidInput
from seedance.request import parse_request
from storage.admission.budgets import WHOLE_TENANT, lock_budgets
from storage.database import Connection
from storage.jobs.claims import postpone_queued, put_back_claimed
from storage.jobs.prices import NO_CAMPAIGN, NOT_SET_ASIDE, learn_prices, set_aside
from storage.jobs.reasons import Reason

HELD_S = 5.0
"""How long to skip a tenant none of whose jobs fit, unless its budgets change sooner."""
_NO_PRICE_S, _TOO_DEAR_S = 3600.0, 30.0

_ROOM: LiteralString = """
SELECT campaign_id, currency, amount - spent - reserved FROM budgets
WHERE tenant = %(tenant)s AND campaign_id = ANY(%(scopes)s)
"""
# A claim is for the next attempt. A job that was claimed before but not begun already has its reservation.
_PRICES: LiteralString = """
SELECT j.id, coalesce(j.campaign_id, %(whole)s) AS campaign, j.attempt + 1 AS attempt, j.prices, j.estimate,
       CASE WHEN j.prices IS NOT NULL AND NOT j.prices ? %(account)s THEN j.request END AS request,
       r.currency, r.amount
FROM jobs j LEFT JOIN reservations r ON r.job_id = j.id AND r.attempt = j.attempt + 1
WHERE j.id = ANY(%(ids)s)
"""
_RESERVE: LiteralString = """
INSERT INTO reservations (job_id, attempt, tenant, campaign_id, currency, amount)
SELECT i.id, i.attempt, %(tenant)s, i.campaign, i.currency, i.amount
FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(campaigns)s::uuid[], %(currencies)s::text[],
            %(amounts)s::numeric[]) AS i(id, attempt, campaign, currency, amount)
ON CONFLICT (job_id, attempt) DO UPDATE SET currency = excluded.currency, amount = excluded.amount
"""
_COUNT: LiteralString = """
UPDATE budgets b SET reserved = b.reserved + i.amount
FROM unnest(%(scopes)s::uuid[], %(amounts)s::numeric[]) AS i(scope, amount)
WHERE b.tenant = %(tenant)s AND b.campaign_id = i.scope
"""
# Leaps from group to group (campaign and currency), each time to the cheapest job.
_HOLD: LiteralString = f"""
WITH RECURSIVE cheapest AS (
    (SELECT {NO_CAMPAIGN} AS campaign, price_currency, least_price FROM jobs
     WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = %(tenant)s
     ORDER BY {NO_CAMPAIGN}, price_currency, least_price LIMIT 1)
    UNION ALL
    SELECT n.* FROM cheapest c CROSS JOIN LATERAL (
        SELECT {NO_CAMPAIGN} AS campaign, price_currency, least_price FROM jobs
        WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = %(tenant)s
          AND ({NO_CAMPAIGN}, price_currency) > (c.campaign, c.price_currency)
        ORDER BY {NO_CAMPAIGN}, price_currency, least_price LIMIT 1) n
)
UPDATE budgets b SET held_until = now() + make_interval(secs => {HELD_S})
WHERE b.tenant = %(tenant)s AND b.campaign_id = %(whole)s AND NOT EXISTS (
    SELECT FROM cheapest WHERE price_currency <> b.currency OR least_price <= b.amount - b.spent - b.reserved)
"""  # noqa: S608 - put together from constants


@dataclass(slots=True)
class _Room:
    """The rest of one budget while jobs are claimed."""

    currency: str
    left: Decimal
    taken: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A claimed job, its prices by currency, and its existing reservation by currency."""

    id: UUID
    campaign: UUID
    attempt: int
    prices: Mapping[str, Decimal]
    reserved: Mapping[str, Decimal]
    is_new_here: bool
    """The account was added after the job was enqueued."""

    def more(self, currency: str) -> Decimal:
        """The amount to reserve beyond its existing reservation."""
        return self.prices[currency] - self.reserved.get(currency, Decimal(0))


class Ledger:
    """Admits claimed jobs while their budgets last."""

    def __init__(self, conn: Connection, account: Account) -> None:
        self._conn = conn
        self._account = account
        self.in_use = conn.execute("SELECT 1 FROM budgets LIMIT 1").fetchone() is not None
        if self.in_use:
            lock_budgets(conn)

    def admit(self, tenant: str, ids: Sequence[UUID]) -> set[UUID]:
        """The jobs, of those just claimed for the account, that may be submitted; the others are queued again.

        Each admitted job reserves its price at this account. A job that does not fit waits; the others go on.
        """
        if not self.in_use or not ids:
            return set(ids)
        claims = {claim.id: claim for claim in self._claims(ids)}
        rooms = self._rooms(tenant, {claim.campaign for claim in claims.values()})
        if not rooms:
            return set(ids)
        admitted, put_back, unpriced, too_dear = list[UUID](), list[UUID](), list[UUID](), list[UUID]()
        learnt: dict[UUID, Mapping[str, float]] = {}
        reserved: list[tuple[_Claim, str]] = []
        before = {scope: room.left for scope, room in rooms.items()}
        for job_id in ids:
            claim = claims[job_id]
            scopes = [scope for scope in dict.fromkeys((claim.campaign, WHOLE_TENANT)) if scope in rooms]
            currencies = {rooms[scope].currency for scope in scopes}
            currency = next(iter(currencies)) if len(currencies) == 1 else ""
            if not scopes:
                admitted.append(job_id)
            elif currency in claim.prices and _take([rooms[scope] for scope in scopes], claim.more(currency)):
                admitted.append(job_id)
                reserved.append((claim, currency))
            elif currency in claim.prices and all(claim.more(currency) <= before[scope] for scope in scopes):
                put_back.append(job_id)  # it would fit, but jobs before it in this claim have used the rest
            elif claim.is_new_here:  # record its price here, so that another account may get it
                put_back.append(job_id)
                learnt[job_id] = {name: float(price) for name, price in claim.prices.items()}
            elif currency in claim.prices:
                too_dear.append(job_id)
            else:
                unpriced.append(job_id)
        self._write(tenant, rooms, reserved)
        if put_back:
            put_back_claimed(self._conn, put_back)
        if unpriced:
            postpone_queued(self._conn, unpriced, _NO_PRICE_S, Reason.NO_PRICE)
        if too_dear:
            postpone_queued(self._conn, too_dear, _TOO_DEAR_S, Reason.OVER_BUDGET)
        learn_prices(self._conn, self._account.name, learnt)
        set_aside(self._conn, tenant, sorted({claim.campaign for claim in claims.values()}))
        return set(admitted)

    def hold(self, tenant: str) -> None:
        """Skip a tenant for a moment if none of its queued jobs fits into the rest of its own budget."""
        if self.in_use:
            self._conn.execute(_HOLD, {"tenant": tenant, "whole": WHOLE_TENANT})

    def _claims(self, ids: Sequence[UUID]) -> Iterator[_Claim]:
        account = self._account.name
        for row in self._conn.execute(_PRICES, {"ids": list(ids), "whole": WHOLE_TENANT, "account": account}):
            job_id, campaign, attempt, prices, estimate, request, currency, amount = row
            reserved = {} if currency is None else {currency: amount}
            known = self._prices(prices, estimate, request)
            yield _Claim(job_id, campaign, attempt, known, reserved, request is not None)

    def _prices(
        self,
        prices: Mapping[str, Mapping[str, float]] | None,
        estimate: Mapping[str, Any] | None,
        request: Mapping[str, Any] | None,
    ) -> dict[str, Decimal]:
        """The price at this account by currency; if the account was added after the job was enqueued, at its rates now.

        Jobs of older releases have only the estimate of one account.
        """
        if request is not None:
            return _price_now(self._account, request)
        if prices is None:
            return {} if estimate is None else {estimate["currency"]: Decimal(str(estimate["high"]))}
        return {currency: Decimal(str(high)) for currency, high in prices[self._account.name].items()}

    def _rooms(self, tenant: str, campaigns: set[UUID]) -> dict[UUID, _Room]:
        rows = self._conn.execute(_ROOM, {"tenant": tenant, "scopes": [*campaigns, WHOLE_TENANT]})
        return {row[0]: _Room(row[1], row[2]) for row in rows}

    def _write(self, tenant: str, rooms: Mapping[UUID, _Room], reserved: Sequence[tuple[_Claim, str]]) -> None:
        if reserved:
            known = {
                "tenant": tenant,
                "ids": [claim.id for claim, _ in reserved],
                "attempts": [claim.attempt for claim, _ in reserved],
                "campaigns": [claim.campaign for claim, _ in reserved],
                "currencies": [currency for _, currency in reserved],
                "amounts": [claim.prices[currency] for claim, currency in reserved],
            }
            self._conn.execute(_RESERVE, known)
        changed = {scope: room.taken for scope, room in rooms.items() if room.taken}
        if changed:
            known = {"tenant": tenant, "scopes": list(changed), "amounts": list(changed.values())}
            self._conn.execute(_COUNT, known)


def _price_now(account: Account, request: Mapping[str, Any]) -> dict[str, Decimal]:
    try:
        estimate = pricing.estimate(parse_request(request), account.dialect, account.rates)
    except InvalidInput:  # the rules have changed since the job was stored; the submit will report it
        return {}
    return {} if estimate is None else {found.currency: found.high for found in (estimate, *estimate.also)}


def _take(rooms: Sequence[_Room], more: Decimal) -> bool:
    """Take an amount from every budget, or from none."""
    if any(room.left < more for room in rooms):
        return False
    for room in rooms:
        room.left -= more
        room.taken += more
    return True
