"""Reserve the cost of claimed jobs in their budgets, and put back the jobs that do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from seedance import pricing
from seedance.account import Account
from seedance.problems import InvalidInput
from seedance.request import parse_request
from storage.admission.seekers import Seeker
from storage.admission.side_by_side import Question
from storage.admission.spending.budgets import WHOLE_TENANT, lock_budgets
from storage.database import Connection
from storage.jobs.claims import NEXT_ATTEMPT, postpone_queued, put_back_claimed
from storage.jobs.prices import NO_CAMPAIGN, NOT_SET_ASIDE, learn_prices, set_aside
from storage.jobs.reasons import Reason

HELD_S = 5.0
"""How long to skip a tenant none of whose jobs fit, unless its budgets change sooner."""
_NO_PRICE_S, _TOO_DEAR_S = 3600.0, 30.0

_ROOM: LiteralString = """
SELECT tenant, campaign_id, currency, amount - spent - reserved FROM budgets
WHERE (tenant, campaign_id) IN (SELECT * FROM unnest(%(tenants)s::text[], %(campaigns)s::uuid[]))
"""
# A claim is for the next attempt. A job that was claimed before but not begun already has its reservation.
_PRICES: LiteralString = f"""
SELECT j.id, j.tenant, coalesce(j.campaign_id, %(whole)s) AS campaign, {NEXT_ATTEMPT} AS attempt, j.prices, j.estimate,
       CASE WHEN j.prices IS NOT NULL AND NOT j.prices ? i.account THEN j.request END AS request,
       r.currency, r.amount
FROM unnest(%(ids)s::uuid[], %(accounts)s::text[]) AS i(id, account) JOIN jobs j ON j.id = i.id
LEFT JOIN reservations r ON r.job_id = j.id AND r.attempt = {NEXT_ATTEMPT}
WHERE j.id = ANY(%(ids)s)
"""  # noqa: S608 - put together from constants
_RESERVE: LiteralString = """
INSERT INTO reservations (job_id, attempt, tenant, campaign_id, currency, amount)
SELECT i.id, i.attempt, i.tenant, i.campaign, i.currency, i.amount
FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(tenants)s::text[], %(campaigns)s::uuid[], %(currencies)s::text[],
            %(amounts)s::numeric[]) AS i(id, attempt, tenant, campaign, currency, amount)
ON CONFLICT (job_id, attempt) DO UPDATE SET currency = excluded.currency, amount = excluded.amount
"""
_COUNT: LiteralString = """
UPDATE budgets b SET reserved = b.reserved + i.amount
FROM unnest(%(tenants)s::text[], %(campaigns)s::uuid[], %(amounts)s::numeric[]) AS i(tenant, campaign, amount)
WHERE b.tenant = i.tenant AND b.campaign_id = i.campaign
"""
# Leaps from group to group (campaign and currency), each time to the cheapest job.
_HOLD: LiteralString = f"""
UPDATE budgets b SET held_until = now() + make_interval(secs => {HELD_S})
WHERE b.tenant = ANY(%(tenants)s) AND b.campaign_id = %(whole)s AND NOT EXISTS (
    WITH RECURSIVE cheapest AS (
        (SELECT {NO_CAMPAIGN} AS campaign, price_currency, least_price FROM jobs
         WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = b.tenant
         ORDER BY {NO_CAMPAIGN}, price_currency, least_price LIMIT 1)
        UNION ALL
        SELECT n.* FROM cheapest c CROSS JOIN LATERAL (
            SELECT {NO_CAMPAIGN} AS campaign, price_currency, least_price FROM jobs
            WHERE state = 'queued' AND {NOT_SET_ASIDE} AND tenant = b.tenant
              AND ({NO_CAMPAIGN}, price_currency) > (c.campaign, c.price_currency)
            ORDER BY {NO_CAMPAIGN}, price_currency, least_price LIMIT 1) n
    )
    SELECT FROM cheapest WHERE price_currency <> b.currency OR least_price <= b.amount - b.spent - b.reserved)
