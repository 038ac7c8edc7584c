"""Find jobs among very many, a page at a time, with bounded work for each page.

Indexes answer state, campaign and tag. The other conditions are checked on at most `LOOKED_AT` of the newest jobs that
remain; the page says where it stopped, and the next page continues there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jobs.states import JobState
from storage.jobs.walks import FIRST, LAST, NEWEST_FIRST, OF_STATE

LOOKED_AT = 5_000
MIN_PREFIX = 4

# Within each state the index is in the order of the ids: the newest of several states are found without a full sort.
_OF_TENANT: LiteralString = f"""
SELECT p.id FROM unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL (
    SELECT id FROM jobs WHERE tenant = %(tenant)s AND {OF_STATE} {NEWEST_FIRST} LIMIT %(look)s
) p ORDER BY p.id DESC LIMIT %(look)s
"""  # noqa: S608 - put together from constants
_OF_CAMPAIGN: LiteralString = f"""
SELECT p.id FROM unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL (
    SELECT id FROM jobs WHERE campaign_id = %(campaign)s AND {OF_STATE} {NEWEST_FIRST} LIMIT %(look)s
) p ORDER BY p.id DESC LIMIT %(look)s
"""  # noqa: S608 - as above
_WITH_TAG: LiteralString = """
SELECT id FROM jobs
WHERE tags @> ARRAY[%(tag)s::text] AND tags <> '{}'::text[] AND tenant = %(tenant)s AND state = ANY(%(states)s)
  AND (%(campaign)s::uuid IS NULL OR campaign_id = %(campaign)s) AND id < %(below)s
ORDER BY id DESC LIMIT %(look)s
"""
_HITS: LiteralString = """
), hits AS (
    SELECT j.id FROM looked l CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = l.id OFFSET 0) j  -- each by its id
    WHERE j.tenant = %(tenant)s AND (%(account)s::text IS NULL OR j.account = %(account)s)
      AND (%(text)s::text IS NULL OR strpos(lower(j.request ->> 'prompt'), lower(%(text)s)) > 0)
    ORDER BY j.id DESC LIMIT %(limit)s
)
SELECT coalesce((SELECT array_agg(id ORDER BY id DESC) FROM hits), '{}'), (SELECT count(*) FROM looked),
       (SELECT id FROM looked ORDER BY id LIMIT 1)
"""
_BY_PREFIX: LiteralString = """
SELECT id FROM jobs WHERE tenant = %(tenant)s AND id BETWEEN %(low)s AND %(high)s ORDER BY id DESC LIMIT %(limit)s
"""
_BY_KEY: LiteralString = "SELECT id FROM jobs WHERE tenant = %(tenant)s AND idempotency_key = %(key)s"


@dataclass(frozen=True, slots=True)
class Search:
    """Which jobs to find; None: any value. `text` occurs in the prompt, upper or lower case."""

    tenant: str
    states: Sequence[JobState] | None = None
    campaign: UUID | None = None
    account: str | None = None
    tag: str | None = None
    text: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether some condition cannot be answered from an index."""
        return self.account is not None or self.text is not None


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """A page of ids, newest first. `next_before`: where the next page continues; None: this is the last one.
    `looked_at`: how many jobs were checked; None: all that remained."""

    ids: Sequence[UUID]
    next_before: UUID | None
    looked_at: int | None = None


def find(conn: Connection, wanted: Search, *, before: UUID | None = None, limit: int = 50) -> FoundJobs:
    """A page of jobs; `before` is where the previous page ended."""
    look = LOOKED_AT if wanted.is_narrow else limit + 1
    parameters: dict[str, Any] = {
        "tenant": wanted.tenant,
        "states": list(wanted.states or JobState),
        "campaign": wanted.campaign,
        "account": wanted.account,
        "tag": wanted.tag,
        "text": wanted.text,
        "above": FIRST,
        "below": before or LAST,
        "look": look,
        "limit": limit + 1,
    }
    by_index = _OF_TENANT if wanted.campaign is None else _OF_CAMPAIGN
    candidates = by_index if wanted.tag is None else _WITH_TAG
    row = conn.execute("WITH looked AS MATERIALIZED (" + candidates + _HITS, parameters).fetchone()
    ids, looked, oldest = row if row is not None else ([], 0, None)
    if len(ids) > limit:
        return FoundJobs(ids[:limit], ids[limit - 1])
    if wanted.is_narrow and looked == look:
        return FoundJobs(ids, oldest, looked)
    return FoundJobs(ids, None)


def by_id(conn: Connection, tenant: str, text: str, limit: int) -> list[UUID]:
    """Jobs whose id begins with `text`, newest first; none if `text` is not the beginning of an id."""
    digits = text.strip().lower().replace("-", "")
    if not MIN_PREFIX <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return []
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    rows = conn.execute(_BY_PREFIX, {"tenant": tenant, "low": low, "high": high, "limit": limit})
    return [row[0] for row in rows]


def by_key(conn: Connection, tenant: str, key: str) -> UUID | None:
    """The job with that idempotency key; None: there is none."""
    row = conn.execute(_BY_KEY, {"tenant": tenant, "key": key}).fetchone()
    return None if row is None else row[0]
