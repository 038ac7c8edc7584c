"""Purses: the amount that an API key may spend.

A budget holds jobs back in the queue; a purse refuses them when they are enqueued, so that a program that spends on its
own learns at once that it may not. The rows are the count: each job takes the most that it may cost, and gives back the
rest once its cost is known (`admission.purse_settlement`). The purse's row is locked for that, so that several
requests cannot spend the same rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

import uuid_utils.compat
from psycopg.rows import class_row

from storage.database import Connection


class PurseExhausted(Exception):
    """Jobs cost more than the purse of their key still has. `price` None: some have no price in its currency
    at an account that may serve them."""

    def __init__(self, currency: str, left: Decimal, price: Decimal | None) -> None:
        self.currency = currency
        self.left = left
        self.price = price
        super().__init__(currency, left, price)

    def __str__(self) -> str:
        if self.price is None:
            return (
                f"no price is known in {self.currency}, the currency of this key's purse, at an account that may serve "
                "this; pin another account, or give that one rates"
            )
        return (
            f"this may cost up to {self.price:.2f} {self.currency}, and the purse of this key has "
            f"{max(self.left, Decimal(0)):.2f} {self.currency} left"
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """A new job: the key that enqueues it (None: none), and the most that it costs, by currency."""

    job_id: UUID
    key_id: str | None
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Purse:
    """The purse of a key. `used`: by jobs that ended, and the most that the others may cost."""

    amount: Decimal
    currency: str
    used: Decimal

    @property
    def left(self) -> Decimal:
        """The amount that is left; below 0 if reported costs exceed the estimates, or if the purse was made smaller."""
        return self.amount - self.used

    def as_dict(self) -> dict[str, float | str]:
        """The purse as JSON, with plain numbers."""
        numbers = {"amount": self.amount, "used": self.used, "left": self.left}
        return {"currency": self.currency} | {name: float(value) for name, value in numbers.items()}


_OF_KEYS: LiteralString = """
SELECT k.id, p.id, p.amount, p.currency FROM api_keys k JOIN purses p ON p.id = k.purse_id
WHERE k.id = ANY(%(keys)s) ORDER BY p.id FOR UPDATE OF p
"""
_USED: LiteralString = "SELECT coalesce(sum(amount), 0) FROM purse_charges WHERE purse_id = %(purse)s"
_CHARGE: LiteralString = """
INSERT INTO purse_charges (job_id, purse_id, amount)
SELECT i.id, %(purse)s, i.amount FROM unnest(%(ids)s::uuid[], %(amounts)s::numeric[]) AS i(id, amount)
"""
_PAID_BY: LiteralString = """
SELECT c.job_id, c.purse_id, p.currency, c.amount FROM purse_charges c JOIN purses p ON p.id = c.purse_id
WHERE c.job_id = ANY(%(ids)s)
"""
_PURSES_OF: LiteralString = """
SELECT k.id, p.id FROM api_keys k JOIN purses p ON p.id = k.purse_id WHERE k.id = ANY(%(keys)s)
"""
_LOCK: LiteralString = """
SELECT id, amount, currency, EXISTS (SELECT FROM api_keys k WHERE k.purse_id = p.id) AS in_use
FROM purses p WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE OF p
"""
_USED_BY_OTHERS: LiteralString = """
SELECT coalesce(sum(amount), 0) FROM purse_charges WHERE purse_id = %(purse)s AND job_id <> ALL(%(ids)s)
"""
_RECHARGE: LiteralString = """
INSERT INTO purse_charges (job_id, purse_id, amount)
SELECT i.id, %(purse)s, i.amount FROM unnest(%(ids)s::uuid[], %(amounts)s::numeric[]) AS i(id, amount)
ON CONFLICT (job_id) DO UPDATE SET purse_id = excluded.purse_id, amount = excluded.amount
"""
_OF_KEY: LiteralString = """
SELECT p.amount, p.currency,
       (SELECT coalesce(sum(amount), 0) FROM purse_charges c WHERE c.purse_id = p.id) AS used
