"""Read-only job queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection, reading_in_order
from storage.jobs.records import JobView, request_of
from storage.jobs.states import LIVE, JobState
from storage.jobs.walks import FIRST, LAST, Order, walk

# A budget or a campaign can hold back very many jobs at once: the reason comes from its row, not from each job's row.
REASON: LiteralString = """CASE WHEN j.state = 'queued' AND j.account IS NULL
             AND j.reason IS DISTINCT FROM 'kept_back' AND EXISTS (
           SELECT FROM budgets b WHERE b.tenant = j.tenant AND b.currency = j.price_currency
             AND j.least_price > b.amount - b.spent - b.reserved
             AND b.campaign_id IN ('00000000-0000-0000-0000-000000000000'::uuid, j.campaign_id))
       THEN 'over_budget'
       WHEN j.state = 'queued' AND j.account IS NULL AND j.campaign_id IS NOT NULL
            AND coalesce(j.reason, '') NOT IN ('kept_back', 'over_budget', 'no_price')
       THEN coalesce((SELECT CASE WHEN p.start_at > now() THEN 'before_start'
                                  WHEN now() >= p.quiet_begins_at AND now() < p.quiet_ends_at THEN 'quiet_hours' END
                      FROM campaigns p WHERE p.id = j.campaign_id), j.reason)
       ELSE j.reason END"""
# Finals by their own index: by the statistics of a small table, all of the tenant's jobs would be read for each job.
_VIEW: LiteralString = f"""
SELECT j.id, j.state, c.name AS campaign, j.idempotency_key, j.request, j.priority, j.tags, j.metadata, j.webhook_url,
       j.account, j.account_pin, j.gateway, j.model, j.gateway_task_id, j.attempt, j.polls, j.error, j.usage,
       j.estimate, j.cost, j.seed,
       CASE WHEN j.deleted_at IS NULL AND j.state <> 'cancelled' THEN j.object_key END AS object_key,
       CASE WHEN j.deleted_at IS NULL AND j.state <> 'cancelled' THEN j.playable_key END AS playable_key,
       CASE WHEN j.deleted_at IS NULL AND j.state <> 'cancelled' THEN j.poster_key END AS poster_key,
       CASE WHEN j.deleted_at IS NULL AND j.state <> 'cancelled' THEN j.last_frame_key END AS last_frame_key,
       j.size_bytes, j.sha256, j.video_format, j.due_at,
       j.deadline_at, j.created_at, j.updated_at, j.submitted_at, j.generated_at, j.video_expires_at, j.finished_at,
       j.cancel_request, j.deleted_at, j.draft_of, j.draft_task_id, j.draft_ends_at,
       ARRAY(SELECT f.id FROM (SELECT id, tenant FROM jobs WHERE draft_of = j.id OFFSET 0) f
             WHERE f.tenant = j.tenant ORDER BY f.id) AS finals,
       {REASON} AS reason
FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id
"""  # noqa: S608 - put together from constants


_FACTS = ("error", "usage", "estimate", "cost", "video_format")
# The tenant as an expression, so that only the ids have an index: a plan for all tenants expects a few jobs of each,
# and would read all index entries of one that has nearly all jobs.
_OF_TENANT: LiteralString = "j.id = ANY(%(ids)s) AND j.tenant || '' = %(tenant)s"
_BY_IDS: LiteralString = f"WHERE {_OF_TENANT}"


_UNSUCCESSFUL: LiteralString = f"""
WHERE {_OF_TENANT} AND j.state IN ('unconfirmed', 'failed', 'cancelled')
ORDER BY j.id LIMIT %(limit)s
"""


def _view(row: dict[str, Any]) -> JobView:
    """A row as it is shown. Another program may have stored JSON that is no object: it is read as not known, so one row
    does not hide the others."""
    facts = {name: row[name] if isinstance(row[name], dict) else None for name in _FACTS}
    metadata = row["metadata"] if isinstance(row["metadata"], dict) else {}
    request = request_of(row["request"])
    return JobView(**row | facts | {"state": JobState(row["state"]), "metadata": metadata, "request": request})


def get_jobs(conn: Connection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, JobView]:
    """A tenant's jobs with these ids; unknown ids and those of other tenants are missing."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_VIEW + _BY_IDS, {"ids": list(ids), "tenant": tenant})
        return {row["id"]: _view(row) for row in cursor}


def jobs_of_any_tenant(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, JobView]:
    """The jobs with these ids, of all tenants: for the worker, which notifies each tenant of its own jobs."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_VIEW + "WHERE j.id = ANY(%(ids)s)", {"ids": list(ids)})
        return {row["id"]: _view(row) for row in cursor}


def routes_of(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[list[str], list[str]]]:
    """For each of these jobs: the gateways whose dialects can serve it, and the accounts that cannot send its files."""
    rows = conn.execute("SELECT id, gateways, barred_accounts FROM jobs WHERE id = ANY(%s)", [list(ids)])
    return {row[0]: (row[1], row[2]) for row in rows}


def unsuccessful_of(conn: Connection, tenant: str, ids: Sequence[UUID], limit: int) -> list[JobView]:
    """Those of these jobs that failed, were cancelled or are unconfirmed, oldest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_VIEW + _UNSUCCESSFUL, {"ids": list(ids), "tenant": tenant, "limit": limit})
        return [_view(row) for row in cursor]


