"""Fill a database for the growth benchmark with `INSERT … SELECT`, several tens of thousands of rows at a time.

The rows are those of a busy and troubled system: a quarter of the queue belongs to one campaign that only one gateway
can serve, one job in fifty was refused a moment ago, and ten accounts are half open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

from bench.growing.sizes import ACCOUNTS, CAMPAIGNS, DAYS, TENANTS, Sizes
from seedance.account import Account
from seedance.gateways.registry import DIALECTS
from seedance.lanes import model_of
from storage.batches.batches import count_ended
from storage.database import BULK, Connection, Database
from storage.reporting.job_counts import merge_counts
from storage.settings import Settings

GATEWAYS = ("anyfast", "uniall", "12ai", "evolink", "ark")
DUE_POLLS = 400
"""The same at every size; all other polls are due much later, so that a kept database stays as it is."""
HALF_OPEN = 10
"""How many accounts have a half-open breaker of their own; as many have one of a model."""
FILES_OF_A_TENANT = 50
_CHUNK = 50_000
_REQUEST = (
    '{"prompt": "a harbour at dawn, seen from the lighthouse", "resolution": "720p", "duration": 5, "tier": "fast"}'
)
_LANE = "fast/text/720p"

_CAMPAIGNS: LiteralString = """
INSERT INTO campaigns (id, tenant, name)
SELECT uuidv7(make_interval(days => -%(days)s)), 't' || n %% %(tenants)s, 'campaign ' || n
FROM generate_series(0, %(campaigns)s - 1) n
"""
# Campaigns by number; a job of number n belongs to campaign n % 1,000, and so to tenant n % 200.
_NUMBERED: LiteralString = """
WITH c AS MATERIALIZED (
    SELECT array_agg(id ORDER BY substr(name, 10)::int) AS ids FROM campaigns
), n AS (
    SELECT n, n %% %(campaigns)s AS place FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
)"""
_ENDED: LiteralString = f"""{_NUMBERED}, jobs_ AS (
    INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, lane, state, due_at, account, gateway,
                      model, attempt, gateway_task_id, submitted_at, generated_at, video_url, video_expires_at,
                      object_key, size_bytes, sha256, error, reason, created_at, updated_at, finished_at, estimate,
                      cost, idempotency_key)
    SELECT uuidv7(-age), 't' || n %% %(tenants)s, ids[place + 1], %(request)s, 'h', %(gateways)s, %(lane)s,
           CASE WHEN n %% 50 = 0 THEN 'failed' WHEN n %% 50 = 1 THEN 'cancelled' ELSE 'succeeded' END, NULL,
           'a' || n %% %(accounts)s, 'anyfast', 'seedance', 1, 'old-' || n, now() - age, now() - age,
           'https://h' || n %% 3 || '.example/v' || n, now() - age, 'videos/' || n, 1000000, repeat('0', 64),
           CASE WHEN n %% 50 = 0 THEN '{{"code": "generation_failed"}}'::jsonb END,
           CASE WHEN n %% 50 = 0 THEN 'generation_failed' WHEN n %% 50 = 1 THEN 'cancelled' ELSE 'stored' END,
           now() - age, now() - age, now() - age, '{{"currency": "CNY", "low": 1, "high": 2, "basis": "rate"}}',
           '{{"currency": "CNY", "amount": 1.5}}', 'key ' || n
    FROM (SELECT *, make_interval(secs => %(days)s * 86400.0 * (1 - n::float8 / %(count)s)) AS age FROM n) n, c
    RETURNING id, account, gateway_task_id, submitted_at
), attempts_ AS (
    INSERT INTO attempts (job_id, number, account, model, model_key, started_at, finished_at, outcome, gateway_task_id)
    SELECT id, 1, account, 'seedance', 'fast', submitted_at, submitted_at, 'accepted', gateway_task_id FROM jobs_
), messages_ AS (
    INSERT INTO webhook_messages (id, tenant, type, job_id, url, target, due_at, created_at, delivered_at)
    SELECT gen_random_uuid(), 't0', 'job.succeeded', id, 'https://hooks.example/', 'hooks.example', NULL, submitted_at,
           submitted_at
    FROM jobs_ WHERE submitted_at > now() - interval '7 days'
)
INSERT INTO job_events (job_id, at, source, target, reason)
SELECT id, submitted_at, 'transferring', 'succeeded', 'stored' FROM jobs_
"""
_QUEUED: LiteralString = f"""{_NUMBERED}
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, lane, reason, barred_accounts, prices,
                  least_price, price_currency)