FROM api_keys k JOIN purses p ON p.id = k.purse_id WHERE k.id = %(key)s
"""


def charge(conn: Connection, charges: Sequence[Charge]) -> None:
    """Take the prices of new jobs from the purses of the keys that enqueue them; keys without a purse spend freely.

    Raises:
        PurseExhausted: a purse has too little left; the caller must not commit.
    """
    keys = sorted({item.key_id for item in charges if item.key_id is not None})
    if not keys:
        return
    for key, purse, amount, currency in conn.execute(_OF_KEYS, {"keys": keys}).fetchall():
        own = [item for item in charges if item.key_id == key]
        row = conn.execute(_USED, {"purse": purse}).fetchone()
        left = amount - (Decimal(0) if row is None else row[0])
        if any(currency not in item.prices for item in own):
            raise PurseExhausted(currency, left, None)
        prices = [item.prices[currency] for item in own]
        if sum(prices) > left:
            raise PurseExhausted(currency, left, sum(prices, Decimal(0)))
        conn.execute(_CHARGE, {"purse": purse, "ids": [item.job_id for item in own], "amounts": prices})


def recharge(conn: Connection, charges: Sequence[Charge]) -> None:
    """Take the new prices of jobs whose request has changed. The purse that a job was charged to pays; but
    if a key with another purse makes the job dearer, that purse does. A change that costs a purse no more than before
    is never refused, and a purse that was removed refuses nothing.

    Raises:
        PurseExhausted: as `charge`.
    """
    rows = conn.execute(_PAID_BY, {"ids": [item.job_id for item in charges]}).fetchall()
    before = {row[0]: _Paid(*row[1:]) for row in rows}
    keys = sorted({item.key_id for item in charges if item.key_id is not None})
    purse_of_key: dict[str, UUID] = dict(conn.execute(_PURSES_OF, {"keys": keys}).fetchall())
    by_purse: dict[UUID, list[Charge]] = {}
    for item in charges:
        own, paid = purse_of_key.get(item.key_id or ""), before.get(item.job_id)
        payer = None if paid is None else paid.purse
        if own is not None and (paid is None or paid.less_than(item)):
            payer = own
        if payer is not None:
            by_purse.setdefault(payer, []).append(item)
    for purse, amount, currency, in_use in conn.execute(_LOCK, {"ids": list(by_purse)}).fetchall():
        items = by_purse[purse]
        if not in_use:
            items = [item for item in items if currency in item.prices]
        ids = [item.job_id for item in items]
        row = conn.execute(_USED_BY_OTHERS, {"purse": purse, "ids": ids}).fetchone()
        left = amount - (Decimal(0) if row is None else row[0])
        if any(currency not in item.prices for item in items):
            raise PurseExhausted(currency, left, None)
        prices = [item.prices[currency] for item in items]
        known = [paid.amount for job_id in ids if (paid := before.get(job_id)) is not None and paid.purse == purse]
        if in_use and sum(prices) > max(left, sum(known, Decimal(0))):
            raise PurseExhausted(currency, left, sum(prices, Decimal(0)))
        conn.execute(_RECHARGE, {"purse": purse, "ids": ids, "amounts": prices})


@dataclass(frozen=True, slots=True)
class _Paid:
    """What a purse pays for a job so far."""

    purse: UUID
    currency: str
    amount: Decimal

    def less_than(self, item: Charge) -> bool:
        """Whether the job may now cost more; True as well if no price is known."""
        return self.currency not in item.prices or item.prices[self.currency] > self.amount


def set_purse(conn: Connection, key_id: str, amount: Decimal | None, currency: str = "") -> bool:
    """Set, change or remove (`amount` None) the purse of a key; what it has spent stays counted while it has one in
    this currency. False: there is no such key in use."""
    row = conn.execute(
        """SELECT k.purse_id, p.currency FROM api_keys k LEFT JOIN purses p ON p.id = k.purse_id
           WHERE k.id = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
           FOR UPDATE OF k""",
        [key_id],
    ).fetchone()
    if row is None:
        return False
    if amount is not None and row[0] is not None and row[1] == currency:
        conn.execute("UPDATE purses SET amount = %s WHERE id = %s", [amount, row[0]])
        return True
    made = None if amount is None else uuid_utils.compat.uuid7()
    if made is not None:
        conn.execute("INSERT INTO purses (id, amount, currency) VALUES (%s, %s, %s)", [made, amount, currency])
    if row[0] is None:
        conn.execute("UPDATE api_keys SET purse_id = %s WHERE id = %s", [made, key_id])
    else:  # also of the keys that it replaced, or that replace it
        conn.execute("UPDATE api_keys SET purse_id = %s WHERE purse_id = %s", [made, row[0]])
    return True


def purse_of(conn: Connection, key_id: str) -> Purse | None:
    """The purse of a key; None: it has none."""
    with conn.cursor(row_factory=class_row(Purse)) as cursor:
        return cursor.execute(_OF_KEY, {"key": key_id}).fetchone()
