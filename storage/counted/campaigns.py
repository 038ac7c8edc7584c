"""What a campaign's pages show of its jobs: what waits, what it costs, and when jobs ended.

Each `kind` has its own `labels`:

* `waiting`, queued jobs: account that they are pinned to, lane, reason, currency and lowest price, then the gateways
  that can serve them. Empty texts: none.
* `estimated`, jobs with an estimate, and its `low` and `high`: currency, and `list` for an estimate by list price.
* `reported`, jobs with a reported cost, and its `amount`: currency, and `compared` if they have an estimate in the same
  currency, of which `low` and `high` are.
* `ended`, jobs that have ended: state, the time in units of `ENDED_S` since 1970, and how many units the piece of time
  is long; missing: one. A piece is `ENDED_S` long today and yesterday, an hour in the week before that, then a day.
"""

from __future__ import annotations

from typing import LiteralString

from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql
from storage.counted.pieces import length_sql, start_sql

ENDED_S = 300
_LENGTHS: tuple[tuple[LiteralString, LiteralString], ...] = (("1", "300"), ("8", "3600"))
_KEYS: LiteralString = "campaign_id, kind, labels"
_NUMBERS: tuple[LiteralString, ...] = ("jobs", "low", "high", "amount")
# Of a row `r`. Nothing here may fail, whatever it holds.
LOW: LiteralString = "CASE WHEN jsonb_typeof(r.estimate -> 'low') = 'number' THEN (r.estimate ->> 'low')::numeric END"
HIGH: LiteralString = (
    "CASE WHEN jsonb_typeof(r.estimate -> 'high') = 'number' THEN (r.estimate ->> 'high')::numeric ELSE 0 END"
)
COST: LiteralString = "CASE WHEN jsonb_typeof(r.cost -> 'amount') = 'number' THEN (r.cost ->> 'amount')::numeric END"
COMPARED: LiteralString = f"{LOW} IS NOT NULL AND r.cost ->> 'currency' = r.estimate ->> 'currency'"

WAITING_LABELS: LiteralString = """ARRAY[coalesce(r.account_pin, ''), r.lane, coalesce(r.reason, ''), r.price_currency,
    r.least_price::text] || r.gateways"""
"""The labels of a queued job `r`."""


def _piece(state: LiteralString, at: LiteralString, length: LiteralString) -> LiteralString:
    """The labels of jobs that ended in that state at that time, in a piece of that length."""
    unit: LiteralString = f"floor(({start_sql(at, length)}) / {ENDED_S})::text"
    return f"""CASE WHEN ({length}) = {ENDED_S} THEN ARRAY[{state}, {unit}]
        ELSE ARRAY[{state}, {unit}, (({length}) / {ENDED_S})::text] END"""


_KEPT_AT: LiteralString = f"(labels[2]::numeric * {ENDED_S})"
_KEPT_LENGTH: LiteralString = f"greatest(coalesce(labels[3]::int, 1) * {ENDED_S}, {length_sql(_KEPT_AT, _LENGTHS)})"
CURRENT_LABELS: LiteralString = f"""CASE WHEN kind <> 'ended' THEN labels
    ELSE {_piece("labels[1]", _KEPT_AT, _KEPT_LENGTH)} END"""
"""The labels of a row of `campaign_sums` as they would be written now."""

# The parts of a row `r` of a campaign.
_WAITING: LiteralString = f"""
    SELECT r.campaign_id, 'waiting' AS kind, {WAITING_LABELS} AS labels, 1 AS jobs, 0::numeric AS low,
           0::numeric AS high, 0::numeric AS amount
    WHERE r.campaign_id IS NOT NULL AND r.state = 'queued'"""
_ESTIMATED: LiteralString = f"""
    SELECT r.campaign_id, 'estimated' AS kind, ARRAY[coalesce(r.estimate ->> 'currency', ''),
           CASE WHEN r.estimate ->> 'basis' = 'list' THEN 'list' ELSE '' END] AS labels, 1 AS jobs, {LOW} AS low,
           {HIGH} AS high, 0::numeric AS amount
    WHERE r.campaign_id IS NOT NULL AND {LOW} IS NOT NULL"""
_REPORTED: LiteralString = f"""
    SELECT r.campaign_id, 'reported' AS kind, ARRAY[coalesce(r.cost ->> 'currency', ''),
           CASE WHEN {COMPARED} THEN 'compared' ELSE '' END] AS labels, 1 AS jobs,
           CASE WHEN {COMPARED} THEN {LOW} ELSE 0 END AS low, CASE WHEN {COMPARED} THEN {HIGH} ELSE 0 END AS high,
           {COST} AS amount
    WHERE r.campaign_id IS NOT NULL AND {COST} IS NOT NULL"""
_ENDED: LiteralString = f"""
    SELECT r.campaign_id, 'ended' AS kind, {_piece("r.state", "e.at", "e.length")} AS labels, 1 AS jobs,
           0::numeric AS low, 0::numeric AS high, 0::numeric AS amount
    FROM (SELECT a.at, {length_sql("a.at", _LENGTHS)} AS length
          FROM (SELECT extract(epoch FROM r.finished_at) AS at) a) e
    WHERE r.campaign_id IS NOT NULL AND isfinite(r.finished_at)"""  # noqa: S608 - as above
