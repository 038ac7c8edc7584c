"""What a campaign's pages show of its jobs: what waits, what it costs, and when jobs ended.

Each `kind` has its own `labels`:

* `waiting`, queued jobs: account that they are pinned to, lane, reason, currency and lowest price, then the gateways
  that can serve them. Empty texts: none.
* `estimated`, jobs with an estimate, and its `low` and `high`: currency, and `list` for an estimate by list price.
* `reported`, jobs with a reported cost, and its `amount`: currency, and `compared` if they have an estimate in the same
  currency, of which `low` and `high` are.
* `ended`, jobs that have ended: state, and the time in pieces of `ENDED_S` since 1970.
"""

from __future__ import annotations

from typing import LiteralString

from storage.counted.kept_count import KeptCount, clear_sql, drop_sql, function_sql, table_sql, triggers_sql

ENDED_S = 300
_KEYS: LiteralString = "campaign_id, kind, labels"
_NUMBERS: tuple[LiteralString, ...] = ("jobs", "low", "high", "amount")
# Nothing here may fail, whatever a row holds.
_LOW: LiteralString = "CASE WHEN jsonb_typeof(r.estimate -> 'low') = 'number' THEN (r.estimate ->> 'low')::numeric END"
_HIGH: LiteralString = (
    "CASE WHEN jsonb_typeof(r.estimate -> 'high') = 'number' THEN (r.estimate ->> 'high')::numeric ELSE 0 END"
)
_COST: LiteralString = "CASE WHEN jsonb_typeof(r.cost -> 'amount') = 'number' THEN (r.cost ->> 'amount')::numeric END"
_COMPARED: LiteralString = f"{_LOW} IS NOT NULL AND r.cost ->> 'currency' = r.estimate ->> 'currency'"

WAITING_LABELS: LiteralString = """ARRAY[coalesce(r.account_pin, ''), r.lane, coalesce(r.reason, ''), r.price_currency,
    r.least_price::text] || r.gateways"""
"""The labels of a queued job `r`."""

# The parts of a row `r` of a campaign.
_PARTS: LiteralString = f"""
    SELECT r.campaign_id, 'waiting' AS kind, {WAITING_LABELS} AS labels, 1 AS jobs, 0::numeric AS low,
           0::numeric AS high, 0::numeric AS amount
    WHERE r.campaign_id IS NOT NULL AND r.state = 'queued'
    UNION ALL
    SELECT r.campaign_id, 'estimated', ARRAY[coalesce(r.estimate ->> 'currency', ''),
           CASE WHEN r.estimate ->> 'basis' = 'list' THEN 'list' ELSE '' END], 1, {_LOW}, {_HIGH}, 0
    WHERE r.campaign_id IS NOT NULL AND {_LOW} IS NOT NULL
    UNION ALL
    SELECT r.campaign_id, 'reported', ARRAY[coalesce(r.cost ->> 'currency', ''),
           CASE WHEN {_COMPARED} THEN 'compared' ELSE '' END], 1,
           CASE WHEN {_COMPARED} THEN {_LOW} ELSE 0 END, CASE WHEN {_COMPARED} THEN {_HIGH} ELSE 0 END, {_COST}
    WHERE r.campaign_id IS NOT NULL AND {_COST} IS NOT NULL
    UNION ALL
    SELECT r.campaign_id, 'ended', ARRAY[r.state, floor(extract(epoch FROM r.finished_at) / {ENDED_S})::text], 1, 0, 0,
           0
    WHERE r.campaign_id IS NOT NULL AND isfinite(r.finished_at)"""  # noqa: S608 - put together from constants
_INSERT: LiteralString = f"INSERT INTO campaign_sums ({_KEYS}, {', '.join(_NUMBERS)})"
_SUMS: LiteralString = ", ".join(f"sum(p.{name})" for name in _NUMBERS)
_NEGATIVE: LiteralString = ", ".join(f"-sum(p.{name})" for name in _NUMBERS)
_GROUPED: LiteralString = "p.campaign_id, p.kind, p.labels"
_OF_CHANGED: LiteralString = f"FROM changed r CROSS JOIN LATERAL ({_PARTS}) p GROUP BY 1, 2, 3"
_SOME: LiteralString = "EXISTS (SELECT FROM changed WHERE campaign_id IS NOT NULL)"

CAMPAIGN_SUMS = KeptCount(
    revision="0042",
    counted="jobs",
    table="campaign_sums",
    keys=_KEYS,
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
        function_sql(
            "campaign_sums_move",
            f"""{_INSERT} SELECT {_GROUPED}, {_SUMS} FROM (
                SELECT campaign_id, kind, labels, -jobs AS jobs, -low AS low, -high AS high, -amount AS amount
                FROM ({_PARTS.replace("r.", "OLD.")}) o
                UNION ALL {_PARTS.replace("r.", "NEW.")}) p
                GROUP BY 1, 2, 3 HAVING {" OR ".join(f"sum(p.{name}) <> 0" for name in _NUMBERS)}""",  # noqa: S608 - from constants
        ),
        clear_sql("campaign_sums"),
        *triggers_sql(
            "campaign_sums",
            "jobs",
            """(OLD.campaign_id IS NOT NULL OR NEW.campaign_id IS NOT NULL) AND (
               (OLD.state = 'queued') <> (NEW.state = 'queued')
               OR OLD.finished_at IS DISTINCT FROM NEW.finished_at
               OR NEW.finished_at IS NOT NULL AND OLD.state <> NEW.state
               OR NEW.state = 'queued' AND (
                   OLD.reason IS DISTINCT FROM NEW.reason OR OLD.account_pin IS DISTINCT FROM NEW.account_pin
                   OR OLD.lane <> NEW.lane OR OLD.price_currency <> NEW.price_currency
                   OR OLD.least_price <> NEW.least_price OR OLD.gateways <> NEW.gateways)
               OR OLD.cost IS DISTINCT FROM NEW.cost OR OLD.estimate IS DISTINCT FROM NEW.estimate
               OR OLD.campaign_id IS DISTINCT FROM NEW.campaign_id)""",
        ),
    ),
    drop=drop_sql("campaign_sums", "jobs"),
    of_tenant=(
        "r.campaign_id IN (SELECT id FROM campaigns WHERE tenant = %(tenant)s)",
        "campaign_id IN (SELECT id FROM campaigns WHERE tenant = %(tenant)s)",
    ),
)
