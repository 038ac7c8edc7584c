"""Merge kept counts: tables whose rows are changes, and whose sums are the counts.

Each change adds a row in its own transaction and updates none, so counting makes no transaction wait for another. The
scheduler merges the rows of each group.
"""

from __future__ import annotations

from typing import LiteralString

from storage.database import Connection

AT_ONCE = 1_500
"""Some 15 ms of a round of the scheduler, if each is of a group of its own."""


def merge_sql(table: LiteralString, keys: LiteralString, *numbers: LiteralString) -> LiteralString:
    """The statement that merges a limited number of the newest rows of a table with columns `id` and `merged`.

    `keys`: the columns of a group, with commas; `numbers`: the columns to add up.
    """
    names: LiteralString = ", ".join(numbers)
    sums: LiteralString = ", ".join(f"sum({name})" for name in numbers)
    some: LiteralString = " OR ".join(f"sum({name}) <> 0" for name in numbers)
    same: LiteralString = " AND ".join([f"c.{key} = g.{key}" for key in keys.split(", ")])
    # One look in the index for each group. A join would be planned by statistics, and those of a table that was just
    # filled say that no row is merged: each group would read the whole table.
    # A group may have several merged rows when two schedulers merge at once; the next merge takes them together.
    return f"""
WITH new AS MATERIALIZED (
    SELECT id, {keys} FROM {table} WHERE NOT merged ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), old AS MATERIALIZED (
    SELECT c.id FROM (SELECT DISTINCT {keys} FROM new) g CROSS JOIN LATERAL (
        SELECT c.id FROM {table} c WHERE {same} AND c.merged FOR UPDATE SKIP LOCKED) c
), gone AS (
    DELETE FROM {table} WHERE id IN (SELECT id FROM new UNION ALL SELECT id FROM old)
    RETURNING {keys}, {names}
), kept AS (
    INSERT INTO {table} ({keys}, {names}, merged)
    SELECT {keys}, {sums}, true FROM gone GROUP BY {keys} HAVING {some}
)
SELECT count(*) FROM new
"""  # noqa: S608 - put together from constants


def merge(conn: Connection, sql: LiteralString) -> int:
    """Run a statement of `merge_sql`; returns how many new rows it merged."""
    row = conn.execute(sql, {"limit": AT_ONCE}).fetchone()
    return 0 if row is None else int(row[0])
