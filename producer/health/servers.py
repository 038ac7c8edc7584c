"""Checks of the database and the broker, on connections that the caller has: each one proves that writes work."""

from __future__ import annotations

import time
from collections.abc import Iterator

import redis

from producer.health.findings import Finding, good, warn
from storage import broker, heartbeats
from storage.broker_url import BrokerUrl
from storage.bucket.refusals import SKEW_S
from storage.database import MIN_VERSION, Connection, DatabaseUnavailable
from storage.revisions import check_schema, newest_revision

NEARLY_FULL = 0.9


def check_database(conn: Connection, *, write: bool = True) -> Iterator[Finding]:
    """Whether the database can store jobs, its clock and its versions. `write`: also write a row, always the same.

    Raises:
        DatabaseUnavailable: it does not answer, is too old, does not fit this program, or refuses the write.
    """
    server = conn.info.server_version // 10000
    if server < MIN_VERSION:
        raise DatabaseUnavailable(
            f"the server is PostgreSQL {server}; reelq needs {MIN_VERSION} or later: upgrade it",
            code="database_version",
        )
    found = check_schema(conn)
    if write:
        heartbeats.prove_writes(conn)
    yield from _clock(conn)
    row = conn.execute("SELECT current_schema(), current_setting('server_version')").fetchone()
    schema, version = row or ("", "")
    newest = newest_revision()
    revision = found if found == newest else f"{found}, newer than this program ({newest}) and fit for it,"
    yield good("database", f"takes writes, revision {revision} in schema {schema}, PostgreSQL {version}")


def _clock(conn: Connection) -> Iterator[Finding]:
    before = time.time()
    row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    here, there = (before + time.time()) / 2, row[0] if row else before
    if abs(here - there) > SKEW_S:
        text = f"the clocks of this host and the database differ by {abs(here - there):.0f} s; set both by NTP"
        yield warn("clock", text, "database_clock")


def check_broker(connection: redis.Redis, target: BrokerUrl) -> Iterator[Finding]:
    """Whether the broker takes messages and keeps them.

    Raises:
        BrokerUnavailable: it does not answer, refuses writes, or cannot be a broker.
    """
    facts = broker.check(connection, target)
    if facts.evicts is not None:
        text = (
            f"drops messages silently when its memory is full (maxmemory-policy {facts.evicts}); "
            "set maxmemory-policy noeviction"
        )
        yield warn("broker", text, "broker_evicts")
    elif facts.used is not None and facts.used >= NEARLY_FULL:
        text = f"{facts.used:.0%} of its memory is in use, and then it refuses messages; raise its maxmemory"
        yield warn("broker", text, "broker_nearly_full")
    yield good("broker", f"takes messages, {facts.name}" if facts.name else "takes messages")
