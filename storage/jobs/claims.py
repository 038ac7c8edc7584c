"""Leases: claim due jobs for a worker until a given time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import Any, LiteralString, cast
from uuid import UUID

from storage.database import Connection, reading_in_order
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState
from storage.jsonb import dumps
from storage.leases import Claimed

NEXT_CLAIM: LiteralString = "mod(j.claim, 9223372036854775807) + 1"
"""The next claim number of a job `j`. After the largest, which another program may have stored, comes 1."""
NEXT_ATTEMPT: LiteralString = "least(j.attempt, 2147483646) + 1"
"""The number of the next attempt of a job `j`. After the largest it is not begun: the job fails."""


def _claimed(conn: Connection, sql: LiteralString, parameters: Mapping[str, Any]) -> list[Claimed]:
    """The rows of a statement that returns the columns of `Claimed` in their order."""
    return list(starmap(Claimed, conn.execute(sql, parameters).fetchall()))


_RENEW: LiteralString = """
UPDATE jobs j SET due_at = now() + make_interval(secs => %(lease_s)s)
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE j.id = ANY(%(ids)s) AND j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL
RETURNING j.id
"""


def renew(conn: Connection, leases: Sequence[tuple[UUID, int]], lease_s: float) -> set[UUID]:
    """Extend leases; a job that is missing from the result is no longer held by this worker."""
    if not leases:
        return set()
    parameters = {"ids": [i for i, _ in leases], "claims": [c for _, c in leases], "lease_s": lease_s}
    return {row[0] for row in conn.execute(_RENEW, parameters)}


_RELEASE: LiteralString = """
UPDATE jobs j SET due_at = CASE WHEN j.state = 'queued' THEN least(now(), j.draft_ends_at - interval '30 days')
                             ELSE now() END,
                  account = CASE WHEN j.state = 'queued' THEN NULL ELSE j.account END
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE j.id = ANY(%(ids)s) AND j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL AND j.state <> 'submitting'
"""


def release(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Make claimed jobs due at once, because no worker will process them."""
    if claimed:
        conn.execute(_RELEASE, {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]})


# --- queued jobs; `storage.admission.queued_claims` claims them ---

TRIED: LiteralString = (
    "reason = ANY (ARRAY['account_problem'::text, 'input_not_ready'::text, 'model_problem'::text, "
    "'not_sent'::text, 'not_served'::text, 'throttled'::text])"
)
"""A condition on a queued job: it was tried before and came back; see `TRIED_BEFORE`. A literal, so that PostgreSQL
sees that `jobs_tried_idx` has all such jobs, and as PostgreSQL prints it, which a test compares."""
FRESH: LiteralString = f"(reason IS NULL OR NOT {TRIED})"
"""A condition on a queued job: it was not tried before."""
ROUTE: LiteralString = (
    f"hash_array_extended(gateways, hash_array_extended(barred_accounts, coalesce({TRIED}, false)::int::bigint))"
)
"""Jobs of one route can be served by the same gateways, except at the same accounts, and were all tried before or all
not."""
# Back to their old place: the oldest still come first, and of finals those whose draft dies first.
_PUT_BACK: LiteralString = """
UPDATE jobs SET account = NULL, due_at = least(created_at, draft_ends_at - interval '30 days') WHERE id = ANY(%(ids)s)
"""
_POSTPONE_QUEUED: LiteralString = """
UPDATE jobs SET due_at = now() + make_interval(secs => %(seconds)s), account = NULL, reason = %(reason)s
WHERE id = ANY(%(ids)s)
"""
_UNBAR: LiteralString = """
WITH stuck AS (
    SELECT id FROM jobs j
    WHERE j.state = 'queued' AND j.barred_accounts <> '{}'::text[] AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(accounts)s::jsonb) AS a(name text, gateway text, served text[], besides text[])
        WHERE (a.served IS NULL OR j.tenant = ANY(a.served)) AND j.tenant <> ALL(a.besides)
          AND a.gateway = ANY(j.gateways) AND a.name <> ALL(j.barred_accounts)
          AND coalesce(j.account_pin, a.name) = a.name)
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET barred_accounts = '{}' FROM stuck WHERE j.id = stuck.id
"""
_WAKE: LiteralString = """
UPDATE jobs SET due_at = least(now(), draft_ends_at - interval '30 days'), reason = NULL
WHERE tenant = %(tenant)s AND state = 'queued' AND reason = %(reason)s AND account IS NULL
  AND (%(campaign)s::uuid IS NULL OR campaign_id = %(campaign)s)
"""
_WAKE_JOBS: LiteralString = """
UPDATE jobs SET due_at = least(now(), draft_ends_at - interval '30 days'), reason = NULL
WHERE id = ANY(%(ids)s) AND state = 'queued' AND reason = %(reason)s AND account IS NULL RETURNING id
"""


