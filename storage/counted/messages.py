"""How many webhook messages there are in each state."""

from __future__ import annotations

from typing import LiteralString

from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql

MESSAGE_STATE: LiteralString = """CASE WHEN m.delivered_at IS NOT NULL THEN 'delivered' WHEN m.dead_at IS NOT NULL
    THEN 'dead' WHEN m.attempts > 0 THEN 'retrying' ELSE 'pending' END"""
"""The state of a message `m`."""
_OLD, _NEW = MESSAGE_STATE.replace("m.", "OLD."), MESSAGE_STATE.replace("m.", "NEW.")
_OF_CHANGED: LiteralString = "FROM changed m GROUP BY 1"
_INSERT: LiteralString = "INSERT INTO message_counts (state, messages)"

MESSAGE_COUNTS = KeptCount(
    revision="0042",
    counted="webhook_messages",
    table="message_counts",
    keys="state",
    numbers=("messages",),
    rows=f"SELECT {MESSAGE_STATE} AS state, 1 AS messages FROM webhook_messages m",  # noqa: S608 - from constants
    create=(
        *table_sql("message_counts", "state text NOT NULL, messages bigint NOT NULL", "state"),
        function_sql("message_counts_add", f"{_INSERT} SELECT {MESSAGE_STATE}, count(*) {_OF_CHANGED}"),
        function_sql("message_counts_take", f"{_INSERT} SELECT {MESSAGE_STATE}, -count(*) {_OF_CHANGED}"),
        function_sql("message_counts_move", f"{_INSERT} VALUES ({_OLD}, -1), ({_NEW}, 1)"),
        clear_sql("message_counts"),
        *triggers_sql("message_counts", "webhook_messages", f"{_OLD} <> {_NEW}"),
    ),
    drop=drop_sql("message_counts", "webhook_messages"),
)