CAMPAIGN_MOVED: LiteralString = "OLD.campaign_id IS DISTINCT FROM NEW.campaign_id"
_WAITING_MOVED: LiteralString = """(OLD.state = 'queued') <> (NEW.state = 'queued') OR NEW.state = 'queued' AND (
    OLD.reason IS DISTINCT FROM NEW.reason OR OLD.account_pin IS DISTINCT FROM NEW.account_pin
    OR OLD.lane <> NEW.lane OR OLD.price_currency <> NEW.price_currency
    OR OLD.least_price <> NEW.least_price OR OLD.gateways <> NEW.gateways)"""
_ESTIMATE_MOVED: LiteralString = "OLD.estimate IS DISTINCT FROM NEW.estimate"
_COST_MOVED: LiteralString = f"OLD.cost IS DISTINCT FROM NEW.cost OR {_ESTIMATE_MOVED}"
_END_MOVED: LiteralString = """OLD.finished_at IS DISTINCT FROM NEW.finished_at
    OR NEW.finished_at IS NOT NULL AND OLD.state <> NEW.state"""
_ANY_MOVED: LiteralString = f"{_WAITING_MOVED} OR {_COST_MOVED} OR {_END_MOVED} OR {CAMPAIGN_MOVED}"
CAMPAIGN_PARTS: tuple[tuple[LiteralString, LiteralString, LiteralString], ...] = (
    ("waiting", _WAITING_MOVED, _WAITING),
    ("estimated", _ESTIMATE_MOVED, _ESTIMATED),
    ("reported", _COST_MOVED, _REPORTED),
    ("ended", _END_MOVED, _ENDED),
)
"""Kinds of sums: when a job that stays in its campaign changes them, and the part of a row."""
_PARTS: LiteralString = f"{_WAITING} UNION ALL {_ESTIMATED} UNION ALL {_REPORTED} UNION ALL {_ENDED}"
_INSERT: LiteralString = f"INSERT INTO campaign_sums ({_KEYS}, {', '.join(_NUMBERS)})"
_SUMS: LiteralString = ", ".join(f"sum(p.{name})" for name in _NUMBERS)
_NEGATIVE: LiteralString = ", ".join(f"-sum(p.{name})" for name in _NUMBERS)
_GROUPED: LiteralString = "p.campaign_id, p.kind, p.labels"
_OF_CHANGED: LiteralString = f"FROM changed r CROSS JOIN LATERAL ({_PARTS}) p GROUP BY 1, 2, 3"
_SOME: LiteralString = "EXISTS (SELECT FROM changed WHERE campaign_id IS NOT NULL)"


def _changed(parts: LiteralString) -> LiteralString:
    """The statement that takes these parts of an updated row away as they were, and adds them as they are."""
    return f"""{_INSERT} SELECT campaign_id, kind, labels, -jobs, -low, -high, -amount
        FROM ({parts.replace("r.", "OLD.")}) o UNION ALL {parts.replace("r.", "NEW.")}"""  # noqa: S608 - as above


# A job moves four times, and most moves change one part: to read the others took four times as long.
_MOVE: LiteralString = function_sql(
    "campaign_sums_move",
    f"""IF OLD.campaign_id IS DISTINCT FROM NEW.campaign_id THEN {_changed(_PARTS)};
        ELSE
            IF OLD.state = 'queued' OR NEW.state = 'queued' THEN {_changed(_WAITING)}; END IF;
            IF OLD.estimate IS DISTINCT FROM NEW.estimate THEN {_changed(_ESTIMATED)}; END IF;
            IF OLD.estimate IS DISTINCT FROM NEW.estimate OR OLD.cost IS DISTINCT FROM NEW.cost
                THEN {_changed(_REPORTED)}; END IF;
            IF OLD.finished_at IS DISTINCT FROM NEW.finished_at
                OR NEW.finished_at IS NOT NULL AND OLD.state <> NEW.state
                THEN {_changed(_ENDED)}; END IF;
        END IF""",
)

CAMPAIGN_SUMS = KeptCount(
    revision="0042",
    counted="jobs",
    table="campaign_sums",
    keys=_KEYS,
    current=f"campaign_id, kind, {CURRENT_LABELS}",
    numbers=_NUMBERS,
    rows=f"SELECT p.* FROM jobs r CROSS JOIN LATERAL ({_PARTS}) p WHERE r.campaign_id IS NOT NULL",  # noqa: S608 - from constants
    create=(
        *table_sql(
            "campaign_sums",
            """campaign_id uuid NOT NULL, kind text NOT NULL, labels text[] NOT NULL, jobs bigint NOT NULL,
               low numeric NOT NULL, high numeric NOT NULL, amount numeric NOT NULL""",
            _KEYS,
        ),
        function_sql(
            "campaign_sums_add", f"IF {_SOME} THEN {_INSERT} SELECT {_GROUPED}, {_SUMS} {_OF_CHANGED}; END IF"
        ),
        function_sql(
            "campaign_sums_take", f"IF {_SOME} THEN {_INSERT} SELECT {_GROUPED}, {_NEGATIVE} {_OF_CHANGED}; END IF"
        ),
        _MOVE,
        clear_sql("campaign_sums"),
        *triggers_sql(
            "campaign_sums",
            "jobs",
            f"(OLD.campaign_id IS NOT NULL OR NEW.campaign_id IS NOT NULL) AND ({_ANY_MOVED})",
        ),
    ),
    drop=drop_sql("campaign_sums", "jobs"),
    of_tenant=(
        "r.campaign_id IN (SELECT id FROM campaigns WHERE tenant = %(tenant)s)",
        "campaign_id IN (SELECT id FROM campaigns WHERE tenant = %(tenant)s)",
    ),
)
