"""How many jobs of a tenant ended in each ten minutes, and what they cost; before the last eight days, on each day.

`labels` of a group: the state; `e` and the currency of the estimates, of which `low` and `high` are the sums, empty: no
estimate; `list` for estimates by list price; `r` and the currency of the reported costs, of which `amount` is the sum,
empty: no cost; `compared` if both are in the same currency.
"""

from __future__ import annotations

from typing import LiteralString

from storage.counted.campaigns import COMPARED, COST, HIGH, LOW
from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql
from storage.counted.pieces import length_sql, start_sql

PIECE_S = 600
_LENGTHS: tuple[tuple[LiteralString, LiteralString], ...] = (("8", "600"),)
_KEYS: LiteralString = "tenant, ended, labels"
_NUMBERS: tuple[LiteralString, ...] = ("jobs", "low", "high", "amount")


def _piece(at: LiteralString) -> LiteralString:
    """When the piece of that time (a timestamp) begins."""
    epoch: LiteralString = f"extract(epoch FROM {at})"
    return f"to_timestamp({start_sql(epoch, length_sql(epoch, _LENGTHS))})"


_GROUP: LiteralString = f"""r.tenant, {_piece("r.finished_at")} AS ended,
    ARRAY[r.state, CASE WHEN {LOW} IS NULL THEN '' ELSE 'e' || coalesce(r.estimate ->> 'currency', '') END,
          CASE WHEN {LOW} IS NOT NULL AND r.estimate ->> 'basis' = 'list' THEN 'list' ELSE '' END,
          CASE WHEN {COST} IS NULL THEN '' ELSE 'r' || coalesce(r.cost ->> 'currency', '') END,
          CASE WHEN {COST} IS NOT NULL AND {COMPARED} THEN 'compared' ELSE '' END] AS labels"""
_VALUES: LiteralString = f"""1 AS jobs, coalesce({LOW}, 0) AS low,
    CASE WHEN {LOW} IS NULL THEN 0 ELSE {HIGH} END AS high, coalesce({COST}, 0) AS amount"""
_PART: LiteralString = f"SELECT {_GROUP}, {_VALUES}"
_SUMS: LiteralString = ", ".join(f"sum(p.{name})" for name in _NUMBERS)
_NEGATIVE: LiteralString = ", ".join(f"-sum(p.{name})" for name in _NUMBERS)
_INSERT: LiteralString = f"INSERT INTO ended_sums ({_KEYS}, {', '.join(_NUMBERS)})"
_OF_CHANGED: LiteralString = f"FROM ({_PART} FROM changed r WHERE isfinite(r.finished_at)) p GROUP BY 1, 2, 3"
_SOME: LiteralString = "EXISTS (SELECT FROM changed WHERE finished_at IS NOT NULL)"
_OLD, _NEW = _PART.replace("r.", "OLD."), _PART.replace("r.", "NEW.")
_TAKEN: LiteralString = ", ".join(f"-o.{name}" for name in _NUMBERS)

END_MOVED: LiteralString = """OLD.finished_at IS DISTINCT FROM NEW.finished_at
    OR NEW.finished_at IS NOT NULL AND (OLD.state <> NEW.state OR OLD.tenant <> NEW.tenant
        OR OLD.cost IS DISTINCT FROM NEW.cost OR OLD.estimate IS DISTINCT FROM NEW.estimate)"""

ENDED_SUMS = KeptCount(
    revision="0047",
    counted="jobs",
    table="ended_sums",
    keys=_KEYS,
    current=f"tenant, {_piece('ended')}, labels",
    numbers=_NUMBERS,
    rows=f"{_PART} FROM jobs r WHERE isfinite(r.finished_at)",
    create=(
        *table_sql(
            "ended_sums",
            """tenant text NOT NULL, ended timestamptz NOT NULL, labels text[] NOT NULL, jobs bigint NOT NULL,
               low numeric NOT NULL, high numeric NOT NULL, amount numeric NOT NULL""",
            _KEYS,
        ),
        function_sql(
            "ended_sums_add",
            f"IF {_SOME} THEN {_INSERT} SELECT p.tenant, p.ended, p.labels, {_SUMS} {_OF_CHANGED}; END IF",
        ),
        function_sql(
            "ended_sums_take",
            f"IF {_SOME} THEN {_INSERT} SELECT p.tenant, p.ended, p.labels, {_NEGATIVE} {_OF_CHANGED}; END IF",
        ),
        function_sql(
            "ended_sums_move",
            f"""{_INSERT}
                SELECT o.tenant, o.ended, o.labels, {_TAKEN} FROM ({_OLD} WHERE isfinite(OLD.finished_at)) o
                UNION ALL {_NEW} WHERE isfinite(NEW.finished_at)""",  # noqa: S608 - put together from constants
        ),
        clear_sql("ended_sums"),
        *triggers_sql(
            "ended_sums",
            "jobs",
            END_MOVED,
        ),
    ),
    drop=drop_sql("ended_sums", "jobs"),
    of_tenant=("r.tenant = %(tenant)s", "tenant = %(tenant)s"),
)
