"""Why jobs of a campaign failed, were cancelled or are held for a decision, and how many.

`labels` of a group: state, code, stage and modality; the last two may be NULL.
"""

from __future__ import annotations

from typing import LiteralString

from storage.counted.campaigns import CAMPAIGN_MOVED
from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql

_KEYS: LiteralString = "campaign_id, labels"
LOST: LiteralString = "(r.state IN ('failed', 'cancelled') OR r.state = 'unconfirmed' AND r.reason = 'held')"
"""Whether a job `r` failed, was cancelled or is held."""
# Texts of another program are cut: an index refuses entries of more than 2,700 bytes, and that would stop its
# statement. Nothing here may fail, whatever the error holds.
LABELS: LiteralString = (
    "ARRAY[r.state, left(COALESCE(r.error ->> 'code', r.reason, ''), 200), left(r.error ->> 'stage', 200),"
    " left(r.error ->> 'modality', 200)]"
)
"""The labels of a job `r`."""
COUNTED: LiteralString = f"r.campaign_id IS NOT NULL AND {LOST}"
_OLD_LOST, _NEW_LOST = LOST.replace("r.", "OLD."), LOST.replace("r.", "NEW.")
_OLD_LABELS, _NEW_LABELS = LABELS.replace("r.", "OLD."), LABELS.replace("r.", "NEW.")
_INSERT: LiteralString = f"INSERT INTO failure_counts ({_KEYS}, jobs)"
_PART: LiteralString = f"SELECT r.campaign_id, {LABELS} AS labels"
_OF_CHANGED: LiteralString = f"FROM changed r WHERE {COUNTED} GROUP BY 1, 2"
_OLD, _NEW = (
    f"SELECT {row}campaign_id, {labels}, {number} WHERE {COUNTED.replace('r.', row)}"
    for row, labels, number in (("OLD.", _OLD_LABELS, "-1"), ("NEW.", _NEW_LABELS, "1"))
)
_OF_TENANT: LiteralString = "campaign_id IN (SELECT id FROM campaigns WHERE tenant = %(tenant)s)"

# Of most updates, only the states are compared: their jobs are not lost, before or after.
FAILURE_MOVED: LiteralString = f"""({_OLD_LOST} OR {_NEW_LOST})
    AND (OLD.campaign_id IS NOT NULL OR NEW.campaign_id IS NOT NULL)
    AND ({_OLD_LOST} <> {_NEW_LOST} OR {CAMPAIGN_MOVED} OR {_OLD_LABELS} <> {_NEW_LABELS})"""

FAILURE_COUNTS = KeptCount(
    revision="0059",
    counted="jobs",
    table="failure_counts",
    keys=_KEYS,
    numbers=("jobs",),
    rows=f"{_PART}, 1 AS jobs FROM jobs r WHERE {COUNTED}",
    create=(
        *table_sql("failure_counts", "campaign_id uuid NOT NULL, labels text[] NOT NULL, jobs bigint NOT NULL", _KEYS),
        function_sql("failure_counts_add", f"{_INSERT} {_PART}, count(*) {_OF_CHANGED}"),
        function_sql("failure_counts_take", f"{_INSERT} {_PART}, -count(*) {_OF_CHANGED}"),
        function_sql("failure_counts_move", f"{_INSERT} {_OLD} UNION ALL {_NEW}"),
        clear_sql("failure_counts"),
        *triggers_sql("failure_counts", "jobs", FAILURE_MOVED),
    ),
    drop=drop_sql("failure_counts", "jobs"),
    of_tenant=(f"r.{_OF_TENANT}", _OF_TENANT),
)
