"""Compare the kept counts with the rows that they count."""

from __future__ import annotations

from psycopg import sql

from storage.counted.ahead import KEPT_COUNTS
from storage.database import Connection


def miscounted(conn: Connection) -> list[tuple[object, ...]]:
    """The groups whose kept count is wrong: its table, the group, and how many more there are than counted. Of the
    counts that the schema has, which may be an older one."""
    known = [kept for kept in KEPT_COUNTS if conn.execute("SELECT to_regclass(%s)", [kept.table]).fetchone() != (None,)]
    return [(kept.table, *row) for kept in known for row in conn.execute(sql.SQL(kept.wrong_sql))]
