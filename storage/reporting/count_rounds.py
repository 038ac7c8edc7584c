"""Where a walk over kept counts goes on: their comparison with the rows, tenant by tenant and then of the webhook
messages, and the addition of old ends, table by table.

After each part it rests, in proportion to what it read, so that the work is a bounded share of the time.
"""

from __future__ import annotations

from typing import LiteralString

from storage.database import Connection

JOBS, MESSAGES = "jobs", "messages"
ROWS_A_SECOND = 10_000
"""Rows that are read in the long run: about one percent of a core, and an hour for 36 million."""
REST_S = 60.0
"""The least rest."""

# `place`: of jobs, the last tenant; of a table of counts, its last row.
_TAKE: LiteralString = """
INSERT INTO count_rounds (name, next_at) VALUES (%(name)s, now() + make_interval(secs => %(lease_s)s))
ON CONFLICT (name) DO UPDATE SET next_at = excluded.next_at WHERE count_rounds.next_at <= now()
RETURNING place
"""
_REST: LiteralString = """
UPDATE count_rounds SET place = %(place)s, next_at = now() + make_interval(secs => %(rest_s)s) WHERE name = %(name)s
"""


def take(conn: Connection, name: str, lease_s: float) -> str | None:
    """Where the round goes on, if it is due and no other process has taken it; else None."""
    row = conn.execute(_TAKE, {"name": name, "lease_s": lease_s}).fetchone()
    return None if row is None else str(row[0])


def rest(conn: Connection, name: str, place: str, rows: int, least_s: float = REST_S) -> None:
    """Note where it goes on, and when: the more rows were read, the later, and not within `least_s`."""
    rest_s = max(rows / ROWS_A_SECOND, least_s)
    conn.execute(_REST, {"name": name, "place": place, "rest_s": rest_s})
