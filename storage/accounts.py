"""What was learnt about accounts, and when each part of the system was last seen: rows beside the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import orjson
from psycopg.rows import dict_row

from storage.database import Connection

_SUSPEND: LiteralString = """
INSERT INTO account_states (name, suspended_until, error) VALUES
    (%(name)s, now() + make_interval(secs => %(seconds)s), %(error)s::jsonb)
ON CONFLICT (name) DO UPDATE SET suspended_until = excluded.suspended_until, error = excluded.error, updated_at = now()
"""
_THROTTLE: LiteralString = """
INSERT INTO account_states (name, throttled_until) VALUES (%(name)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (name) DO UPDATE SET
    throttled_until = greatest(account_states.throttled_until, excluded.throttled_until), updated_at = now()
"""
_RESUME: LiteralString = """
UPDATE account_states SET suspended_until = NULL, throttled_until = NULL, error = NULL, updated_at = now()
WHERE name = %(name)s
"""
_STATES: LiteralString = """
SELECT name, suspended_until, throttled_until, error,
       coalesce(suspended_until > now(), false) AS suspended, coalesce(throttled_until > now(), false) AS throttled
FROM account_states
"""
_BEAT: LiteralString = """
INSERT INTO heartbeats (component, instance) VALUES (%(component)s, %(instance)s)
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now()
"""
_FORGET: LiteralString = "DELETE FROM heartbeats WHERE seen_at < now() - interval '1 day'"
_FRESH: LiteralString = """
SELECT DISTINCT component FROM heartbeats WHERE seen_at > now() - make_interval(secs => %(fresh_s)s)
"""


def suspend(conn: Connection, name: str, seconds: float, error: Mapping[str, Any]) -> None:
    """Submit nothing to this account for a while: its key, permission or credit failed."""
    conn.execute(_SUSPEND, {"name": name, "seconds": seconds, "error": orjson.dumps(error).decode()})


def throttle(conn: Connection, name: str, seconds: float) -> None:
    """Submit nothing to this account for a while: it said "too many"."""
    conn.execute(_THROTTLE, {"name": name, "seconds": seconds})


def resume(conn: Connection, name: str) -> None:
    """Use the account again at once."""
    conn.execute(_RESUME, {"name": name})


def states(conn: Connection) -> dict[str, dict[str, Any]]:
    """What is known of each account, by name; accounts nothing was learnt about are missing."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return {row["name"]: row for row in cursor.execute(_STATES)}


def beat(conn: Connection, component: str, instance: str) -> None:
    """Say that a part of the system works; what was not seen for a day is forgotten."""
    conn.execute(_BEAT, {"component": component, "instance": instance})
    conn.execute(_FORGET)


def fresh_components(conn: Connection, fresh_s: float) -> set[str]:
    """The parts of the system seen working within the last seconds."""
    return {row[0] for row in conn.execute(_FRESH, {"fresh_s": fresh_s})}