def put_back_claimed(conn: Connection, ids: Sequence[UUID]) -> None:
    """Return jobs to the queue that this transaction has just claimed."""
    conn.execute(_PUT_BACK, {"ids": list(ids)})


def postpone_queued(conn: Connection, ids: Sequence[UUID], seconds: float, reason: Reason) -> None:
    """The same, but they cannot be claimed again for `seconds`."""
    conn.execute(_POSTPONE_QUEUED, {"ids": list(ids), "seconds": seconds, "reason": reason})


def unbar_queued(conn: Connection, accounts: Sequence[Mapping[str, Any]], limit: int) -> int:
    """Lift the bars of queued jobs that no configured account may serve any more, so that they end or go on; returns
    how many. `accounts`: of each its `name`, its `gateway`, and the tenants `served` (None: all) except `besides`."""
    return conn.execute(_UNBAR, {"accounts": dumps(list(accounts)), "limit": limit}).rowcount


def wake_queued(conn: Connection, tenant: str, campaign_id: UUID | None, reason: Reason) -> None:
    """Make queued jobs due that wait for this reason; `campaign_id` None: in all the tenant's campaigns."""
    conn.execute(_WAKE, {"tenant": tenant, "campaign": campaign_id, "reason": reason})


def wake_jobs(conn: Connection, ids: Sequence[UUID], reason: Reason) -> set[UUID]:
    """Make those of these queued jobs due that wait for this reason; returns them."""
    return {row[0] for row in conn.execute(_WAKE_JOBS, {"ids": list(ids), "reason": reason})}


# --- jobs at gateways ---

# Leaps in the index of assigned jobs: PostgreSQL before 18 cannot skip over its first column.
ACCOUNTS: LiteralString = """(WITH RECURSIVE names AS (
    (SELECT account FROM jobs WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
     ORDER BY account LIMIT 1)
    UNION ALL
    SELECT n.account FROM names p CROSS JOIN LATERAL (
        SELECT account FROM jobs WHERE due_at IS NOT NULL AND state <> 'transferring' AND account > p.account
        ORDER BY account LIMIT 1) n
) SELECT account FROM names)"""
"""A part of a FROM: each `account` that has jobs, except jobs that are only copied."""

DUE_POLLS = 2_000
"""How many due polls are read in the order of their due times, at most. With no more than these, the limits of accounts
are applied to what was read."""


_SINCE: LiteralString = "coalesce(%(since)s::timestamptz, '-infinity')"


# Whole rows are compared: only the index of jobs at accounts has these columns in this order, so PostgreSQL needs no
# statistics to choose it.
def _due_polls_of(account: LiteralString, limit: LiteralString) -> LiteralString:
    """The first due polls of an account."""
    return f"""SELECT ctid AS place, due_at FROM jobs
        WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
          AND (account, state, due_at) >= ({account}, 'generating', {_SINCE})
          AND (account, state, due_at) <= ({account}, 'generating', now())
        ORDER BY account, state, due_at LIMIT {limit}"""  # noqa: S608 - put together from constants


