"""Read the log of all events from a position on, and miss none that is committed late.

A transaction that stays open, such as a backend's own in which it enqueues, delays no event of others: they are
returned as they become visible, and its events follow. A missing number is given up once every transaction that was
running when it was first missed has ended: it was rolled back.
"""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg.rows import dict_row

from storage.database import Connection
from storage.jobs import history
from storage.jobs.events.positions import MAX_GAPS, Position, Span

PAGE = 500
_LOOK_BACK = 10_000
"""How far below the newest event a reader that begins now looks for missing numbers."""

_NEXT: LiteralString = """
WITH missing(low, high) AS (SELECT * FROM unnest(%(lows)s::bigint[], %(highs)s::bigint[])), found AS (
    -- Gap by gap: with a join, PostgreSQL may read the whole log to find that there is no gap.
    (SELECT e.* FROM missing m CROSS JOIN LATERAL (
        SELECT * FROM job_events WHERE id BETWEEN m.low AND m.high ORDER BY id LIMIT %(limit)s) e
     ORDER BY e.id LIMIT %(limit)s)
    UNION ALL
    (SELECT e.* FROM job_events e WHERE e.id > %(after)s ORDER BY e.id LIMIT %(limit)s)
)
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running,
       e.id, e.job_id, e.at, e.source, e.target, e.reason, e.detail, e.actor,
       (SELECT j.tenant FROM jobs j WHERE j.id = e.job_id) AS tenant
FROM (SELECT) one LEFT JOIN found e ON true ORDER BY e.id
"""
_MISSING: LiteralString = """
SELECT previous + 1, id - 1 FROM (
    SELECT id, lag(id, 1, %(low)s) OVER (ORDER BY id) AS previous FROM job_events
    WHERE id > %(low)s AND id <= %(newest)s
) numbered WHERE id > previous + 1 ORDER BY id DESC LIMIT %(limit)s
"""

Event = dict[str, Any]


class EventLog:
    """Follows the log of all tenants from a position on."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.held_up = False
        """Whether the last read left out new events, because too many numbers before them are missing."""
        self._barriers: dict[Span, int] = {}

    def read(self, conn: Connection, limit: int = PAGE) -> list[tuple[Event, Position]]:
        """The next events, each with the position after it. At most `limit` of each kind: late ones, and new ones."""
        gaps = self.position.gaps
        parameters = {
            "after": self.position.after,
            "limit": limit,
            "lows": [low for low, _ in gaps],
            "highs": [high for _, high in gaps],
        }
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_NEXT, parameters).fetchall()
        oldest_running = int(rows[0]["oldest_running"])
        found: list[tuple[Event, Position]] = []
        late: list[int] = []
        position, self.held_up = self.position, False
        for event in rows:
            del event["oldest_running"]
            number = event["id"]
            if number is None:  # no event at all
                break
            if number > position.after + 1 and len(position.gaps) >= MAX_GAPS:
                self.held_up = True  # too many to remember; the oldest of them ends first
                break
            if number <= self.position.after:
                late.append(number)
            position = position.with_event(number)
            found.append((event, position))
        # What a page of late events cut off may still come, whatever has ended.
        settled = late[-1] if len(late) >= limit else position.after
        self._set(conn, position, oldest_running, settled)
        return found

    def _set(self, conn: Connection, position: Position, oldest_running: int, settled: int) -> None:
        """Take a position, without the gaps up to `settled` that will not be filled."""
        barriers: dict[Span, int] = {}
        new: int | None = None
        for gap in position.gaps:
            barrier = self._barrier_of(gap)
            if barrier is None:
                barrier = new = new or history.transaction_barrier(conn)
            elif oldest_running >= barrier and gap[1] <= settled:
                continue
            barriers[gap] = barrier
        self._barriers = barriers
        self.position = Position(position.after, tuple(barriers))

    def _barrier_of(self, gap: Span) -> int | None:
        """When it was first missed, perhaps as a part of a larger gap."""
        return next((known for (low, high), known in self._barriers.items() if low <= gap[0] and gap[1] <= high), None)


def position_now(conn: Connection) -> Position:
    """Behind every event that is visible now. Those that are being written lie ahead, also with lower numbers."""
    newest = history.last_event(conn)
    low = max(newest - _LOOK_BACK, 0)
    gaps = conn.execute(_MISSING, {"low": low, "newest": newest, "limit": MAX_GAPS // 2}).fetchall()
    return Position(newest, tuple(sorted((first, last) for first, last in gaps)))
