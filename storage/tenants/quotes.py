"""Quotes: exact requests with their price. A job is made of a quote by its id alone, and only once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import class_row

from storage.database import Connection
from storage.jsonb import dumps

LIFE_S = 900.0
"""How long a quote can be enqueued."""
_SWEPT = 50


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote. `estimate` None: no price is known. `prices`: the most that it costs at each account, by currency."""

    id: str
    fields: dict[str, Any]
    estimate: dict[str, Any] | None
    prices: dict[str, dict[str, float]]
    expires_at: datetime
    expired: bool


_COLUMNS: LiteralString = "id, fields, estimate, prices, expires_at, expires_at <= now() AS expired"
_ADD: LiteralString = f"""
WITH outdated AS (
    SELECT id FROM quotes WHERE expires_at < now() - interval '1 day' LIMIT {_SWEPT} FOR UPDATE SKIP LOCKED
), swept AS (
    DELETE FROM quotes q USING outdated WHERE q.id = outdated.id
)
INSERT INTO quotes (id, tenant, fields, estimate, prices, expires_at)
VALUES (%(id)s, %(tenant)s, %(fields)s::jsonb, %(estimate)s::jsonb, %(prices)s::jsonb,
        now() + make_interval(secs => %(life_s)s))
RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants
_FIND: LiteralString = f"SELECT {_COLUMNS} FROM quotes WHERE id = %(id)s AND tenant = %(tenant)s"  # noqa: S608 - as above


def add_quote(
    conn: Connection,
    tenant: str,
    fields: Mapping[str, Any],
    estimate: Mapping[str, Any] | None,
    prices: Mapping[str, Mapping[str, float]],
) -> Quote:
    """Store a quote."""
    parameters = {
        "id": f"quote_{secrets.token_urlsafe(18)}",
        "tenant": tenant,
        "fields": dumps(fields),
        "estimate": None if estimate is None else dumps(estimate),
        "prices": dumps(prices),
        "life_s": LIFE_S,
    }
    with conn.cursor(row_factory=class_row(Quote)) as cursor:
        made = cursor.execute(_ADD, parameters).fetchone()
    assert made is not None  # noqa: S101 - an INSERT of one row returns it
    return made


def find_quote(conn: Connection, tenant: str, quote_id: str) -> Quote | None:
    """The tenant's quote with this id, also an expired one; None: there is none, or it was removed."""
    with conn.cursor(row_factory=class_row(Quote)) as cursor:
        return cursor.execute(_FIND, {"id": quote_id, "tenant": tenant}).fetchone()