# PostgreSQL must read due polls in the order of their index, however many jobs are generating. `account <> ALL` would
# tell it that hardly any is left, because most queued jobs have no account. With more due polls than `DUE_POLLS`, one
# account could have all of the oldest: then those of each account with a limit are looked for, and those of each other
# account, unless the oldest have enough of these. What is locked is compared as expressions, so that no index fits but
# the place in the table.
_CLAIM_POLLS: LiteralString = f"""
WITH limited AS MATERIALIZED (
    SELECT * FROM unnest(%(accounts)s::text[], %(most)s::int[]) AS a(name, most)
), oldest AS MATERIALIZED (
    SELECT o.*, a.name IS NOT NULL AS is_limited, a.most FROM (
        SELECT ctid AS place, account, due_at FROM jobs
        WHERE state = 'generating' AND due_at >= {_SINCE} AND due_at <= now()
        ORDER BY due_at LIMIT {DUE_POLLS} + 1) o
    LEFT JOIN limited a ON a.name = o.account
), many AS MATERIALIZED (
    SELECT count(*) > {DUE_POLLS} AS are_due,
           count(*) > {DUE_POLLS} AND count(*) FILTER (WHERE NOT is_limited) < %(limit)s AS hide_others FROM oldest
), chosen AS MATERIALIZED (
    SELECT place, due_at, is_limited FROM (
        SELECT *, row_number() OVER (PARTITION BY account ORDER BY due_at) AS nth FROM oldest) numbered
    WHERE CASE WHEN is_limited THEN nth <= most AND NOT (SELECT are_due FROM many)
               ELSE NOT (SELECT hide_others FROM many) END
    UNION ALL
    SELECT d.place, d.due_at, true FROM limited a CROSS JOIN LATERAL ({_due_polls_of("a.name", "a.most")}) d
    WHERE (SELECT are_due FROM many)
    UNION ALL
    SELECT d.place, d.due_at, false FROM {ACCOUNTS} a CROSS JOIN LATERAL (
        {_due_polls_of("a.account", "%(limit)s")}) d
    WHERE (SELECT hide_others FROM many) AND a.account <> ALL(%(accounts)s::text[])
    ORDER BY is_limited DESC, due_at LIMIT %(limit)s
), due AS MATERIALIZED (
    SELECT ctid AS place, due_at FROM jobs
    WHERE ctid = ANY(ARRAY(SELECT place FROM chosen))
      AND state || '' = 'generating' AND due_at + interval '0 s' <= now() FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET claim = {NEXT_CLAIM}, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.ctid = due.place
RETURNING j.id, j.claim, j.account, least(date_part('epoch', now()) - date_part('epoch', due.due_at), 1e9) AS late_s
"""  # noqa: S608 - put together from constants


# CTEs, not sub-selects: PostgreSQL may run a LIMITed sub-select again inside a nested loop and claim more than asked.
_CLAIM_UNCONFIRMED: LiteralString = f"""
WITH due AS MATERIALIZED (
    SELECT ctid AS place FROM jobs WHERE state = 'unconfirmed' AND due_at <= now()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET claim = {NEXT_CLAIM}, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.ctid = due.place RETURNING j.id, j.claim, j.account
"""  # noqa: S608 - as above


HOST: LiteralString = "split_part(video_url, '/', 3)"  # the index `jobs_transferring_idx` begins with it
URGENT_AT: LiteralString = "((generated_at AT TIME ZONE 'UTC') + (video_expires_at - generated_at) * 0.75::float8)"
"""When no more than `URGENT_SHARE` of a URL's life is left, in UTC: the index `jobs_urgent_idx` needs a value that
depends on no setting."""
_EVERY: LiteralString = "AND due_at <= now() ORDER BY video_expires_at, due_at"
URGENT_LOOKED_AT = 1_000
"""How many urgent videos of a host are looked at, at most, for those that are due. During an outage of the store very
many are urgent, and hardly one is due; the other claims find those that are."""
_OF_HOST: LiteralString = f"FROM jobs WHERE state = 'transferring' AND {HOST} = h.host"
_DUE_OF_HOST: LiteralString = f"SELECT id, ctid AS place, video_expires_at, due_at {_OF_HOST} {_EVERY}"
_URGENT_OF_HOST: LiteralString = f"""SELECT * FROM (
            SELECT id, ctid AS place, video_expires_at, due_at, {URGENT_AT} AS urgent_at {_OF_HOST}
              AND {URGENT_AT} < (now() AT TIME ZONE 'UTC') ORDER BY {URGENT_AT} LIMIT {URGENT_LOOKED_AT}) looked
        WHERE due_at <= now() ORDER BY urgent_at, due_at"""  # noqa: S608 - as above