def counts_of(conn: Connection, tenant: str, ids: Sequence[UUID]) -> dict[JobState, int]:
    """The number of these jobs in each state; states without jobs are missing."""
    sql: LiteralString = f"SELECT j.state, count(*) FROM jobs j WHERE {_OF_TENANT} GROUP BY j.state"  # noqa: S608 - as above
    rows = conn.execute(sql, {"ids": list(ids), "tenant": tenant})
    return {JobState(row[0]): row[1] for row in rows}


_UNFINISHED: LiteralString = f"""
SELECT count(*) FROM jobs j
WHERE {_OF_TENANT} AND j.due_at IS NOT NULL
  AND NOT (%(held_is_finished)s AND j.state = 'unconfirmed' AND j.reason = 'held')
"""  # noqa: S608 - put together from constants


def unfinished_of(conn: Connection, tenant: str, ids: Sequence[UUID], *, held_is_finished: bool) -> int:
    """The number of these jobs that are not finished. With `held_is_finished`, a job held for a decision counts as
    finished, but not one whose task is still being looked for."""
    parameters = {"ids": list(ids), "tenant": tenant, "held_is_finished": held_is_finished}
    row = conn.execute(_UNFINISHED, parameters).fetchone()
    return 0 if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter for a tenant's jobs; None and empty: any value. A job must have all of the tags."""

    tenant: str
    states: Sequence[JobState] | None = None
    campaign: str | None = None
    account: str | None = None
    tags: Sequence[str] = ()
    idempotency_key: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    deleted: bool = True
    """Whether to include jobs whose files were deleted."""

    @property
    def is_narrow(self) -> bool:
        """Whether some condition cannot be answered from an index, so that the jobs must be looked at."""
        return self.idempotency_key is None and (
            self.account is not None or self.created_after is not None or self.created_before is not None
        )

    def as_parameters(self) -> dict[str, Any]:
        return asdict(self) | {"tags": list(self.tags), "states": list(dict.fromkeys(self.states or JobState))}


# By its own index, also with old statistics.
_OF_KEY: LiteralString = """
SELECT f.id FROM (SELECT * FROM jobs WHERE tenant = %(tenant)s AND idempotency_key = %(idempotency_key)s OFFSET 0) f
WHERE f.state = ANY(%(states)s::text[]) AND f.id > %(above)s AND f.id < %(below)s {conditions} LIMIT %(limit)s
"""
# The newest of each state by index, of which the conditions are then checked: bounded, however few jobs meet them.
_LOOK: LiteralString = """
WITH looked AS MATERIALIZED ({walk}), hits AS (
    SELECT f.id FROM looked l CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = l.id OFFSET 0) f  -- each by its id
    WHERE true {conditions} ORDER BY f.id DESC LIMIT %(limit)s
)
SELECT coalesce((SELECT array_agg(id) FROM hits), '{{}}'), (SELECT count(*) FROM looked),
       (SELECT id FROM looked ORDER BY id LIMIT 1)
"""
# By the index of tags alone: beside it, PostgreSQL would read all entries of the tenant in another index.
_WITH_TAGS: LiteralString = """
SELECT f.id FROM (SELECT * FROM jobs WHERE tags @> %(tags)s::text[] AND tags <> '{{}}'::text[] OFFSET 0) f
WHERE f.tenant = %(tenant)s AND f.state = ANY(%(states)s::text[]) AND f.id > %(above)s AND f.id < %(below)s {conditions}
ORDER BY f.id DESC LIMIT %(limit)s
"""
LOOKED_AT, LOOKS = 1_250, 2
"""How many jobs one look checks, and how many looks a page takes at most."""
_PAGE_READS = 5
"""A page of which jobs were deleted in between is read again: a short one would be taken for the last one."""
_CAMPAIGN: LiteralString = "(SELECT id FROM campaigns WHERE tenant = %(tenant)s AND name = %(campaign)s)"


def _walk(
    wanted: JobFilter, order: Order, conditions: LiteralString = "", *, limit: LiteralString = "%(limit)s"
) -> LiteralString:
    """A walk over the jobs of the wanted campaign, or else of the tenant."""
    if wanted.campaign is None:
        return walk("tenant", "%(tenant)s", order, conditions, limit=limit)
    return walk("campaign_id", _CAMPAIGN, order, conditions, limit=limit)


