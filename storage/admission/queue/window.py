"""Look at a part of the tenants in each round, if very many wait.

A claim looks for the tenants whose turn is next among all that wait, account by account. Of very many it takes a part:
those whose names follow each other. The next round takes those that follow, and after the last part comes the first. So
all parts get as many rounds, and within a part tenants take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from storage.admission.queue.places import ORDER
from storage.database import Connection

TENANTS = 250
"""How many tenants a part has at most, at each priority. With no more than these, a round looks at all."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tenants from the name `first` on and before `following`; None: all that follow."""

    first: str = ""
    following: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has all tenants."""
        return not self.first and self.following is None

    @property
    def parameters(self) -> dict[str, object]:
        """For a statement with `walk_tenants`."""
        return {"first": self.first, "following": self.following}


def walk_tenants(
    columns: LiteralString, queued: LiteralString, order: LiteralString, leap: LiteralString
) -> LiteralString:
    """A recursive query over the queued jobs of a priority `p.priority`: from place to place, or from tenant to tenant,
    within a window. `leap`: a condition on a job that lies behind the place `w`; `order`: that of the index, with LIMIT
    1. The end is compared outside of each leap, which would look for another job otherwise."""
    of_priority: LiteralString = f"SELECT {columns} {queued} AND priority = p.priority"
    within: LiteralString = "WHERE %(following)s::text IS NULL OR n.tenant < %(following)s"
    return f"""WITH RECURSIVE walk AS (
            SELECT n.* FROM ({of_priority} AND tenant >= %(first)s {order}) n {within}
            UNION ALL
            SELECT n.* FROM walk w CROSS JOIN LATERAL ({of_priority} AND {leap} {order}) n {within}
        ) SELECT * FROM walk"""  # noqa: S608 - put together from constants


_QUEUED: LiteralString = "FROM jobs WHERE state = 'queued' AND priority = p.priority"
_FOLLOWING: LiteralString = f"""
SELECT min(w.tenant) FROM generate_series(9, 0, -1) AS p(priority) CROSS JOIN LATERAL (
    WITH RECURSIVE walk AS (
        (SELECT tenant, 0 AS nth {_QUEUED} AND tenant >= %(first)s {ORDER})
        UNION ALL
        SELECT n.tenant, w.nth + 1 FROM walk w CROSS JOIN LATERAL (
            SELECT tenant {_QUEUED} AND tenant > w.tenant {ORDER}) n
        WHERE w.nth < %(most)s
    ) SELECT tenant FROM walk WHERE nth = %(most)s) w
"""  # noqa: S608 - put together from constants


def next_window(conn: Connection, last: Window) -> Window:
    """The window that follows."""
    first = last.following or ""
    row = conn.execute(_FOLLOWING, {"first": first, "most": TENANTS}).fetchone()
    return Window(first, None if row is None else row[0])