# Source hosts alternate, so that a stalled host does not delay the videos of the others; of each host the video whose
# link expires first comes first. A loose index scan finds the hosts.
def _claim_transfers(of_host: LiteralString) -> LiteralString:
    return f"""
WITH RECURSIVE hosts AS (
    (SELECT {HOST} AS host FROM jobs WHERE state = 'transferring' ORDER BY {HOST} LIMIT 1)
    UNION ALL
    SELECT n.host FROM hosts h CROSS JOIN LATERAL (
        SELECT {HOST} AS host FROM jobs WHERE state = 'transferring' AND {HOST} > h.host ORDER BY {HOST} LIMIT 1) n
), due AS (
    SELECT d.id, d.place, d.video_expires_at,
           row_number() OVER (PARTITION BY h.host ORDER BY d.video_expires_at, d.due_at) AS turn
    FROM hosts h CROSS JOIN LATERAL ({of_host} LIMIT %(limit)s) d
), chosen AS (
    SELECT * FROM due ORDER BY turn, video_expires_at LIMIT %(limit)s
), locked AS (
    SELECT ctid AS place FROM jobs WHERE ctid = ANY(ARRAY(SELECT place FROM chosen))
      AND state || '' = 'transferring' AND due_at + interval '0 s' <= now() FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE jobs j SET claim = {NEXT_CLAIM}, due_at = now() + make_interval(secs => %(lease_s)s)
    FROM locked l WHERE j.ctid = l.place RETURNING j.id, j.claim, coalesce(j.account, '') AS account
)
SELECT id, claim, account FROM leased JOIN chosen USING (id) ORDER BY turn, video_expires_at
"""  # noqa: S608 - put together from constants


_CLAIM_TRANSFERS, _CLAIM_URGENT = _claim_transfers(_DUE_OF_HOST), _claim_transfers(_URGENT_OF_HOST)


def claim_polls(
    conn: Connection,
    limit: int,
    lease_s: float,
    most: Mapping[str, int] | None = None,
    since: datetime | None = None,
) -> list[Claimed]:
    """Lease generating jobs whose next poll is due, the longest overdue first. `most`: how many at most of each account
    that has a limit; what these may get comes first. `since`: only those that became due then or later; None: all."""
    limits = most or {}
    parameters = {"accounts": list(limits), "most": list(limits.values()), "limit": limit, "lease_s": lease_s}
    return _claimed(conn, _CLAIM_POLLS, parameters | {"since": since})


def claim_unconfirmed(conn: Connection, limit: int, lease_s: float) -> list[Claimed]:
    """Lease jobs whose POST may have been accepted, to look for their tasks."""
    return _claimed(conn, _CLAIM_UNCONFIRMED, {"limit": limit, "lease_s": lease_s})


def claim_transfers(conn: Connection, limit: int, lease_s: float, *, urgent: bool = False) -> list[Claimed]:
    """Lease videos to copy: source hosts alternate, and of each host the video whose URL expires first comes first.

    `urgent`: only those with less than `URGENT_SHARE` of their URL's life left; of each host the one that has been
    urgent longest comes first.
    """
    sql = _CLAIM_URGENT if urgent else _CLAIM_TRANSFERS
    return _claimed(conn, sql, {"limit": limit, "lease_s": lease_s})


_DUE: LiteralString = """
SELECT id, claim FROM jobs WHERE state = %(state)s AND due_at <= now() ORDER BY due_at LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""


# A range of states, in their order: only the index of cancellations has it.
_CANCEL_WANTED: LiteralString = """
SELECT id, claim FROM jobs
WHERE state >= 'queued' AND state <= 'queued' AND cancel_request IS NOT NULL AND due_at IS NOT NULL
ORDER BY state LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


_PAST_DEADLINE: LiteralString = """
SELECT id, claim FROM jobs
WHERE deadline_at <= now() AND state = 'queued'
ORDER BY deadline_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


_DEAD_DRAFTS: LiteralString = """
SELECT id, claim FROM jobs
WHERE draft_ends_at <= now() AND draft_of IS NOT NULL AND state = 'queued'
ORDER BY draft_ends_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def due(conn: Connection, state: JobState, limit: int) -> list[tuple[UUID, int]]:
    """Jobs (id, claim) of a state that are due; locked until the transaction ends."""
    return _locked(conn, _DUE, {"state": state, "limit": limit})


def cancel_wanted(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued jobs (id, claim) whose cancellation was requested while they were being submitted; locked as in `due`."""
    return _locked(conn, _CANCEL_WANTED, {"limit": limit})


def past_deadline(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued jobs (id, claim) whose deadline has passed; locked until the transaction ends."""
    return _locked(conn, _PAST_DEADLINE, {"limit": limit})


def dead_drafts(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued finals (id, claim) whose draft can be used no longer; locked until the transaction ends."""
    return _locked(conn, _DEAD_DRAFTS, {"limit": limit})


def _locked(conn: Connection, sql: LiteralString, parameters: Mapping[str, Any]) -> list[tuple[UUID, int]]:
    """Each by the one index that has its order: without statistics, PostgreSQL would read all queued jobs."""
    with reading_in_order(conn):
        return cast(list[tuple[UUID, int]], conn.execute(sql, parameters).fetchall())
