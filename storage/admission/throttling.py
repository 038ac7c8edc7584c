"""Accounts whose gateway said "too many": how long they are left alone, and how many jobs they get after that."""

from __future__ import annotations

import logging
from typing import LiteralString

from psycopg.rows import dict_row

from storage.admission.slot_limits import SlotLimit, pause_s
from storage.database import Connection

log = logging.getLogger("reelq.accounts")

_ENSURE: LiteralString = "INSERT INTO account_states (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING"
_LOCK: LiteralString = """
SELECT max_in_flight, slot_limit, slot_step, slot_wait_s, throttles,
       coalesce(throttled_until > now(), false) AS resting,
       (SELECT count(*) FROM jobs
        WHERE account = %(name)s AND state = 'generating'
          AND account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring') AS generating
FROM account_states WHERE name = %(name)s FOR UPDATE
"""
_PAUSE: LiteralString = """
UPDATE account_states SET throttles = %(throttles)s, updated_at = now(),
    throttled_until = greatest(throttled_until, now() + make_interval(secs => %(seconds)s))
WHERE name = %(name)s
"""
_RECOVERED: LiteralString = """
UPDATE account_states s SET throttles = 0
WHERE s.name = %(name)s AND s.throttles > 0 AND EXISTS (
    SELECT FROM attempts a WHERE a.account = s.name AND a.started_at > s.throttled_until AND a.outcome = 'accepted')
RETURNING s.name
"""
_SET_LIMIT: LiteralString = """
UPDATE account_states SET slot_limit = %(slots)s, slot_step = %(step)s, slot_wait_s = %(wait_s)s, slot_limit_at = now()
WHERE name = %(name)s
"""


def throttle(conn: Connection, name: str, seconds: float | None, *, accepted: int = 0, refused: int = 0) -> None:
    """Submit nothing to this account for a while: for so many `seconds`, or, where the gateway names none, the longer
    the more often in a row it was refused. After that it is tried with fewer jobs until one is accepted.

    `accepted`, `refused`: so many jobs of the same moment were, and are not written yet; both 0: it was no job's POST.
    What they show of its limit is learnt, unless nothing was accepted for longer: then it is requests that are counted,
    and not generations.
    """
    conn.execute(_ENSURE, {"name": name})
    recovered = end(conn, name) or accepted > 0
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_LOCK, {"name": name}).fetchone()
    assert row is not None  # noqa: S101 - it was made above, and nobody deletes it
    if row["resting"]:  # one burst brings many such answers
        if seconds is not None:
            conn.execute(_PAUSE, {"name": name, "throttles": row["throttles"], "seconds": seconds})
        return
    again = row["throttles"] > 0 and not recovered
    throttles = min(row["throttles"], 30) + 1 if again else 1
    wait_s = pause_s(throttles) if seconds is None else seconds
    conn.execute(_PAUSE, {"name": name, "throttles": throttles, "seconds": wait_s})
    configured = row["max_in_flight"]
    limit = SlotLimit(row["slot_limit"], row["slot_step"], row["slot_wait_s"])
    if not refused or configured is None or throttles > 2:
        return
    if not limit.shows(row["generating"], accepted, refused, throttles):
        return
    found = limit.refused(row["generating"] + accepted, configured)
    if found != limit:
        set_limit(conn, name, found)
    if found.allowed(configured) < limit.allowed(configured):
        told = (name, limit.allowed(configured), found.allowed(configured), configured)
        log.warning("account.limit_lowered account=%s from=%d to=%d configured=%d", *told)


def end(conn: Connection, name: str) -> bool:
    """Forget the refusals after which a job was accepted."""
    return conn.execute(_RECOVERED, {"name": name}).fetchone() is not None


def set_limit(conn: Connection, name: str, limit: SlotLimit) -> None:
    """Note what is known of an account's limit."""
    parameters = {"name": name, "slots": limit.slots, "step": limit.step, "wait_s": limit.wait_s}
    conn.execute(_SET_LIMIT, parameters)