def _conditions(wanted: JobFilter) -> LiteralString:
    """The conditions that are not empty, for a job `f`."""
    found: LiteralString = ""
    if wanted.account is not None:
        found += " AND f.account = %(account)s"
    if wanted.tags:
        found += " AND f.tags @> %(tags)s::text[] AND f.tags <> '{}'::text[]"
    if wanted.created_after is not None:
        found += " AND f.created_at > %(created_after)s"
    if wanted.created_before is not None:
        found += " AND f.created_at < %(created_before)s"
    if not wanted.deleted:
        found += " AND f.deleted_at IS NULL"
    return found


def page_of_jobs(conn: Connection, wanted: JobFilter, *, before: UUID | None = None, limit: int = 50) -> list[JobView]:
    """Jobs, newest first; `before` is the last job of the previous page."""
    return _page(conn, wanted, "DESC", limit, below=before or LAST)


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """A page of jobs, newest first. `next_before`: where the next page continues; None: this is the last one."""

    jobs: list[JobView]
    next_before: UUID | None


def find_page(conn: Connection, wanted: JobFilter, *, before: UUID | None = None, limit: int = 50) -> FoundJobs:
    """The same with a bounded effort: a page of a narrow filter may have fewer jobs than `limit`, or none, although
    more follow."""
    if not wanted.is_narrow:
        found = page_of_jobs(conn, wanted, before=before, limit=limit + 1)
        return FoundJobs(found[:limit], found[limit - 1].id if len(found) > limit else None)
    sql = _LOOK.format(walk=_walk(wanted, "DESC", limit="%(look)s"), conditions=_conditions(wanted))
    parameters = wanted.as_parameters() | {"look": LOOKED_AT, "limit": limit + 1}
    ids: list[UUID] = []
    place = before
    for _ in range(LOOKS):
        with reading_in_order(conn):
            row = conn.execute(sql, parameters | {"above": FIRST, "below": place or LAST}).fetchone()
        hits, looked, oldest = row if row is not None else ([], 0, None)
        ids += hits
        if len(ids) > limit:
            place = ids[limit - 1]
            break
        place = oldest if looked == LOOKED_AT else None
        if place is None:
            break
    known = get_jobs(conn, wanted.tenant, ids[:limit])
    return FoundJobs([known[job_id] for job_id in ids[:limit] if job_id in known], place)


def jobs_in_order(conn: Connection, wanted: JobFilter, *, after: UUID | None = None, limit: int = 500) -> list[JobView]:
    """Jobs, oldest first; `after` is the last job of the previous page."""
    return _page(conn, wanted, "ASC", limit, above=after or FIRST)


def _page(
    conn: Connection, wanted: JobFilter, order: Order, limit: int, *, above: UUID = FIRST, below: UUID = LAST
) -> list[JobView]:
    parameters = wanted.as_parameters() | {"above": above, "below": below, "limit": limit}
    found: list[JobView] = []
    for _ in range(_PAGE_READS):
        ids = _ids_of_page(conn, wanted, order, parameters)
        known = get_jobs(conn, wanted.tenant, ids)
        found = [known[job_id] for job_id in ids if job_id in known]
        if len(found) == len(ids):
            break
    return found


def _ids_of_page(conn: Connection, wanted: JobFilter, order: Order, parameters: Mapping[str, Any]) -> list[UUID]:
    conditions = _conditions(wanted)
    of_campaign: LiteralString = "" if wanted.campaign is None else f" AND f.campaign_id = {_CAMPAIGN}"
    if wanted.idempotency_key is not None:
        rows = conn.execute(_OF_KEY.format(conditions=conditions + of_campaign), parameters).fetchall()
    elif wanted.tags and order == "DESC":
        # Of a frequent tag, the newest jobs have a page; those of a rare one are few. Their index has no order.
        sql = _LOOK.format(walk=_walk(wanted, order, limit="%(look)s"), conditions=conditions)
        with reading_in_order(conn):
            hits, looked, _ = conn.execute(sql, {**parameters, "look": LOOKED_AT}).fetchone() or ([], 0, None)
        if len(hits) == parameters["limit"] or looked < LOOKED_AT:
            return list(hits)
        rows = conn.execute(_WITH_TAGS.format(conditions=conditions + of_campaign), parameters).fetchall()
    elif wanted.tags:
        rows = conn.execute(_walk(wanted, order, conditions), parameters).fetchall()
    else:
        with reading_in_order(conn):
            rows = conn.execute(_walk(wanted, order, conditions), parameters).fetchall()
    return [row[0] for row in rows]


_LIVE: LiteralString = walk("campaign_id", "%(campaign)s", "ASC")


def live_ids(conn: Connection, campaign_id: UUID, *, after: UUID | None = None, limit: int = 500) -> list[UUID]:
    """Jobs of a campaign that are not terminal, oldest first; `after` is the last one of the previous page."""
    parameters = {
        "campaign": campaign_id,
        "states": [str(state) for state in LIVE],
        "above": after or FIRST,
        "below": LAST,
        "limit": limit,
    }
    with reading_in_order(conn):
        return [row[0] for row in conn.execute(_LIVE, parameters).fetchall()]
