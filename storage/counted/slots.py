"""How many jobs are generating, by account and lane: most of the slots that are in use."""

from __future__ import annotations

from typing import LiteralString

from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql

_KEYS: LiteralString = "account, lane"
_OF_CHANGED: LiteralString = "FROM changed r WHERE r.state = 'generating' GROUP BY 1, 2"
_INSERT: LiteralString = f"INSERT INTO slot_counts ({_KEYS}, jobs)"

SLOT_MOVED: LiteralString = """(OLD.state = 'generating') <> (NEW.state = 'generating') OR NEW.state = 'generating'
    AND (OLD.account IS DISTINCT FROM NEW.account OR OLD.lane <> NEW.lane)"""

SLOT_COUNTS = KeptCount(
    revision="0045",
    counted="jobs",
    table="slot_counts",
    keys=_KEYS,
    numbers=("jobs",),
    # With the predicate of `jobs_at_accounts_idx`, which then answers alone.
    rows="""SELECT r.account, r.lane, 1 AS jobs FROM jobs r
            WHERE r.state = 'generating' AND r.account IS NOT NULL AND r.due_at IS NOT NULL
              AND r.state <> 'transferring'""",
    create=(
        *table_sql("slot_counts", "account text NOT NULL, lane text NOT NULL, jobs bigint NOT NULL", _KEYS),
        function_sql("slot_counts_add", f"{_INSERT} SELECT r.account, r.lane, count(*) {_OF_CHANGED}"),
        function_sql("slot_counts_take", f"{_INSERT} SELECT r.account, r.lane, -count(*) {_OF_CHANGED}"),
        function_sql(
            "slot_counts_move",
            f"""{_INSERT} SELECT OLD.account, OLD.lane, -1 WHERE OLD.state = 'generating'
                UNION ALL SELECT NEW.account, NEW.lane, 1 WHERE NEW.state = 'generating'""",
        ),
        clear_sql("slot_counts"),
        *triggers_sql(
            "slot_counts",
            "jobs",
            SLOT_MOVED,
        ),
    ),
    drop=drop_sql("slot_counts", "jobs"),
)
