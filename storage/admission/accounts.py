"""Account states: rests and what was learnt about each account."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import orjson
from psycopg.rows import dict_row

from storage.database import Connection

log = logging.getLogger("reelq.accounts")


SUSPEND_CAP_S = 900.0


# While it rests, further failures are those of POSTs made before: only a probe's failure doubles the time. What it
# rested for another reason does not count.
_SUSPEND: LiteralString = """
INSERT INTO account_states AS s (name, suspended_until, suspensions, suspended_at, outage, error) VALUES
    (%(name)s, now() + make_interval(secs => %(seconds)s), 1, now(), %(outage)s, %(error)s::jsonb)
ON CONFLICT (name) DO UPDATE SET
    suspended_until = now() + make_interval(secs => least(
        %(cap_s)s,
        %(seconds)s * %(growth)s::float8 ^ CASE WHEN s.outage = excluded.outage THEN s.suspensions ELSE 0 END)),
    suspensions = CASE WHEN s.outage = excluded.outage THEN least(s.suspensions + 1, 30) ELSE 1 END,
    suspended_at = CASE WHEN s.outage = excluded.outage THEN coalesce(s.suspended_at, now()) ELSE now() END,
    outage = excluded.outage, error = excluded.error, updated_at = now()
WHERE s.suspended_until IS NULL OR s.suspended_until <= now()
RETURNING extract(epoch FROM suspended_until - now())::float8, suspensions
"""


_RECOVERED: LiteralString = """
UPDATE account_states s SET suspended_until = NULL, suspensions = 0, suspended_at = NULL, outage = false, error = NULL,
                            updated_at = now()
WHERE s.name = %(name)s AND EXISTS (
    SELECT FROM attempts a WHERE a.account = s.name AND a.started_at > s.suspended_until AND a.outcome = 'accepted')
RETURNING s.name
"""


_RESUME: LiteralString = """
UPDATE account_states SET suspended_until = NULL, throttled_until = NULL, suspensions = 0, suspended_at = NULL,
                          outage = false, error = NULL, throttles = 0, slot_limit = NULL, slot_step = DEFAULT,
                          slot_wait_s = DEFAULT, slot_limit_at = now(), updated_at = now()
WHERE name = %(name)s
"""


_STATES: LiteralString = """
SELECT name, suspended_until, suspended_at, throttled_until, error, slot_limit, slot_limit_at,
       coalesce(suspended_until > now() AND NOT outage, false) AS suspended,
       outage AND suspended_until IS NOT NULL AS outage, coalesce(throttled_until > now(), false) AS throttled
FROM account_states
"""


@dataclass(frozen=True, slots=True)
class Rest:
    """An account submits nothing for so many seconds; `number` counts such rests without an acceptance in between."""

    seconds: float
    number: int


def suspend(
    conn: Connection,
    name: str,
    seconds: float,
    error: Mapping[str, Any],
    *,
    cap_s: float = SUSPEND_CAP_S,
    growth: float = 2.0,
    outage: bool = False,
) -> Rest | None:
    """Submit nothing to this account for a while: its key, permission or credit failed, or its gateway is away.

    After that it is tried; each time it fails in the same way the account rests so many times as long (`growth`),
    `cap_s` at most. None: it rests already.
    """
    parameters = {"name": name, "seconds": seconds, "cap_s": cap_s, "growth": growth}
    parameters |= {"error": dumps(error), "outage": outage}
    row = conn.execute(_SUSPEND, parameters).fetchone()
    return None if row is None else Rest(float(row[0]), row[1])


def dumps(error: Mapping[str, Any]) -> str:
    return orjson.dumps(error).decode()


def end_suspension(conn: Connection, name: str) -> bool:
    """Forget a suspension or an outage, if a job was accepted whose POST was made after the rest."""
    return conn.execute(_RECOVERED, {"name": name}).fetchone() is not None


def resume(conn: Connection, name: str) -> None:
    """Use the account again at once, as much as is configured."""
    conn.execute(_RESUME, {"name": name})


def states(conn: Connection) -> dict[str, dict[str, Any]]:
    """What is known of each account, by name; accounts nothing was learnt about are missing."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return {row["name"]: row for row in cursor.execute(_STATES)}
