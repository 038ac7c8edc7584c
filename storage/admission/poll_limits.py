"""How many polls an account with a limit of them may still be asked: what was claimed lately is kept in rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from storage.database import Connection

_LONG_S, _SHORT_S, _MANY = 60, 10, 60

_FREE: LiteralString = """
WITH locked AS (
    -- Whoever claims for an account holds its row, so that two schedulers cannot both use what is left.
    SELECT s.name, i.most, i.seconds FROM account_states s
    JOIN unnest(%(names)s::text[], %(limits)s::int[], %(seconds)s::int[]) AS i(name, most, seconds) ON i.name = s.name
    ORDER BY s.name FOR UPDATE OF s SKIP LOCKED
), old AS (
    DELETE FROM poll_counts p USING locked l
    WHERE p.account = l.name AND p.at <= now() - make_interval(secs => l.seconds)
)
SELECT l.name, greatest(0, l.most - coalesce((
    SELECT sum(p.requests) FROM poll_counts p
    WHERE p.account = l.name AND p.at > now() - make_interval(secs => l.seconds)), 0))::int
FROM locked l
"""
_SENT: LiteralString = """
SELECT coalesce(sum(requests), 0) FROM poll_counts
WHERE account = %(name)s AND at > now() - make_interval(secs => %(seconds)s)
"""


def free_polls(conn: Connection, per_minute: Mapping[str, int]) -> dict[str, int]:
    """How many requests each account may be sent now. Those that another scheduler works on at this moment are missing.

    `per_minute` is the limit by account. A large one is kept in every 10 s, so that it is not used up at once.
    """
    spans = [_span_s(limit) for limit in per_minute.values()]
    limits = [limit * span // 60 for limit, span in zip(per_minute.values(), spans, strict=True)]
    rows = conn.execute(_FREE, {"names": list(per_minute), "limits": limits, "seconds": spans})
    return dict(rows.fetchall())


def left(conn: Connection, account: str, per_minute: int) -> int:
    """The same for one account, for people to read: nothing is locked."""
    span_s = _span_s(per_minute)
    row = conn.execute(_SENT, {"name": account, "seconds": span_s}).fetchone()
    return max(0, per_minute * span_s // 60 - (0 if row is None else int(row[0])))


def _span_s(per_minute: int) -> int:
    return _SHORT_S if per_minute >= _MANY else _LONG_S


def count_polls(conn: Connection, account: str, requests: int) -> None:
    """Note requests that are about to be made."""
    conn.execute("INSERT INTO poll_counts (account, requests) VALUES (%s, %s)", [account, requests])