"""  # noqa: S608 - put together from constants
Scope = tuple[str, UUID]
"""A tenant and a campaign: what a budget is for."""


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
    tenant: str
    campaign: UUID
    attempt: int
    prices: Mapping[str, Decimal]
    reserved: Mapping[str, Decimal]
    is_new_here: bool
    """The account was added after the job was enqueued."""

    def more(self, currency: str) -> Decimal:
        """The amount to reserve beyond its existing reservation."""
        return self.prices[currency] - self.reserved.get(currency, Decimal(0))


@dataclass(frozen=True, slots=True)
class NothingFits(Question):
    """A tenant was dealt slots and could use none: skip it for a moment, if its budget is the reason."""

    seeker: Seeker
    tenant: str


@dataclass(frozen=True, slots=True)
class Taken:
    """Jobs of one tenant that were just claimed for one account, in the order in which they may use the budgets."""

    account: Account
    ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Admitted:
    """`ids` may be submitted. `crowded` would have fitted, but accounts before theirs used the rest at the same step:
    cheaper jobs may still fit."""

    ids: set[UUID]
    crowded: set[UUID]


@dataclass(slots=True)
class _Refused:
    """Claimed jobs that go back to the queue. `learnt`: prices at accounts that were added after their enqueue."""

    put_back: list[UUID] = field(default_factory=list)
    unpriced: list[UUID] = field(default_factory=list)
    too_dear: list[UUID] = field(default_factory=list)
    learnt: dict[UUID, tuple[str, Mapping[str, float]]] = field(default_factory=dict)

    def write(self, conn: Connection) -> None:
        if self.put_back:
            put_back_claimed(conn, self.put_back)
        if self.unpriced:
            postpone_queued(conn, self.unpriced, _NO_PRICE_S, Reason.NO_PRICE)
        if self.too_dear:
            postpone_queued(conn, self.too_dear, _TOO_DEAR_S, Reason.OVER_BUDGET)
        learn_prices(conn, self.learnt)


class Ledger:
    """Admits claimed jobs while their budgets last."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.in_use = conn.execute("SELECT 1 FROM budgets LIMIT 1").fetchone() is not None
        if self.in_use:
            lock_budgets(conn)

    def admit(self, taken: Sequence[Taken]) -> Admitted:
        """The jobs, of those just claimed, that may be submitted; the others are queued again.

        Each admitted job reserves its price at its account. A job that does not fit waits; the others go on.
        """
        every = {job_id for of in taken for job_id in of.ids}
        if not self.in_use or not every:
            return Admitted(every, set())
        claims = {claim.id: claim for claim in self._claims(taken)}
        rooms = self._rooms({(claim.tenant, claim.campaign) for claim in claims.values()})
        if not rooms:
            return Admitted(every, set())
        admitted = Admitted(set(), set())
        refused = _Refused()
        reserved: list[tuple[_Claim, str]] = []
        before = {scope: room.left for scope, room in rooms.items()}
        for of in taken:
            at_first = {scope: room.left for scope, room in rooms.items()}
            for job_id in of.ids:
                claim = claims[job_id]
                wanted = dict.fromkeys(((claim.tenant, claim.campaign), (claim.tenant, WHOLE_TENANT)))
                scopes = [scope for scope in wanted if scope in rooms]
                currencies = {rooms[scope].currency for scope in scopes}
                currency = next(iter(currencies)) if len(currencies) == 1 else ""
                if not scopes:
                    admitted.ids.add(job_id)
                elif currency in claim.prices and _take([rooms[scope] for scope in scopes], claim.more(currency)):
                    admitted.ids.add(job_id)
                    reserved.append((claim, currency))
                elif currency in claim.prices and all(claim.more(currency) <= before[scope] for scope in scopes):
                    refused.put_back.append(job_id)  # it would fit, but jobs before it have used the rest
                    if any(claim.more(currency) > at_first[scope] for scope in scopes):
                        admitted.crowded.add(job_id)
                elif claim.is_new_here:  # record its price here, so that another account may get it
                    refused.put_back.append(job_id)
                    found = {name: float(price) for name, price in claim.prices.items()}
                    refused.learnt[job_id] = (of.account.name, found)
                elif currency in claim.prices:
                    refused.too_dear.append(job_id)
                else:
                    refused.unpriced.append(job_id)
        self._write(rooms, reserved)
        refused.write(self._conn)
        limited = {tenant for tenant, _ in rooms}
        set_aside(self._conn, sorted({(c.tenant, c.campaign) for c in claims.values() if c.tenant in limited}))
        return admitted

    def hold(self, tenants: Sequence[str]) -> None:
        """Skip these tenants for a moment, if none of their queued jobs fits into the rest of their own budget."""
        if self.in_use and tenants:
            self._conn.execute(_HOLD, {"tenants": list(tenants), "whole": WHOLE_TENANT})

    def _claims(self, taken: Sequence[Taken]) -> Iterator[_Claim]:
        accounts = {job_id: of.account for of in taken for job_id in of.ids}
        names = [account.name for account in accounts.values()]
        for row in self._conn.execute(_PRICES, {"ids": list(accounts), "accounts": names, "whole": WHOLE_TENANT}):
            job_id, tenant, campaign, attempt, prices, estimate, request, currency, amount = row
            reserved = {} if currency is None else {currency: amount}
            known = _prices_at(accounts[job_id], prices, estimate, request)
            yield _Claim(job_id, tenant, campaign, attempt, known, reserved, request is not None)

    def _rooms(self, scopes: Set[Scope]) -> dict[Scope, _Room]:
        every = sorted(scopes | {(tenant, WHOLE_TENANT) for tenant, _ in scopes})
        known = {"tenants": [tenant for tenant, _ in every], "campaigns": [campaign for _, campaign in every]}
        return {(row[0], row[1]): _Room(row[2], row[3]) for row in self._conn.execute(_ROOM, known)}

    def _write(self, rooms: Mapping[Scope, _Room], reserved: Sequence[tuple[_Claim, str]]) -> None:
        if reserved:
            known = {
                "ids": [claim.id for claim, _ in reserved],
                "attempts": [claim.attempt for claim, _ in reserved],
                "tenants": [claim.tenant for claim, _ in reserved],
                "campaigns": [claim.campaign for claim, _ in reserved],
                "currencies": [currency for _, currency in reserved],
                "amounts": [claim.prices[currency] for claim, currency in reserved],
            }
            self._conn.execute(_RESERVE, known)
        changed = {scope: room.taken for scope, room in rooms.items() if room.taken}
        if changed:
            known = {"tenants": [tenant for tenant, _ in changed], "campaigns": [campaign for _, campaign in changed]}
            self._conn.execute(_COUNT, known | {"amounts": list(changed.values())})


def _prices_at(
    account: Account,
    prices: Any,
    estimate: Any,
    request: Any,
) -> dict[str, Decimal]:
    """The price at an account by currency; if the account was added after the job was enqueued, at its rates now.

    Jobs of older releases have only the estimate of one account.
    """
    if request is not None:
        return _price_now(account, request)
    if not isinstance(prices, dict):
        currency = estimate.get("currency") if isinstance(estimate, dict) else None
        return _numbers({currency: estimate.get("high")}) if isinstance(currency, str) else {}
    return _numbers(prices.get(account.name))


def _numbers(amounts: Any) -> dict[str, Decimal]:
    """Those that are numbers: another program may have stored anything."""
    if not isinstance(amounts, dict):
        return {}
    return {name: Decimal(str(amount)) for name, amount in amounts.items() if isinstance(amount, int | float)}


def _price_now(account: Account, request: Any) -> dict[str, Decimal]:
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