SELECT uuidv7(), 't' || owner %% %(tenants)s, ids[owner + 1], %(request)s, 'h',
       CASE WHEN owner = 0 THEN '{{ark}}'::text[] ELSE %(gateways)s END, %(lane)s,
       CASE WHEN n %% 50 = 7 THEN 'throttled' END, CASE WHEN n %% 1000 = 17 THEN '{{a7}}' ELSE '{{}}' END::text[],
       '{{"a1": {{"CNY": 2}}}}', 2, 'CNY'
FROM (SELECT *, CASE WHEN n %% 4 = 0 THEN 0 ELSE place END AS owner FROM n) n, c
"""
_GENERATING: LiteralString = f"""{_NUMBERED}, jobs_ AS (
    INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, lane, state, due_at, account, gateway,
                      model, attempt, gateway_task_id, submitted_at, reason)
    SELECT uuidv7(), 't' || n %% %(tenants)s, ids[place + 1], %(request)s, 'h', %(gateways)s, %(lane)s, 'generating',
           now() + make_interval(days => CASE WHEN n <= {DUE_POLLS} THEN 0 ELSE 30 END),
           'a' || n %% %(accounts)s, 'anyfast', 'seedance', 1,
           'task-' || n, now() - interval '1 minute', 'submitted'
    FROM n, c
    RETURNING id, account, gateway_task_id
)
INSERT INTO attempts (job_id, number, account, model, model_key, started_at, finished_at, outcome, gateway_task_id)
SELECT id, 1, account, 'seedance', 'fast', now() - interval '1 minute', now(), 'accepted', gateway_task_id FROM jobs_
"""
_TRANSFERRING: LiteralString = f"""{_NUMBERED}
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, lane, state, due_at, account, gateway,
                  model, attempt, gateway_task_id, submitted_at, generated_at, video_url, video_expires_at, reason)
SELECT uuidv7(), 't' || n %% %(tenants)s, ids[place + 1], %(request)s, 'h', %(gateways)s, %(lane)s, 'transferring',
       now(), 'a' || n %% %(accounts)s, 'anyfast', 'seedance', 1, 'video-' || n, now() - interval '1 hour',
       now() - interval '1 hour', 'https://h' || n %% 3 || '.example/v' || n,
       now() + make_interval(hours => CASE WHEN n %% 2 = 0 THEN 12 ELSE 24 END, secs => n %% 3600), 'generated'
FROM n, c
"""
_RECEIVERS: LiteralString = """
INSERT INTO webhook_messages (id, tenant, type, url, target, due_at, attempts)
SELECT gen_random_uuid(), 't' || n %% %(tenants)s, 'job.succeeded', 'https://r' || n || '.example/',
       'r' || n || '.example', now() + interval '30 days', 1
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
"""
# The sheet of the big campaign, files that jobs use, and batches of up to 10,000 requests.
_SHEET: LiteralString = """
INSERT INTO campaign_rows (id, campaign_id, number, job_id)
SELECT id, campaign_id, row_number() OVER (ORDER BY id), id FROM jobs
WHERE campaign_id = (SELECT id FROM campaigns WHERE name = 'campaign 0')
"""
_UPLOADS: LiteralString = """
WITH files AS (
    INSERT INTO uploads (id, tenant, reference, object_key, size_bytes, name, stored_at)
    SELECT uuidv7(), 't' || n %% %(tenants)s, 'upload://' || n, 'inputs/' || n, 1000, 'f', now()
    FROM generate_series(1, %(count)s) n RETURNING id, tenant
), mine AS (
    SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS many FROM files WHERE tenant = 't0'
), users AS (
    SELECT id, row_number() OVER (ORDER BY id) AS n FROM jobs WHERE tenant = 't0' AND state <> 'queued'
)
INSERT INTO upload_uses (job_id, upload_id) SELECT u.id, m.id FROM users u JOIN mine m ON m.n = u.n %% m.many + 1
"""
_BATCHES: LiteralString = """
WITH numbered AS (
    SELECT id, (row_number() OVER (ORDER BY id) - 1)::int AS n FROM jobs WHERE tenant = 't0' AND state <> 'queued'
), made AS (
    INSERT INTO batches (id, tenant, file_id, lines, window_s, state, next_part, due_at, ended_at, expires_at)
    SELECT uuidv7(), 't0', gen_random_uuid(), 10000, 86400, 'completed', NULL, NULL, now(), now() + interval '1 day'
    FROM generate_series(0, (SELECT max(n) / 10000 FROM numbered)) RETURNING id
), ordered AS (
    SELECT id, (row_number() OVER (ORDER BY id) - 1)::int AS n FROM made
)
INSERT INTO batch_lines (batch_id, line, custom_id, job_id)
SELECT o.id, j.n %% 10000, j.n::text, j.id FROM numbered j JOIN ordered o ON o.n = j.n / 10000
"""
_BREAKERS: LiteralString = """
INSERT INTO circuit_breakers (account, model, cause, doubtful, open_until, tried_from, openings, judged)
SELECT 'a' || n, CASE WHEN n < %(half)s THEN '' ELSE m.model END, 'throttled', false, now() - interval '1 second',
       now() - interval '1 minute', 1, true
