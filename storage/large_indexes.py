"""Indexes on tables that may be large, built before the migration that counts on them, so that writers need not wait.

A migration runs in one transaction, and `CREATE INDEX CONCURRENTLY` cannot. So an upgrade builds these first, each by
itself, while everything runs. Their migration then finds them built; on a new database it creates them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from storage.counted.failures import COUNTED, LABELS

_NO_CAMPAIGN: LiteralString = "coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid)"
_TRIED: LiteralString = """reason IN ('account_problem', 'input_not_ready', 'model_problem', 'not_sent', 'not_served',
    'throttled')"""
_SHARE: LiteralString = f"""(priority DESC, tenant, {_NO_CAMPAIGN}, coalesce(account_pin, ''::text), lane,
    hash_array_extended(gateways, hash_array_extended(barred_accounts, coalesce({_TRIED}, false)::int::bigint)),
    due_at, id)"""
_FAILURES: LiteralString = f"(campaign_id, ({LABELS}), id) WHERE {COUNTED}".replace("r.", "")
_LOCK = 0x7265656C7169  # any number, the same in every process
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class LargeIndex:
    """An index and the migration that needs it. `keys`: what follows the table in `CREATE INDEX`."""

    revision: str
    name: LiteralString
    table: LiteralString
    keys: LiteralString
    unique: bool = False

    @property
    def kind(self) -> LiteralString:
        """What stands between `CREATE` and `INDEX`."""
        return "UNIQUE " if self.unique else ""


LARGE_INDEXES = (
    LargeIndex("0035", "jobs_routes_idx", "jobs", f"{_SHARE} WHERE state = 'queued'"),
    LargeIndex(
        "0035",
        "jobs_tried_idx",
        "jobs",
        f"{_SHARE} WHERE state = 'queued' AND {_TRIED}",
    ),
    LargeIndex(
        "0035",
        "jobs_urgent_idx",
        "jobs",
        """(split_part(video_url, '/', 3),
            ((generated_at AT TIME ZONE 'UTC') + (video_expires_at - generated_at) * 0.75::float8))
           WHERE state = 'transferring'""",
    ),
    LargeIndex(
        "0035",
        "jobs_alarms_idx",
        "jobs",
        """(((generated_at AT TIME ZONE 'UTC') + (video_expires_at - generated_at)
             * CASE WHEN expiry_alarm < 50 THEN 0.5::float8 WHEN expiry_alarm < 75 THEN 0.75::float8
                    ELSE 0.9::float8 END))
           WHERE state IN ('transferring', 'generating') AND generated_at IS NOT NULL AND object_key IS NULL
             AND expiry_alarm < 90""",
    ),
    LargeIndex("0035", "jobs_alarmed_idx", "jobs", "(expiry_alarm) WHERE state = 'transferring' AND expiry_alarm > 0"),
    LargeIndex(
        "0035",
        "jobs_due_at_idx",
        "jobs",
        "(state, due_at) WHERE state IN ('submitting', 'unconfirmed', 'generating', 'transferring')",
    ),
    LargeIndex("0035", "webhook_messages_pending_idx", "webhook_messages", "(due_at) WHERE due_at IS NOT NULL"),
    LargeIndex(
        "0035", "webhook_messages_delivered_idx", "webhook_messages", "(delivered_at) WHERE delivered_at IS NOT NULL"
    ),
    LargeIndex("0035", "webhook_messages_dead_idx", "webhook_messages", "(dead_at) WHERE dead_at IS NOT NULL"),
    LargeIndex("0042", "webhook_messages_waiting_idx", "webhook_messages", "(created_at) WHERE due_at IS NOT NULL"),
    LargeIndex("0044", "job_events_default_pkey", "job_events", "(job_id, id)", unique=True),
    LargeIndex("0044", "job_events_default_id_idx", "job_events", "(id)"),
    LargeIndex("0047", "campaign_rows_several_idx", "campaign_rows", "(campaign_id) WHERE job_id <> id"),
    LargeIndex("0053", "campaign_rows_labels_idx", "campaign_rows", "(campaign_id, label) WHERE label <> ''"),
    LargeIndex("0053", "campaign_rows_reviewed_idx", "campaign_rows", "(campaign_id, review) WHERE review <> 'open'"),
    LargeIndex("0053", "campaign_rows_proofs_idx", "campaign_rows", "(campaign_id) WHERE proof AND final IS NOT NULL"),
    LargeIndex("0053", "upload_uses_newest_idx", "upload_uses", "(upload_id, job_id)"),
    LargeIndex(
        "0056",
        "jobs_queued_deadline_idx",
        "jobs",
        "(deadline_at) WHERE state = 'queued' AND deadline_at IS NOT NULL",
    ),
    LargeIndex("0056", "jobs_doubts_idx", "jobs", "(updated_at) WHERE state = 'unconfirmed'"),
    LargeIndex(
        "0057",
        "jobs_at_accounts_idx",
        "jobs",
        "(account, state, due_at, lane) WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'",
    ),
    LargeIndex("0058", "jobs_deleted_idx", "jobs", "(tenant, state, id) WHERE deleted_at IS NOT NULL"),
    LargeIndex("0059", "jobs_failures_idx", "jobs", _FAILURES),
)

_FOUND = """SELECT quote_ident(n.nspname), x.indisvalid FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN (pg_index x JOIN pg_class i ON i.oid = x.indexrelid) ON x.indrelid = t.oid AND i.relname = {}
WHERE t.oid = to_regclass({})"""


def create_statements(revision: str) -> list[str]:
    """For a migration: create its indexes, unless they are built."""
    return [
        f"CREATE {index.kind}INDEX IF NOT EXISTS {index.name} ON {index.table} {index.keys}"
        for index in LARGE_INDEXES
        if index.revision == revision
    ]


def wait_alone(held: psycopg.Connection, beginning: sql.Composed) -> None:
    """Wait until no other process prepares a migration of this database, and keep others out until the transaction of
    this connection ends. `beginning`: what its transaction begins with.

    Builds wait for every transaction with a snapshot: a process that waited in the database would stop them. For the
    same reason `held` runs statements without parameters only: a portal would keep its snapshot.
    """
    while True:
        held.execute(beginning, prepare=False)
        if held.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})").fetchone() == (True,):
            return
        held.rollback()  # a build that came upon this statement waits for the end of its transaction
        time.sleep(_LOOK_S)


def build_ahead(held: psycopg.Connection, own: psycopg.Connection, current: str) -> None:
    """Build the indexes of migrations that are ahead; see `wait_alone`.

    `held`: a connection in a transaction; `own`: another one, in no transaction, that builds. `current`: the schema's
    revision.
    """
    ahead = [index for index in LARGE_INDEXES if index.revision > current]
    if not ahead:
        return
    # A build is no transaction that could set its own limit, and sessions may be shared.
    limits = [sql.SQL("statement_timeout")]
    if own.info.server_version >= 170000:
        limits.append(sql.SQL("transaction_timeout"))
    for limit in limits:
        own.execute(sql.SQL("SET {} = 0").format(limit))
    try:
        _build(held, own, ahead)
    finally:
        for limit in limits:
            own.execute(sql.SQL("RESET {}").format(limit))


def _build(held: psycopg.Connection, own: psycopg.Connection, ahead: Sequence[LargeIndex]) -> None:
    for index in ahead:
        row = held.execute(sql.SQL(_FOUND).format(index.name, index.table)).fetchone()
        if row is None or row[1]:
            continue
        names = {"name": sql.SQL(index.name), "schema": sql.SQL(row[0]), "table": sql.SQL(index.table)}
        if row[1] is False:  # its build was interrupted
            own.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}").format(**names))
        build = sql.SQL("CREATE {kind}INDEX CONCURRENTLY {name} ON {schema}.{table} ").format(
            kind=sql.SQL(index.kind), **names
        )
        # The schema may be older than the columns. Nothing is left then, and it is built before its own migration.
        with suppress(psycopg.errors.UndefinedColumn):
            own.execute(build + sql.SQL(index.keys))
