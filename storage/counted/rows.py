"""How many rows a campaign has by review, and how many versions these have."""

from __future__ import annotations

from typing import LiteralString

from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql

_KEYS: LiteralString = "campaign_id, review"
# Of a row `r`.
_GROUP: LiteralString = "r.campaign_id, r.review"
_INSERT: LiteralString = f"INSERT INTO row_counts ({_KEYS}, rows, versions)"
_OF_CHANGED: LiteralString = "FROM changed r GROUP BY 1, 2"
_OLD, _NEW = _GROUP.replace("r.", "OLD."), _GROUP.replace("r.", "NEW.")
_OF_TENANT: LiteralString = "campaign_id IN (SELECT id FROM campaigns WHERE tenant = %(tenant)s)"

ROW_COUNTS = KeptCount(
    revision="0047",
    counted="campaign_rows",
    table="row_counts",
    keys=_KEYS,
    numbers=("rows", "versions"),
    rows="""SELECT r.campaign_id, r.review, 1 AS rows, r.versions::int AS versions FROM campaign_rows r WHERE true""",
    create=(
        *table_sql(
            "row_counts",
            "campaign_id uuid NOT NULL, review text NOT NULL, rows bigint NOT NULL, versions bigint NOT NULL",
            _KEYS,
        ),
        function_sql("row_counts_add", f"{_INSERT} SELECT {_GROUP}, count(*), sum(r.versions) {_OF_CHANGED}"),
        function_sql("row_counts_take", f"{_INSERT} SELECT {_GROUP}, -count(*), -sum(r.versions) {_OF_CHANGED}"),
        function_sql("row_counts_move", f"{_INSERT} VALUES ({_OLD}, -1, -OLD.versions), ({_NEW}, 1, NEW.versions)"),
        clear_sql("row_counts"),
        *triggers_sql(
            "row_counts",
            "campaign_rows",
            f"({_OLD}, OLD.versions) IS DISTINCT FROM ({_NEW}, NEW.versions)",
        ),
    ),
    drop=drop_sql("row_counts", "campaign_rows"),
    of_tenant=(f"r.{_OF_TENANT}", _OF_TENANT),
)