FROM unnest(%(models)s::text[]) WITH ORDINALITY AS m(model, place)
JOIN generate_series(0, 2 * %(half)s - 1) n ON n %% cardinality(%(models)s::text[]) = m.place - 1
"""
# Every account has served every tenant before, in an order of its own.
_TURNS: LiteralString = """
INSERT INTO account_turns (account, tenant, campaign, pin, served_at)
SELECT 'a' || a, 't' || t, c.id, '', now() - make_interval(secs => hashint4(a * %(tenants)s + t) & 1023)
FROM generate_series(0, %(accounts)s - 1) a, generate_series(0, %(tenants)s - 1) t
JOIN campaigns c ON c.name = 'campaign ' || t
"""
_STATES: LiteralString = """
INSERT INTO account_states (name) SELECT 'a' || n FROM generate_series(0, %(accounts)s - 1) n
"""
_TABLES = (
    *("jobs", "attempts", "job_events", "webhook_messages", "campaigns", "circuit_breakers", "account_turns"),
    *("campaign_rows", "uploads", "upload_uses", "batches", "batch_lines"),
    *("job_counts", "campaign_sums", "ended_sums", "row_counts", "message_counts", "failure_counts"),
)


def fill(db: Database, sizes: Sizes, *, counted: bool = True) -> None:
    """Fill an empty database. `counted`: its schema keeps counts, which are merged."""
    known: dict[str, Any] = {
        "tenants": TENANTS,
        "accounts": ACCOUNTS,
        "campaigns": CAMPAIGNS,
        "days": DAYS,
        "half": HALF_OPEN,
        "request": _REQUEST,
        "gateways": list(GATEWAYS),
        "lane": _LANE,
        "models": [model_of(DIALECTS[gateway], _LANE) for gateway in GATEWAYS],
    }
    with db.begin(limits=BULK) as conn:
        conn.execute(_CAMPAIGNS, known)
        for sql in (_STATES, _TURNS):
            conn.execute(sql, known)
    for sql, count in (
        (_ENDED, sizes.ended),
        (_QUEUED, sizes.queued),
        (_GENERATING, sizes.generating),
        (_TRANSFERRING, sizes.transferring),
        (_RECEIVERS, sizes.receivers),
    ):
        for first, last in _chunks(count):
            with db.begin(limits=BULK) as conn:
                conn.execute(sql, {**known, "first": first, "last": last, "count": count})
    with db.begin(limits=BULK) as conn:
        for sql in (_SHEET, _UPLOADS, _BATCHES, _BREAKERS):  # breakers last: no acceptance closes them
            conn.execute(sql, {**known, "count": FILES_OF_A_TENANT * TENANTS})
    if counted:
        with db.begin(limits=BULK) as conn:
            while merge_counts(conn):  # as a scheduler does each second
                pass
            while count_ended(conn):  # as an API process does
                pass


def settle_statistics(conn: Connection) -> None:
    """Vacuum and analyse, as autovacuum does. The connection must not be in a transaction.

    Of a kept database, also what earlier runs have rolled back: always in the rows that come first, which are so few
    pages of a large table that VACUUM would leave the dead entries in its indexes.
    """
    for table in _TABLES:
        conn.execute(f"VACUUM (ANALYZE, INDEX_CLEANUP ON) {table}")


def settings_of(sizes: Sizes) -> Settings:
    """Accounts of which the half-open ones have room for two jobs, and half of the others for one: some fifty jobs a
    tick, twice the pace of 10 M a day. One in five has a limit of requests a minute, one in five of polls."""
    accounts = [
        Account.model_validate(
            {
                "name": f"a{number}",
                "gateway": GATEWAYS[number % len(GATEWAYS)],
                "base_url": "https://gateway.example",
                "api_key": "k",
                "max_in_flight": -(-sizes.generating // ACCOUNTS) + (2 if number < 2 * HALF_OPEN else number % 2),
                "requests_per_minute": 10_000 if number % 5 == 0 else None,
                "polls_per_minute": 10_000 if number % 5 == 1 else None,
            }
        )
        for number in range(ACCOUNTS)
    ]
    return Settings(accounts=tuple(accounts), keep_jobs_days=float(DAYS - 1), keep_events_days=7.0)


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for first in range(1, count + 1, _CHUNK):
        yield first, min(first + _CHUNK - 1, count)
