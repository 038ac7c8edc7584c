"""Limit the polls of accounts with `polls_per_minute`: rows record the recently claimed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from storage.database import Connection

_LONG_S, _SHORT_S, _MANY = 60, 10, 60

# A scheduler that claims polls of an account locks these, so that two of them cannot both use the rest. Not its row in
# `account_states`: the same scheduler claims its submits at the same time, and locks that row for them. It counts in a
# statement of its own, which sees what another one has counted before it let go.
_LOCK: LiteralString = """
SELECT i.name FROM unnest(%(names)s::text[]) AS i(name)
WHERE pg_try_advisory_xact_lock(hashtextextended('polls of ' || i.name, 0))
"""
_FREE: LiteralString = """
WITH locked AS (
    SELECT i.* FROM unnest(%(names)s::text[], %(limits)s::int[], %(seconds)s::int[]) AS i(name, most, seconds)
    WHERE i.name = ANY(%(locked)s::text[])
), old AS (
    DELETE FROM poll_counts p USING locked l
    WHERE p.account = l.name AND p.at <= now() - make_interval(secs => l.seconds)
)
SELECT l.name, greatest(0, l.most - coalesce((
    SELECT sum(p.requests) FROM poll_counts p
    WHERE p.account = l.name AND p.at > now() - make_interval(secs => l.seconds)), 0))::int
FROM locked l
"""
_COUNT: LiteralString = """
INSERT INTO poll_counts (account, requests) SELECT * FROM unnest(%(accounts)s::text[], %(requests)s::int[])
"""
_SENT: LiteralString = """
SELECT coalesce(sum(requests), 0) FROM poll_counts
WHERE account = %(name)s AND at > now() - make_interval(secs => %(seconds)s)
"""


def free_polls(conn: Connection, per_minute: Mapping[str, int]) -> dict[str, int]:
    """How many requests each account may get now. Accounts that another scheduler holds at this moment are missing.

    `per_minute` is the limit by account. A large limit is applied to each 10 s, so that it is not used up at once.
    """
    spans = [_span_s(limit) for limit in per_minute.values()]
    limits = [limit * span // 60 for limit, span in zip(per_minute.values(), spans, strict=True)]
    names = list(per_minute)
    locked = [row[0] for row in conn.execute(_LOCK, {"names": names})]
    rows = conn.execute(_FREE, {"names": names, "limits": limits, "seconds": spans, "locked": locked})
    return dict(rows.fetchall())


def left(conn: Connection, account: str, per_minute: int) -> int:
    """How many requests one account may get now, for people to read: nothing is locked."""
    span_s = _span_s(per_minute)
    row = conn.execute(_SENT, {"name": account, "seconds": span_s}).fetchone()
    return max(0, per_minute * span_s // 60 - (0 if row is None else int(row[0])))


def _span_s(per_minute: int) -> int:
    return _SHORT_S if per_minute >= _MANY else _LONG_S


def count_polls(conn: Connection, requests: Mapping[str, int]) -> None:
    """Record how many requests each account is about to get."""
    conn.execute(_COUNT, {"accounts": list(requests), "requests": list(requests.values())})
