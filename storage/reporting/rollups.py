"""Add up the kept counts of old ends: their pieces of time become longer (`storage.counted.pieces`).

Jobs that end write short pieces. A walk over the rows of a table, in the order of their ids, adds those that are old by
now to the groups as which they would be written now. Readers see no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from storage.counted.ahead import KEPT_COUNTS
from storage.counted.kept_count import KeptCount
from storage.database import Connection

AT_ONCE = 5_000
"""Rows that one step looks at: some 50 ms if all of them are old."""
AGEING = tuple(kept for kept in KEPT_COUNTS if kept.current is not None)
"""The kept counts whose groups become larger with time."""


@dataclass(frozen=True, slots=True)
class Step:
    """Of a walk: how many rows it `looked` at, how many of them it rewrote, and the last of them; None: it was the
    end."""

    looked: int
    rewritten: int
    last: int | None


def _step_sql(kept: KeptCount) -> LiteralString:
    names: LiteralString = ", ".join(kept.numbers)
    sums: LiteralString = ", ".join(f"sum({name})" for name in kept.numbers)
    some: LiteralString = " OR ".join(f"sum({name}) <> 0" for name in kept.numbers)
    same: LiteralString = " AND ".join([f"c.{key} = g.{key}" for key in kept.keys.split(", ")])
    # Each row by its id and each group by its keys, also with statistics of an empty table. With the rows of the groups
    # that they belong to now, so that nothing is left to merge. A row that a merge holds is written again, further on.
    return f"""
WITH looked (id, {kept.keys}, is_old) AS MATERIALIZED (
    SELECT id, {kept.current}, ROW({kept.keys}) IS DISTINCT FROM ROW({kept.current}) FROM {kept.table}
    WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
), old AS MATERIALIZED (
    SELECT c.id FROM looked l CROSS JOIN LATERAL (
        SELECT id FROM {kept.table} WHERE id = l.id FOR UPDATE SKIP LOCKED) c
    WHERE l.is_old
), known AS MATERIALIZED (
    SELECT c.id FROM (SELECT DISTINCT {kept.keys} FROM looked WHERE is_old) g CROSS JOIN LATERAL (
        SELECT c.id FROM {kept.table} c WHERE {same} AND c.merged FOR UPDATE SKIP LOCKED) c
), gone AS (
    DELETE FROM {kept.table} WHERE id = ANY(ARRAY(SELECT id FROM old UNION ALL SELECT id FROM known))
    RETURNING {kept.keys}, {names}
), added AS (
    INSERT INTO {kept.table} ({kept.keys}, {names}, merged)
    SELECT g.*, true FROM (
        SELECT {kept.current}, {sums} FROM gone GROUP BY {kept.current} HAVING {some}) g
)
SELECT (SELECT count(*) FROM looked), (SELECT count(*) FROM old), (SELECT max(id) FROM looked)
"""  # noqa: S608 - put together from constants


_STEPS = {kept.table: _step_sql(kept) for kept in AGEING}


def roll_up(conn: Connection, kept: KeptCount, after: int) -> Step:
    """The next step of the walk over a table of counts, behind the row `after`; 0: from the beginning."""
    row = conn.execute(sql.SQL(_STEPS[kept.table]), {"after": after, "limit": AT_ONCE}).fetchone()
    looked, rewritten, last = (0, 0, None) if row is None else row
    return Step(looked, rewritten, last if looked == AT_ONCE else None)
