"""How many rows of sheets the rows of a campaign are.

A template may make several videos of one row of a sheet; all but at most one of them have a label. Without labels, rows
are rows of the sheet. With labels, all rows must be read, so the result is kept until rows are added, moved or removed.
"""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from storage.database import Connection

# In the order of an index that has no other rows: else PostgreSQL may look for one among all rows of the campaign.
_LABELS: LiteralString = """
SELECT 1 FROM campaign_rows WHERE campaign_id = %(campaign)s AND label <> '' ORDER BY label LIMIT 1
"""
# What the rows were when they were counted: their number, and the newest file.
_NOW: LiteralString = """
SELECT coalesce((SELECT sum(rows) FROM row_counts WHERE campaign_id = %(campaign)s), 0)::bigint AS rows,
       coalesce((SELECT max(number) FROM campaign_sheets WHERE campaign_id = %(campaign)s), 0) AS sheet
"""
_KEPT: LiteralString = f"""
SELECT k.sheet_rows FROM sheet_row_counts k JOIN ({_NOW}) n ON k.rows = n.rows AND k.sheet = n.sheet
WHERE k.campaign_id = %(campaign)s
"""  # noqa: S608 - put together from constants
# Who stores rows holds the campaign: the count is kept only if nothing can change before it is.
_HOLD: LiteralString = "SELECT 1 FROM campaigns WHERE id = %(campaign)s FOR SHARE SKIP LOCKED"
_COUNT: LiteralString = """
SELECT coalesce(sum(made), 0)::bigint AS sheet_rows FROM (
    SELECT greatest(count(*) FILTER (WHERE label = ''), 1) AS made FROM campaign_rows
    WHERE campaign_id = %(campaign)s GROUP BY sheet, number) r
"""
_KEEP: LiteralString = f"""
INSERT INTO sheet_row_counts (campaign_id, rows, sheet, sheet_rows)
SELECT %(campaign)s, n.rows, n.sheet, c.sheet_rows FROM ({_NOW}) n, ({_COUNT}) c
ON CONFLICT (campaign_id) DO UPDATE SET rows = excluded.rows, sheet = excluded.sheet, sheet_rows = excluded.sheet_rows
RETURNING sheet_rows
"""  # noqa: S608 - as above


def count_sheet_rows(conn: Connection, campaign_id: UUID, rows: int) -> int:
    """How many rows of sheets the rows of a campaign are. `rows`: how many rows it has."""
    values = {"campaign": campaign_id}
    if conn.execute(_LABELS, values).fetchone() is None:
        return rows
    kept = conn.execute(_KEPT, values).fetchone()
    if kept is not None:
        return int(kept[0])
    is_held = conn.execute(_HOLD, values).fetchone() is not None
    row = conn.execute(_KEEP if is_held else _COUNT, values).fetchone()
    return 0 if row is None else int(row[0])


def forget_sheet_rows(conn: Connection, campaign_id: UUID) -> None:
    """Rows of a campaign get other places: count them again when they are next asked for."""
    conn.execute("DELETE FROM sheet_row_counts WHERE campaign_id = %s", [campaign_id])
