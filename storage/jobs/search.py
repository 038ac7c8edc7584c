"""Find jobs among very many, a page at a time, with bounded work for each page.

Indexes answer state, campaign and tag. The other conditions are checked on at most `LOOKED_AT` of the newest jobs that
remain; the page says where it stopped, and the next page continues there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection, reading_in_order
from storage.jobs.states import JobState
from storage.jobs.walks import FIRST, LAST, walk

LOOKED_AT = 2_500
MIN_PREFIX = 4

_WITH_TAG: LiteralString = """
SELECT id FROM jobs
WHERE tags @> ARRAY[%(tag)s::text] AND tags <> '{}'::text[] AND tenant = %(tenant)s AND state = ANY(%(states)s)
  AND (%(campaign)s::uuid IS NULL OR campaign_id = %(campaign)s) AND id < %(below)s
ORDER BY id DESC LIMIT %(look)s
"""


def _hits(looked: LiteralString) -> LiteralString:
    """The query for a page of hits among these jobs."""
    return f"""
WITH looked AS MATERIALIZED ({looked}), hits AS (
    SELECT j.id FROM looked l CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = l.id OFFSET 0) j  -- each by its id
    WHERE j.tenant = %(tenant)s AND (%(account)s::text IS NULL OR j.account = %(account)s)
      AND (%(text)s::text IS NULL OR strpos(lower(j.request ->> 'prompt'), lower(%(text)s)) > 0)
    ORDER BY j.id DESC LIMIT %(limit)s
)
SELECT coalesce((SELECT array_agg(id ORDER BY id DESC) FROM hits), '{{}}'), (SELECT count(*) FROM looked),
       (SELECT id FROM looked ORDER BY id LIMIT 1)
"""  # noqa: S608 - put together from constants


_HITS = {
    True: _hits(walk("tenant", "%(tenant)s", "DESC", limit="%(look)s")),
    False: _hits(walk("campaign_id", "%(campaign)s", "DESC", limit="%(look)s")),
}
"""By whether all jobs of the tenant are looked at."""
_HITS_WITH_TAG = _hits(_WITH_TAG)
# By the index of the tenant: in that of all ids, a tenant with few jobs has them among very many others.
_BY_PREFIX = walk("tenant", "%(tenant)s", "DESC")
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
    if wanted.tag is None:
        with reading_in_order(conn):
            row = conn.execute(_HITS[wanted.campaign is None], parameters).fetchone()
    else:  # tags have an index without an order
        row = conn.execute(_HITS_WITH_TAG, parameters).fetchone()
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
    low, high = int(digits.ljust(32, "0"), 16), int(digits.ljust(32, "f"), 16)
    parameters = {
        "tenant": tenant,
        "states": list(JobState),
        "above": UUID(int=max(low - 1, FIRST.int)),
        "below": UUID(int=min(high + 1, LAST.int)),
        "limit": limit,
    }
    with reading_in_order(conn):
        return [row[0] for row in conn.execute(_BY_PREFIX, parameters).fetchall()]


def by_key(conn: Connection, tenant: str, key: str) -> UUID | None:
    """The job with that idempotency key; None: there is none."""
    row = conn.execute(_BY_KEY, {"tenant": tenant, "key": key}).fetchone()
    return None if row is None else row[0]
